"""Checks the docs: every relative link leads to a file, every `callprint ...` example in a console block parses, and
no placeholder of a template is left.

Run by `make check`. Prints each defect with file and line; exit code 1 when there is one.
"""

import argparse
import contextlib
import importlib
import io
import re
import shlex
import sys
from pathlib import Path

from callprint.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
PLACEHOLDER = re.compile(r"@@\w+@@")
EXAMPLE = re.compile(r"^\s*(?:\$ )?(?:.*\| )?callprint ((?:{})\b[^|>#`]*)".format("|".join(COMMANDS)))


def documents() -> list[Path]:
    """Return the Markdown files that belong to the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").glob("*.md")])


def broken_links(path: Path) -> list[str]:
    """Return a line for each relative link of `path` that leads nowhere."""
    return [
        f"{path.relative_to(ROOT)}:{number}: no such file: {target}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for target in LINK.findall(line)
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]


def placeholders(path: Path) -> list[str]:
    """Return a line for each figure that was never filled in."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {found} was never filled in"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for found in PLACEHOLDER.findall(line)
    ]


def bad_examples(path: Path) -> list[str]:
    """Return a line for each example in a code block that the command's own parser refuses."""
    defects = []
    in_block = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_block = not in_block
        example = EXAMPLE.match(line) if in_block else None
        if example is None or "..." in line or example.group(1).rstrip().endswith("\\"):
            continue
        words = shlex.split(example.group(1).split("  ")[0])  # two spaces begin the explanation
        complaint = refusal(words)
        if complaint:
            defects.append(f"{path.relative_to(ROOT)}:{number}: callprint {' '.join(words)}: {complaint}")
    return defects


def refusal(words: list[str]) -> str | None:
    """Return why the command's parser does not take `words`, None when it does."""
    parser = argparse.ArgumentParser(prog="callprint")
    try:
        module = importlib.import_module(f"callprint.cli.{words[0].replace('-', '_')}")
    except ModuleNotFoundError as error:
        return None if not (error.name or "").startswith("callprint") else str(error)
    module.add_parser(parser.add_subparsers())
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser.parse_args(words)
        except SystemExit as ended:
            return complaint.getvalue().strip().splitlines()[-1] if ended.code else None
    return None


def main() -> int:
    """Check everything and return the exit code."""
    checks = (broken_links, placeholders, bad_examples)
    defects = [defect for path in documents() for check in checks for defect in check(path)]
    for defect in defects:
        print(defect)
    print(f"{len(documents())} documents, {len(defects)} defects")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
