"""Checks the docs: relative links and paths in back-ticks lead to files, every file is reachable from an index, every
`callprint ...` example in a console block parses, and no placeholder of a template is left.

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
PATH = re.compile(r"`([\w-][\w./-]*)`")
PATHS_BEGIN_AT = (ROOT, ROOT / "src" / "callprint", ROOT / "src" / "callprint" / "core")
HISTORY = (ROOT / "CHANGELOG.md", ROOT / "docs" / "adr")
"""Documents that name files as they were then."""
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


def wrong_paths(path: Path) -> list[str]:
    """Return a line for each path in back-ticks that the project does not have."""
    if any(path.is_relative_to(place) for place in HISTORY):
        return []
    return [
        f"{path.relative_to(ROOT)}:{number}: no such file: {found}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for found in PATH.findall(line)
        if names_our_file(found) and not any((place / found).exists() for place in PATHS_BEGIN_AT)
    ]


def names_our_file(found: str) -> bool:
    """Return whether a text in back-ticks is to be a path of the project; `cli/NAME.py` is only the form of one."""
    if found != found.lower():
        return False
    folder, slash, _ = found.partition("/")
    if not slash:  # a module, by its name alone
        return found.endswith(".py") and not any((ROOT / "src").rglob(found))
    return found.endswith(".py") or any((place / folder).is_dir() for place in PATHS_BEGIN_AT)


def unreachable() -> list[str]:
    """Return a line for each file below docs/ that no index leads to, or, for a picture, no document."""
    links = {path: linked_files(path) for path in documents()}
    index = ROOT / "docs" / "README.md"
    defects = []
    for path in sorted((ROOT / "docs").rglob("*.*")):
        if path.suffix == ".md":
            reached = path == index or path in links[index] | links.get(path.parent / "README.md", set())
        else:
            reached = any(path in found for found in links.values())
        if not reached:
            defects.append(f"{path.relative_to(ROOT)}: no index of the docs leads here")
    return defects


def linked_files(path: Path) -> set[Path]:
    """Return the files that a document links to."""
    return {
        (path.parent / target).resolve() for target in LINK.findall(path.read_text()) if "://" not in target
    }


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
    checks = (broken_links, wrong_paths, placeholders, bad_examples)
    defects = [defect for path in documents() for check in checks for defect in check(path)]
    defects += unreachable()
    for defect in defects:
        print(defect)
    print(f"{len(documents())} documents, {len(defects)} defects")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
