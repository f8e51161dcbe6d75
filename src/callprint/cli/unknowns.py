"""`callprint unknowns`: what the flows that no model names have in common, and a name for them."""

import argparse
import ipaddress
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from callprint.cli.answers import add_json_option, add_store_option
from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.targets import check_not_store, open_target, output_path
from callprint.core.ground.errors import DatasetError
from callprint.network_in_place import network_in_place
from callprint.output.columns import Cell, Column, Lines, cell, column_table, one_below_the_other
from callprint.output.console import make_console, make_table, printable, quantity
from callprint.output.flow_table import ENDPOINT_WIDTH, way_of
from callprint.stores import data_folder, open_store

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier
    from callprint.unknowns.clusters import Cluster, KeptFlow, UnknownMap

EXAMPLES = 2  # flows shown of each cluster: the most typical ones
SINGLE_SHOWN = 10  # flows shown that are in no cluster: the latest

DESCRIPTION = """\
Cluster the flows that `callprint identify --keep-unknown` kept because no application could be named, so that an
analyst can look at candidates for new applications and name them. Flows that already have a name are left out;
those in no cluster (–) can be named one by one.
"""

EPILOG = """\
examples:
  callprint identify --keep-unknown calls/            keep the packets of unknown flows (off by default)
  callprint unknowns                                  the clusters, with typical flows
  callprint unknowns --map map.svg                    and a picture
  callprint unknowns name 3f9a1c07 zoiper             this cluster is zoiper: training data from now on
  callprint unknowns name 192.0.2.17 zoiper           so is all that this host sent
  callprint unknowns name --flow 52c40a7e zoiper      so is this one flow
  callprint train --add ~/.local/share/callprint/named --out mine.onnx

docs/use/unknowns.md walks through it. A cluster keeps its name as long as its oldest flow is kept; the name of any
of its flows (see the picture's tooltips) stands for the cluster as well.
Exit codes: 0 done (also when no flow is kept), 2 wrong usage, 4 the store, the network or a file cannot be used.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "unknowns", DESCRIPTION, EPILOG)
    _add_common_options(parser)
    parser.add_argument("--map", type=output_path, metavar="FILE", help="write a picture of the flows (SVG)")
    add_json_option(parser, "a JSON object for each cluster, and one for the flows in none")
    parser.set_defaults(run=show)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    name = actions.add_parser(
        "name",
        help="turn a cluster, the flows of a host, or one flow into training data",
        description="Turn a cluster, the unknown flows of a host, or one flow into training data for an application.",
    )
    name.add_argument(
        "cluster",
        metavar="WHAT",
        help="a cluster, as `callprint unknowns` shows it, or the address of a host",
    )
    name.add_argument("--flow", action="store_true", help="WHAT is a flow, and it alone gets the name")
    name.add_argument("application", metavar="APPLICATION", help="its name; a known one gets more data")
    name.add_argument("--engine", metavar="NAME", help="its media stack (default: the application itself)")
    _add_common_options(name, default=argparse.SUPPRESS)
    name.set_defaults(run=name_cluster)
    return parser


def _add_common_options(parser: argparse.ArgumentParser, default: object = None) -> None:
    add_store_option(parser)
    parser.set_defaults(store=default)
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        default=default,
        help="network whose embedding is used (default: the one in place)",
    )
    parser.add_argument(
        "--named",
        type=Path,
        metavar="FOLDER",
        default=default or data_folder() / "named",
        help="training data made from named flows (default: named/ in callprint's data folder)",
    )


def _find(args: argparse.Namespace) -> "tuple[UnknownMap, OnnxIdentifier]":
    # The extras `cpu` and `spit`, which --help does without; so below.
    from callprint.inference import load_model  # noqa: PLC0415
    from callprint.unknowns.clusters import name_in, unknown_map  # noqa: PLC0415
    from callprint.unknowns.naming import named_flows  # noqa: PLC0415

    identifier = load_model(args.model or network_in_place())
    with open_store(args.store, create=False) as store:
        for target in filter(None, (args.json, args.map)):
            check_not_store(str(target), store.url)
        evidence, named = store.unknown_evidence(), named_flows(args.named)
        return unknown_map(evidence, identifier, named, name_in(store)), identifier


def show(args: argparse.Namespace) -> int:
    """Show the clusters. Raises StoreError or ModelError."""
    found, _ = _find(args)
    if args.map is not None:
        from callprint.unknowns.picture import map_svg  # noqa: PLC0415

        with open_target(str(args.map)) as stream:
            stream.write(map_svg(found))
    if args.json:
        with open_target(args.json) as stream:
            for cluster in found.clusters:
                print(json.dumps(_object(found, cluster), ensure_ascii=False), file=stream)
            if found.single:
                rest = {"cluster": None, "members": [_member(found.flows[i]) for i in found.single]}
                print(json.dumps(rest, ensure_ascii=False), file=stream)
        return 0
    console = make_console(data_on_stdout=False)
    if not found.flows:
        short = f" ({quantity(found.too_short, 'flow')} with too few packets)" if found.too_short else ""
        console.print(
            f"No unknown flow is kept{short}: `callprint identify --keep-unknown` keeps them; those that already have "
            "a name are left out."
        )
        return 0
    _print(console, found)
    if args.map is not None:
        console.print(Text(f"map: {printable(str(args.map))}", style="dim"))
    return 0


def _print(console: Console, found: "UnknownMap") -> None:
    from callprint.unknowns.picture import cluster_letter  # noqa: PLC0415

    table = make_table()
    typical: list[tuple[Cell, Cell, Cell]] = []
    for title in ("", "cluster", "flows", "hosts", "codec", "nearest known", "declared"):
        table.add_column(title, justify="right" if title in ("flows", "hosts") else "left")
    for number, cluster in enumerate(found.clusters):
        letter = cluster_letter(number)
        counts = (f"{len(cluster.members):,}", f"{cluster.hosts:,}")
        likely = (_counted(each) for each in (cluster.codecs, cluster.guesses, cluster.declared))
        table.add_row(letter, cluster.name, *counts, *likely)
        for i in cluster.members[:EXAMPLES]:
            typical.append((cell(letter), _who(found, i), cell(found.flows[i].digest)))
            letter = ""
    if found.clusters:
        console.print(table)
    single = found.single[-SINGLE_SHOWN:]
    typical.extend((cell("–"), _who(found, i), cell(found.flows[i].digest)) for i in single)
    if typical:
        columns = (Column(""), Column("typical flows", narrowest=ENDPOINT_WIDTH), Column("flow"))
        shown = column_table(columns, typical, console.width, narrow=True)
        console.print(shown or Lines(one_below_the_other(typical, console.width)))
    rest = f"{quantity(len(found.single), 'flow')} in no cluster"
    if found.too_short:
        rest += f", {quantity(found.too_short, 'flow')} with too few packets"
    line = f"{quantity(len(found.flows), 'unknown flow')}, {quantity(len(found.clusters), 'cluster')}; {rest}"
    console.print(Text(line, "dim"))


def _counted(counts: tuple[tuple[str, int], ...], most: int = 3) -> str:
    shown = [f"{printable(name)} {count:,}" for name, count in counts[:most]]
    return ", ".join(shown + (["…"] if len(counts) > most else []))


def _who(found: "UnknownMap", i: int) -> Cell:
    return cell(way_of(found.flows[i].kept.flow))


def _object(found: "UnknownMap", cluster: "Cluster") -> dict[str, object]:
    return {
        "cluster": cluster.name,
        "flows": len(cluster.members),
        "hosts": cluster.hosts,
        "codecs": dict(cluster.codecs),
        "nearest_known": dict(cluster.guesses),
        "declared": dict(cluster.declared),
        "members": [_member(found.flows[i]) for i in cluster.members],
    }


def _member(flow: "KeptFlow") -> dict[str, object]:
    return {"flow": flow.digest, **flow.kept.flow._asdict(), "declared": flow.declared or None}


def name_cluster(args: argparse.Namespace) -> int:
    """Write flows to the training folder. Raises DatasetError when there are none of what was named."""
    from callprint.unknowns.naming import check_application, engine_of, write_named  # noqa: PLC0415

    application = check_application(args.application)
    found, identifier = _find(args)
    what, members = _chosen(found, args.cluster, args.flow)
    card = identifier.card
    known = dict(zip(card.classes, card.engines, strict=True))
    engine = check_application(args.engine) if args.engine else engine_of(application, known)
    added = write_named(args.named, application, engine, (found.flows[i] for i in members))
    make_console(data_on_stdout=False).print(
        Text(
            f"{quantity(added, 'flow')} of {what}: training data for {application} from now on, in {args.named}; "
            f"train with: callprint train --add {args.named} --out MODEL.onnx"
        )
    )
    return 0


def _chosen(found: "UnknownMap", name: str, one_flow: bool) -> tuple[str, tuple[int, ...]]:
    """Return what a name means, and its flows. Raises DatasetError when there are none."""
    from callprint.unknowns.clusters import find_cluster, flow_of_name, flows_of_host  # noqa: PLC0415

    if one_flow:
        if members := flow_of_name(found, name):
            return f"flow {name}", members
        raise DatasetError(f"there is no unknown flow {printable(name)} without a name")
    with suppress(ValueError):
        address = str(ipaddress.ip_address(name))
        if members := flows_of_host(found, address):
            return f"host {address}", members
        raise DatasetError(f"{address} sent no unknown flow that has no name yet")
    cluster = find_cluster(found, name)
    if cluster is None:
        raise DatasetError(
            f"there is no cluster {printable(name)}; `callprint unknowns` shows these: "
            + (", ".join(each.name for each in found.clusters) or "none")
        )
    return f"cluster {cluster.name}", cluster.members
