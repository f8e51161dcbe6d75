"""What a start costs: processor seconds of whole commands that have little to do, and of the imports they need.

    PYTHONPATH=src .venv/bin/python benchmarks/bench_start.py
    make wheel && .venv/bin/python benchmarks/bench_start.py --wheel dist/*.whl

Everything is compiled and byte-compiled before (`callprint warm-up`). The best of the rounds counts, which go through
all commands by turns, so that other work on the machine disturbs all of them alike. `--source` measures another
version of callprint, such as a clone of an earlier one, beside this one.

`--wheel` installs a wheel into an empty environment instead, and measures its first start: `identify` of the sample on
this processor, and on one for which the wheel has no machine code, which is simulated. A wheel without a network, as
those of 0.1.0 are, takes that of the clone in whose dist/ it lies.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from process_costs import of_children_s

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "applications.pcapng"


def commands(store: str) -> dict[str, list[str]]:
    """Return the arguments of Python for each line of the table."""
    callprint = ["-m", "callprint"]
    return {
        "callprint --help": [*callprint, "--help"],
        "callprint identify --help": [*callprint, "identify", "--help"],
        "callprint verdicts": [*callprint, "verdicts", "--store", store],
        "callprint calls": [*callprint, "calls", "--store", store],
        "callprint identify, the sample": [*callprint, "identify", str(SAMPLE), "--store", store],
        "... with --model none": [*callprint, "identify", str(SAMPLE), "--no-store", "--model", "none"],
        "Python alone": ["-c", ""],
        "Python and NumPy": ["-c", "import numpy"],
        "Python and Numba": ["-c", "import numba"],
        "Python and ONNX Runtime": ["-c", "import onnxruntime"],
    }


def processor_seconds(arguments: list[str], source: Path) -> float:
    """Run Python with `arguments` and return what it took, in user and system mode."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (source / "src", source)))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before_s = of_children_s()
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True)
    return of_children_s() - before_s


ELSEWHERE = """
from callprint.machine_code import keeping, ready
keeping.NEEDED = ("a feature that no processor has",)
ready._FLAGS = frozenset(keeping.NEEDED)
"""
"""What makes a processor one for which a wheel has nothing, in each process of Python."""


@dataclass(frozen=True)
class FirstStart:
    """How the first `identify` of the sample went."""

    wall_s: float
    processor_s: float
    said: str  # on standard error
    imported_numba: bool


def first_start(python: Path, folder: Path, options: list[str], *, elsewhere: bool = False) -> FirstStart:
    """Run `identify` on the sample with the Python of an environment, whose machine code is kept below `folder`."""
    paths = []
    if elsewhere:
        paths = [folder / "elsewhere"]
        paths[0].mkdir()
        (paths[0] / "sitecustomize.py").write_text(ELSEWHERE)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NUMBA_"))},
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "NUMBA_CACHE_DIR": str(folder / ("kept-elsewhere" if elsewhere else "kept")),
    }
    program = (
        "import sys; from callprint.cli import main; status = main(); "
        "print('numba' in sys.modules); sys.exit(status)"
    )
    arguments = ["identify", str(SAMPLE), "--store", str(folder / f"{elsewhere}.sqlite"), *options]
    before_s, begin = of_children_s(), time.perf_counter()
    finished = subprocess.run(
        [python, "-c", program, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    wall_s, processor_s = time.perf_counter() - begin, of_children_s() - before_s
    return FirstStart(wall_s, processor_s, finished.stderr, finished.stdout.endswith("True\n"))


def installed(wheel: Path, folder: Path) -> Path:
    """Install a wheel with what it needs into a new environment; return its Python.

    Versions are those that it was built with: machine code for another version of Numba or Python is none.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder / "environment")], check=True)
    python = folder / "environment" / "bin" / "python"
    subprocess.run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "-c",
            str(ROOT / "constraints.txt"),
            f"{wheel.resolve()}[cpu]",
        ],
        check=True,
    )
    return python


def from_wheel(wheel: Path) -> dict[str, FirstStart]:
    """Return the first starts of a wheel by processor: `x86-64-v3`, and `another`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = installed(wheel, folder)
        has_network = any(name.endswith(".onnx") for name in zipfile.ZipFile(wheel).namelist())
        options = (
            [] if has_network else ["--model", str(wheel.resolve().parents[1] / "models" / "compact.onnx")]
        )
        return {
            "x86-64-v3": first_start(python, folder, options),
            "another": first_start(python, folder, options, elsewhere=True),
        }


def print_from_wheel(wheel: Path) -> None:
    """Print a Markdown table of the first starts of a wheel."""
    print("| first start from a wheel | s | of processor | imports Numba | says |\n|---|---:|---:|---|---|")
    for processor, start in from_wheel(wheel).items():
        said = "; ".join(line for line in start.said.splitlines() if "compil" in line) or "nothing"
        print(
            f"| on {processor} | {start.wall_s:.1f} | {start.processor_s:.1f} "
            f"| {'yes' if start.imported_numba else 'no'} | {said} |"
        )


def main() -> None:
    """Print a Markdown table of all commands, one column for each version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--source", type=Path, action="append", default=[], help="root of another clone")
    parser.add_argument("--wheel", type=Path, help="measure the first start of this wheel instead")
    args = parser.parse_args()
    if args.wheel is not None:
        print_from_wheel(args.wheel)
        return
    sources = [*args.source, ROOT]
    with tempfile.TemporaryDirectory() as folder:
        # Each version has a store of its own, which the first run of identify makes.
        lines = [commands(f"{folder}/{number}.sqlite") for number in range(len(sources))]
        for source, line in zip(sources, lines, strict=True):
            processor_seconds(["-m", "callprint", "warm-up"], source)
            processor_seconds(line["callprint identify, the sample"], source)
        best = {name: [float("inf")] * len(sources) for name in lines[0]}
        for _ in range(args.rounds):
            for name, seconds in best.items():
                for number, source in enumerate(sources):
                    spent = processor_seconds(lines[number][name], source)
                    seconds[number] = min(seconds[number], spent)
    print("| processor seconds |" + "".join(f" {source.name} |" for source in sources))
    print("|---|" + "---:|" * len(sources))
    for name, seconds in best.items():
        print(f"| {name} |" + "".join(f" {spent:.2f} |" for spent in seconds))


if __name__ == "__main__":
    main()
