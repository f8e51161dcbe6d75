"""`callprint record`: this machine's own calls as training data, each flow labelled by the program that sends it."""

import argparse
import threading
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.text import Text

from callprint.cli.parsers import Subparsers, add_command, positive
from callprint.cli.reading import say_kernel_counters, stopped_by_signals
from callprint.core.ground.errors import DatasetError
from callprint.output.console import make_messages, make_table, printable, quantity
from callprint.owner_only import owner_only
from callprint.recording.label_file import add_labels, check_labels
from callprint.recording.recorder import Recorder, Recording
from callprint.recording.watch import SocketWatch
from callprint.sources import open_interfaces

DESCRIPTION = """\
Capture on an interface of this machine while applications on it make calls, and label each flow by the program that
owns the socket that sends it. The folder is what `callprint dataset build` and `callprint train` read
(docs/use/record.md). Needs root: the kernel tells nobody else whose sockets there are.
"""

EPILOG = """\
examples:
  sudo .venv/bin/callprint record --interface eth0 my-calls             until Ctrl-C
  sudo .venv/bin/callprint record --interface lo --seconds 60 my-calls  for a minute
  callprint train --add my-calls --out mine.onnx                        teach the network in place what was recorded

RTP, RTCP, STUN and DTLS are kept, with the voice in them: record test calls. Signalling is not kept. What other
machines send is captured, but not labelled.
Exit codes: 0 done (also without a label), 2 wrong usage, 4 no right to capture, or the folder cannot be written.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "record", DESCRIPTION, EPILOG)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the capture and flows.csv go")
    parser.add_argument(
        "--interface",
        action="append",
        required=True,
        metavar="NAME",
        help="capture on this interface; may be given more than once",
    )
    parser.add_argument(
        "--seconds", type=positive, metavar="N", help="end after this time (default: at Ctrl-C)"
    )
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Record and return the exit code. Raises CallprintError when capturing or writing is not possible."""
    console = make_messages()
    name = time.strftime("recorded-%Y%m%dT%H%M%SZ.pcapng", time.gmtime())
    path, part = args.folder / name, args.folder / f"{name}.part"
    check_labels(args.folder)  # before calls are made that would have none
    with open_interfaces(args.interface) as source:
        try:
            args.folder.mkdir(parents=True, exist_ok=True)
            stream = open(part, "xb", opener=owner_only)  # noqa: SIM115 - closed below
        except OSError as error:
            raise DatasetError(f"{args.folder} cannot be written: {error.strerror}") from error
        with stream, stopped_by_signals(source), SocketWatch() as watch:
            names = ", ".join(map(printable, args.interface))
            console.print(Text(f"callprint: recording on {names}; Ctrl-C ends it", style="dim"))
            timer = threading.Timer(min(args.seconds or 0, threading.TIMEOUT_MAX), source.stop)
            if args.seconds:
                timer.start()
            recorder = Recorder(stream, name, watch)
            try:
                recorder.read(source)
                recording = recorder.finish()
            finally:
                timer.cancel()
        say_kernel_counters(source, console)
    if recording.labels:
        # Labels come last: a capture without a label is ignored, a label without a capture would be an error.
        part.replace(path)
        add_labels(args.folder, recording.labels)
    else:
        part.unlink()
    _say(console, recording, path)
    return 0


def _say(console: Console, recording: Recording, path: Path) -> None:
    """Print which programs were recorded, and what was left out and why."""
    found = Counter((row["application"], row["version"]) for row in recording.labels)
    if found:
        table = make_table()
        for heading in ("application", "version"):
            table.add_column(heading)
        table.add_column("flows", justify="right")
        for (application, version), count in sorted(found.items()):
            table.add_row(printable(application), printable(version), f"{count:,}")
        console.print(table)
    for reason, count in recording.refused.most_common():
        console.print(Text(f"{quantity(count, 'flow')} without a label: {reason}"))
    if found:
        packets = quantity(recording.packets, "packet")
        console.print(
            Text(f"{printable(str(path))}: {packets}, {quantity(len(recording.labels), 'flow')} labelled")
        )
    else:
        console.print(Text("no flow was sent by a program of this machine: nothing is kept"))
