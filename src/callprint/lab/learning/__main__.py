"""Measure and write docs/results/learning.md: `python -m callprint.lab.learning`."""

import argparse
from pathlib import Path

import torch
from rich.console import Console

from callprint.cli.dataset import DEFAULT_DATA, read_data
from callprint.cli.stages import shown_stages
from callprint.inference import DEFAULT_MODEL
from callprint.lab.learning.measure import kept_so_far, measure
from callprint.lab.learning.report import write_report

COMMAND = "python -m callprint.lab.learning"


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="captures and flows.csv")
    parser.add_argument("--dataset", type=Path, help="dataset file of the same, if it was built already")
    parser.add_argument("--out", type=Path, default=Path("docs/results/learning.md"))
    parser.add_argument(
        "--cache", type=Path, default=Path(".cache/learning"), help="what is there is not repeated"
    )
    parser.add_argument("--cached", action="store_true", help="write what an interrupted run has left")
    args = parser.parse_args()
    if args.cached:
        write_report(kept_so_far(args.cache), args.out, COMMAND, complete=False)
        return
    torch.set_num_threads(1)  # so that its processor time is that of one core
    console = Console(stderr=True)
    with shown_stages(console) as said:
        found = measure(
            args.data, read_data([args.dataset or args.data], console), DEFAULT_MODEL, args.cache, said
        )
    write_report(found, args.out, COMMAND)
    console.print(str(args.out), highlight=False)


if __name__ == "__main__":
    main()
