#!/usr/bin/env python3
"""Run a command in a terminal of a given size and save what it shows as an SVG picture for the docs.

    .venv/bin/python tools/terminal_picture.py docs/pictures/identify.svg -- callprint identify call.pcap

With --png the picture is also rendered beside it, to be checked by eye (needs rsvg-convert, Debian librsvg2-bin).
"""

import argparse
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

FONTS = "'DejaVu Sans Mono', Menlo, Consolas, monospace"


def screen_of(command: list[str], columns: int, lines: int) -> list[str]:
    """Run `command` in a pseudo-terminal and return what stays on its screen, line by line."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        output = io.BytesIO()
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # Linux raises EIO when the last writer has closed the terminal
                break
            if not piece:
                break
            output.write(piece)
    os.close(leader)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}:\n{output.getvalue().decode()}")
    # A progress bar returns to the start of its line and writes it anew: the last state stays.
    lines_of_output = output.getvalue().decode().replace("\r\n", "\n").split("\n")
    return [line.rsplit("\r", 1)[-1] for line in lines_of_output]


def picture(lines: list[str], command: str, columns: int) -> str:
    """Return the SVG of a terminal window that shows a prompt with `command` and these lines."""
    console = Console(
        width=columns, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.assemble(("$ ", "bold green"), command))
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    # Without the remote fonts of rich's template: a picture in the docs must not load anything.
    head, _, rest = CONSOLE_SVG_FORMAT.partition("@font-face")
    template = head + rest[rest.rindex("@font-face") :].partition("}}")[2].lstrip()
    template = template.replace("Fira Code, monospace", FONTS)
    # Letters of DejaVu Sans Mono are 0.602 of their size wide: at this size exactly a cell of the template.
    template = template.replace("font-size: {char_height}px", "font-size: 20.26px", 1)
    # Some renderers trim leading blanks of a text unless they are told to keep them.
    template = template.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return console.export_svg(title=command, theme=MONOKAI, code_format=template, unique_id="terminal")


def main() -> None:
    """Read the arguments, run the command, write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument(
        "--show", metavar="COMMAND", help="the command line to show in place of the one that runs"
    )
    parser.add_argument("--png", action="store_true", help="render a PNG beside it")
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")
    args = parser.parse_args()
    lines = screen_of(args.command, args.columns, args.lines)
    while lines and not Text.from_ansi(lines[-1]).plain.strip():
        lines.pop()
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    svg = picture(lines, args.show or " ".join(args.command), args.columns)
    args.picture.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")
    if args.png:
        target = args.picture.with_suffix(".png")
        subprocess.run(["rsvg-convert", "--zoom", "1.5", "--output", target, args.picture], check=True)
    print(args.picture, file=sys.stderr)


if __name__ == "__main__":
    main()
