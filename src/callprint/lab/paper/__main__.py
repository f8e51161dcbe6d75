"""The paper's full procedure, from a dataset to results; docs/how/paper-networks.md has the commands."""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from callprint.core.ground.errors import CallprintError
from callprint.lab.paper.full import CACHE, RESULTS, full_procedures, result_of, run_network
from callprint.lab.paper.full_section import full_section
from callprint.lab.paper.full_speed import measure_speed
from callprint.training.dataset import load_dataset
from callprint.training.paper.packed import load_packed, pack_flows, save_packed
from callprint.training.paper.procedure import Procedure

EXAMINED_PACKETS = 150  # of a flow of dataset2 or cross: with them our calls fit into 60 MB


def _pack(args: argparse.Namespace) -> None:
    save_packed(pack_flows(load_dataset(args.dataset), args.examined_packets), args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")


def _train(args: argparse.Namespace) -> None:
    chosen = _chosen(args.networks)
    packed = load_packed(args.windows)
    args.results.mkdir(parents=True, exist_ok=True)
    waiting = [one for one in chosen if result_of(one, packed.digest, args.results) is None]
    print(f"{len(chosen) - len(waiting)} of {len(chosen)} networks are done before", flush=True)
    side_by_side = args.side_by_side or (4 if torch.cuda.is_available() else 1)
    if side_by_side == 1 or len(waiting) < 2:
        if args.threads:
            torch.set_num_threads(args.threads)
        for one in waiting:
            run_network(one, packed, cache=args.cache, results=args.results, say=_say)
        return
    with ThreadPoolExecutor(side_by_side) as pool:
        failed = [
            name for name, code in pool.map(lambda one: (one.name, _in_a_process(one, args)), waiting) if code
        ]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the same command tries them again and keeps the others")


def _in_a_process(procedure: Procedure, args: argparse.Namespace) -> int:
    """Train one network beside others: a small network's steps are too short to keep a GPU busy alone."""
    command = [sys.executable, "-m", __package__ or "", "train", str(args.windows), procedure.name]
    command += ["--cache", str(args.cache), "--results", str(args.results)]
    return subprocess.run([*command, "--threads", str(args.threads or 4)], check=False).returncode


def _say(text: str) -> None:
    print(text, flush=True)


def _chosen(names: list[str]) -> list[Procedure]:
    known = {one.name: one for one in full_procedures()}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no network {unknown[0]}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def _speed(args: argparse.Namespace) -> None:
    measure_speed(load_packed(args.windows), args.cache, args.results, _say)


def _report(args: argparse.Namespace) -> None:
    print(full_section(args.results) or f"{args.results} has no results")


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m callprint.lab.paper", description=__doc__)
    commands = parser.add_subparsers(required=True)
    pack = commands.add_parser("pack", help="put what byte images show of a dataset into one small file")
    pack.add_argument("dataset", type=Path)
    pack.add_argument("out", type=Path)
    pack.add_argument(
        "--examined-packets",
        type=int,
        default=EXAMINED_PACKETS,
        metavar="N",
        help="packets of each flow that examines; those that train are whole (default: %(default)s)",
    )
    pack.set_defaults(run=_pack)
    train = commands.add_parser("train", help="train networks by the full procedure; what is done is skipped")
    train.add_argument("windows", type=Path, help="what `pack` wrote")
    train.add_argument("networks", nargs="*", help="alexnet-k10-seed1 and the like; default: all ten")
    train.add_argument("--cache", type=Path, default=CACHE, help="states and networks (default: %(default)s)")
    train.add_argument("--results", type=Path, default=RESULTS, help="results (default: %(default)s)")
    train.add_argument("--side-by-side", type=int, metavar="N", help="networks at once (default: 4 on a GPU)")
    train.add_argument("--threads", type=int, metavar="N", help="threads of the processor for each")
    train.set_defaults(run=_train)
    speed = commands.add_parser("speed", help="time inference on the processor, and on CUDA where it exists")
    speed.add_argument("windows", type=Path, help="what `pack` wrote")
    speed.add_argument("--cache", type=Path, default=CACHE)
    speed.add_argument("--results", type=Path, default=RESULTS)
    speed.set_defaults(run=_speed)
    report = commands.add_parser("report", help="print the report's section about the results")
    report.add_argument("--results", type=Path, default=RESULTS)
    report.set_defaults(run=_report)
    args = parser.parse_args()
    try:
        args.run(args)
    except CallprintError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
