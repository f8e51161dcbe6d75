"""What a flow, a call and a start cost, before and after, in one table: make bench-costs.

    .venv/bin/python benchmarks/bench_costs.py [--only flow --only call] [--before ../older-clone] [--quick]

The lines, their goals and the reasons of misses stand in cost_lines.toml. "Before" is what was measured when the goals
were set, or with `--before` another clone, measured in the same run as far as it has what is measured. Lines of the
cluster are read from docs/results/, where their own benchmarks leave them. Writes docs/results/costs.md; `--quick`
and `--only` write nothing.
"""

import argparse
import re
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import cost_figures
from bench_packet_path import machine_line
from cost_figures import Figures, Run

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = RESULTS / "costs.md"
LINES = Path(__file__).with_name("cost_lines.toml")
ROUNDS = 3
NOT_MEASURED = "not measured"
THEN = r"\*"  # after a figure of the time when the goals were set


@dataclass(frozen=True)
class Line:
    """A line of the table, as cost_lines.toml has it."""

    what: str
    unit: str
    before: str
    goal: str
    command: str
    reason: str
    measure: str = ""
    page: str = ""
    pattern: str = ""
    before_pattern: str = ""
    scale: float = 1

    @property
    def group(self) -> str:
        """Which figures are measured together with it."""
        return self.measure.partition("/")[0]


def lines() -> list[Line]:
    """Read the lines. Raises TypeError for a key that is not known."""
    return [Line(**line) for line in tomllib.loads(LINES.read_text(encoding="utf-8"))["line"]]


def met(goal: str, value: float) -> bool:
    """Tell whether a value is on the right side of a goal such as `<= 30`."""
    side, limit = goal.split()
    return value <= float(limit) if side == "<=" else value >= float(limit)


def kept(line: Line, pattern: str) -> tuple[float, str] | None:
    """Return the figure that another benchmark has left on a page of results, and the day of its last change."""
    found = re.search(pattern, (RESULTS / line.page).read_text(encoding="utf-8"))
    if found is None:
        return None
    day = subprocess.run(
        ["git", "log", "-1", "--format=%as", "--", str(RESULTS / line.page)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return float(found[1].replace(",", "")) * line.scale, day


def row(line: Line, before: Figures | None, after: Figures) -> str:
    """Return a line of the table."""
    was = f"{line.before}{THEN}" if line.before else ""
    if before is not None and line.measure in before:
        was = shown(before[line.measure])
    where, value = "", after.get(line.measure)
    if line.page:
        found = kept(line, line.pattern)
        value, day = found if found else (None, "")
        earlier = kept(line, line.before_pattern) if line.before_pattern else None
        was = shown(earlier[0]) if earlier else was
        where = f"[{line.page}]({line.page}), {day}"
    verdict = NOT_MEASURED
    if value is not None:
        verdict = "met" if met(line.goal, value) else f"missed: {line.reason}" if line.reason else "missed"
    now = NOT_MEASURED if value is None else shown(value)
    cells = (f"{line.what}, {line.unit}", was, now, line.goal, verdict, f"`{line.command}`", where)
    return "| " + " | ".join(cells) + " |"


def shown(value: float) -> str:
    """Return a figure with three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measured(groups: list[str], run: Run) -> Figures:
    """Measure groups of figures; one that fails is said and left out, so that the others are not lost."""
    figures: Figures = {}
    for group in groups:
        print(f"measuring: {group}", flush=True)
        try:
            found = cost_figures.GROUPS[group](run)
        except (OSError, subprocess.CalledProcessError, cost_figures.MissingError) as error:
            print(f"  {error}\n{(getattr(error, 'stderr', '') or '')[-2000:]}", flush=True)
            continue
        figures |= {f"{group}/{name}": value for name, value in found.items()}
        print("  " + ", ".join(f"{name} {shown(value)}" for name, value in found.items()), flush=True)
    return figures


def version_of(source: Path) -> str:
    """Say which commit a clone is at."""
    answer = subprocess.run(
        ["git", "log", "-1", "--format=%h of %as"], cwd=source, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def page(rows: list[str], rounds: int, before: Path | None) -> str:
    """Return the page of results."""
    best = f"the best of {rounds} rounds" if rounds > 1 else "one round"
    notes = [f'"Before" is commit {version_of(before)}, in the same run.'] if before else []
    if any(THEN in row for row in rows):
        notes.append(f"Figures with {THEN} were measured when the goals were set.")
    return "\n".join(
        (
            "# The cost of a flow, a call and a start\n",
            "Made by `make bench-costs` (benchmarks/bench_costs.py), all lines but the cluster's in one run, "
            f"one after the other: {best}, and the median where a ratio to ndpiReader is given, "
            f"whose runs alternate with ours. {' '.join(notes)}".rstrip()
            + "\n",
            machine_line() + "\n",
            "| what | before | now | goal | | measured alone by | left by an earlier run, on a page last changed |",
            "|---|---:|---:|---|---|---|---|",
            *rows,
            "\n*A flow beyond its packets* is what a run takes beyond its start and the reading of its packets. "
            "What a packet takes is that of a run with as many packets in few flows.\n",
        )
    )


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="root of another clone")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", action="append", choices=list(cost_figures.GROUPS), help="a group of lines")
    parser.add_argument("--quick", action="store_true", help="little of everything: does it work?")
    arguments = parser.parse_args()
    table = lines()
    groups = arguments.only or list(dict.fromkeys(line.group for line in table if line.group))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(ROOT, 1 if arguments.quick else arguments.rounds, arguments.quick, Path(folder))
        before = measured(groups, run.of(arguments.before.resolve())) if arguments.before else None
        after = measured(groups, run)
    rows = [row(line, before, after) for line in table if line.page or line.group in groups]
    text = page(rows, run.rounds, arguments.before)
    print(text)
    if not (arguments.quick or arguments.only):
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
