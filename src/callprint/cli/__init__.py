"""The command line: one module for each command; what a command needs is imported when it is called."""

import argparse
import errno
import importlib
import os
import select
import sys
from collections.abc import Sequence
from typing import TextIO

from callprint import __version__
from callprint.core.ground.errors import CallprintError, ConfigError
from callprint.machine_code.keeping import Announcement

EXIT_USAGE = 2
EXIT_DAMAGED = 3
EXIT_ERROR = 4
EXIT_DRIFT = 5
EXIT_INTERRUPTED = 130

WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The system's errors for a file that cannot take more."""

COMMANDS = {
    "identify": "name the applications in captures or on an interface",
    "verdicts": "ask the store which application sent which flow",
    "calls": "ask the store who called whom, and which calls were spam",
    "call": "show one call, message by message, or save its packets",
    "quality": "show how well flows were heard: loss, jitter, MOS over time",
    "models": "list the models at hand, and what they know",
    "feedback": "vote on a call, keep the allow-list",
    "console": "show the store in the browser, and to programs by REST",
    "unknowns": "cluster the flows that no model names, and name the clusters",
    "drift": "compare live flows with those that the model was made with",
    "record": "capture this machine's own calls, labelled by the program that sends them",
    "dataset": "label captures, and build training data from them",
    "train": "train a network",
    "export": "write a network with its numbers in fewer bits",
    "evaluate": "measure a model on calls that it has never seen",
    "spit": "run the spam-call experiments",
    "warm-up": "compile everything once, so that the first capture does not wait",
}
"""Command -> its line in `--help`; its module is `callprint.cli.<command>`."""

DESCRIPTION = """\
Tell which VoIP application made each call leg, and which calls are spam, from packets alone.

  callprint identify capture.pcap         name the applications in a capture
  callprint verdicts                      ask again what was found, from the store
  callprint calls --spam                  calls that look like spam, with the reasons
  callprint call CALL-ID                  one call, message by message
"""

EPILOG = """\
Each command explains itself: `callprint identify --help`.
Exit codes: 0 done, 1 an error in callprint itself, 2 wrong usage, 3 a capture is damaged or a file cannot be read
(the verdicts so far are given), 4 it could not be done (the message says why), 5 `drift` raised an alarm,
130 interrupted (what was done is kept).
"""


class UsageError(ConfigError):
    """Options that parse one by one, but not together; the message names them. Ends a command with EXIT_USAGE."""


def _parsers(argv: Sequence[str]) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Return the parser of `callprint`, and that of the command which is called; without one, the first again."""
    of_command = parser = argparse.ArgumentParser(
        prog="callprint",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"callprint {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for command, text in COMMANDS.items():
        if command == wanted:
            # Only the command that is called is imported: torch or scikit-learn may not be installed.
            module = importlib.import_module(f"callprint.cli.{command.replace('-', '_')}")
            of_command = module.add_parser(subparsers)
        else:
            subparsers.add_parser(command, help=text, add_help=False)
    return parser, of_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. A reader that leaves early, as `head` does, is no error."""
    if sys.stderr is None:  # the next file opened would take its number, and its messages
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for as long as the program runs
    if sys.stdout is None:
        print("callprint: standard output is closed", file=sys.stderr)
        return EXIT_ERROR
    if argv is None:  # the program itself; a test or another program may not want the line
        Announcement.wanted = True
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()  # at exit it would be too late to notice that nobody reads
    except BrokenPipeError:
        if not _close_unread_streams():
            raise  # not one of our own two streams: a fault
        return 0
    except OSError as error:
        # An error of the system about a file has the file's name; one without a name is standard output's.
        if error.filename is not None:
            name = error.filename if isinstance(error.filename, str) else os.fsdecode(error.filename)
            print(f"callprint: {_printable(name)}: {error.strerror}", file=sys.stderr)
            return EXIT_ERROR
        if error.errno not in WRITE_ERRORS:
            raise  # a fault as well
        print(f"callprint: standard output: {error.strerror}", file=sys.stderr)
        _to_nowhere(sys.stdout)
        return EXIT_ERROR
    return code


def _to_nowhere(stream: TextIO) -> None:
    """Discard what cannot be written: Python flushes at exit and would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _close_unread_streams() -> bool:
    """Discard what goes to standard output and error where the reader has left; return whether one has."""
    unread = [stream for stream in (sys.stdout, sys.stderr) if _reader_has_gone(stream)]
    for stream in unread:
        _to_nowhere(stream)
    return bool(unread)


def _reader_has_gone(stream: TextIO) -> bool:
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # poll reports errors without being asked to
    return bool(poll.poll(0))


def _printable(text: str) -> str:
    from callprint.output.console import printable_lines  # noqa: PLC0415 - not for --help: it imports rich

    return printable_lines(text)


def _overwritten_input(args: argparse.Namespace) -> str:
    from callprint.cli import targets  # noqa: PLC0415 - not for --help

    return targets.overwritten_input(args)


def _run(argv: Sequence[str]) -> int:
    try:
        parser, of_command = _parsers(argv)
        args, unknown = parser.parse_known_args(argv)
        if (
            unknown
        ):  # by the command itself, whose usage lists its options: argparse would print that of `callprint`
            of_command.error(f"unrecognized arguments: {_printable(' '.join(unknown))}")
        if args.command is None:
            parser.print_help()
            return EXIT_USAGE
        overwritten = _overwritten_input(args)
        if overwritten:
            print(
                f"callprint {args.command}: this would overwrite {_printable(overwritten)}, which is to be read: "
                "name another file",
                file=sys.stderr,
            )
            return EXIT_USAGE
        return int(args.run(args))
    except UsageError as error:
        print(f"callprint {args.command}: {_printable(str(error))}", file=sys.stderr)
        return EXIT_USAGE
    except CallprintError as error:
        # Messages quote captures, models and stores, whose text must not reach the terminal as it is.
        print(f"callprint: {_printable(str(error))}", file=sys.stderr)
        return EXIT_ERROR
    except ModuleNotFoundError as error:
        extra = {
            **{"torch": "train", "sklearn": "spit", "matplotlib": "train", "onnxruntime": "cpu"},
            **dict.fromkeys(("fastapi", "starlette", "uvicorn", "jinja2", "argon2"), "console"),
        }.get(error.name or "")
        if extra is None:
            raise
        print(
            f"callprint: this command needs {error.name}; `sh tools/setup.sh {extra}` in the clone installs it",
            file=sys.stderr,
        )
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("callprint: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
