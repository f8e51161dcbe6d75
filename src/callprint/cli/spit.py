"""`callprint spit`: the spam-call experiments, and learning the scorecard that the detector starts from."""

import argparse
from pathlib import Path

from callprint.cli.parsers import Subparsers, add_command, positive
from callprint.cli.targets import output_path

DEFAULT_CACHE = Path("~/.cache/callprint/spit")
LEARNING_TRACES = 200

DESCRIPTION = "Measure spam-call detection, and learn the scorecard that it starts from."

EPILOG = """\
examples:
  callprint spit experiment --quick       a coarse run with one seed: two minutes
  callprint spit experiment --seeds 10    the whole report: an hour of one core; stop and resume it at will
  callprint spit learn                    learn the scorecard anew from simulated traces

Results are kept under --cache, and what is there is not computed again. The file names hold a digest of the code
that computed them, so after a change of the algorithms everything is computed anew. Ten seeds take about an hour
of one core: four minutes each for the grid, the rest for the two runs over a million calls and the live detector.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add `spit` and its two commands to the parser of `callprint`."""
    parser = add_command(subparsers, "spit", DESCRIPTION, EPILOG)
    commands = parser.add_subparsers(dest="spit_command", metavar="COMMAND", required=True)
    experiment = commands.add_parser(
        "experiment",
        help="run the experiments and write the report with its pictures",
        description="Run the experiments of docs/results/spit.md and write the report with its pictures.",
    )
    experiment.add_argument(
        "--quick", action="store_true", help="a coarser grid, one seed, 50 thousand calls"
    )
    experiment.add_argument(
        "--seeds", metavar="N", type=positive, default=10, help="repetitions of every cell (default: 10)"
    )
    experiment.add_argument(
        "--docs",
        metavar="FOLDER",
        type=Path,
        default=Path("docs/results"),
        help="folder of the report (default: docs/results)",
    )
    experiment.add_argument(
        "--cache",
        metavar="FOLDER",
        type=Path,
        default=DEFAULT_CACHE,
        help=f"folder of the results (default: {DEFAULT_CACHE})",
    )
    experiment.add_argument(
        "--processes", metavar="N", type=positive, default=2, help="processes to use (default: 2)"
    )
    learn = commands.add_parser(
        "learn",
        help="learn the scorecard from random simulated traces",
        description="Learn the scorecard, from which the detector starts, from random simulated traces, and write it.",
    )
    learn.add_argument(
        "--traces",
        metavar="N",
        type=positive,
        default=LEARNING_TRACES,
        help=f"how many of them (default: {LEARNING_TRACES})",
    )
    learn.add_argument(
        "--output",
        metavar="FILE",
        type=output_path,
        help="module to write (default: the one that the detector imports)",
    )
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run `spit experiment` or `spit learn`; returns the exit code."""
    if args.spit_command == "learn":
        return _learn(args)
    return _experiment(args)


def _experiment(args: argparse.Namespace) -> int:
    from callprint.lab.spam.all_experiments import Scale, all_findings  # noqa: PLC0415 - as below
    from callprint.lab.spam.report import write_report  # noqa: PLC0415 - matplotlib takes a second to import

    scale = Scale.quickly() if args.quick else Scale(args.seeds)
    findings = all_findings(args.cache.expanduser(), scale, args.processes)
    print(f"wrote {write_report(findings, args.docs)}")
    return 0


def _learn(args: argparse.Namespace) -> int:
    from callprint.core.spam import prior_weights  # noqa: PLC0415 - scikit-learn takes a second to import
    from callprint.lab.spam.learn import learn_scorecard, learning_traces, write_module  # noqa: PLC0415

    traces = learning_traces(args.traces)
    path = args.output or Path(prior_weights.__file__)
    write_module(learn_scorecard(traces), traces, path)
    print(f"wrote {path}, learned from {sum(len(trace.spam) for trace in traces):,} calls")
    return 0
