"""What a start costs: processor seconds of whole commands that have little to do, and of the imports they need.

    PYTHONPATH=src .venv/bin/python benchmarks/bench_start.py

Everything is compiled and byte-compiled before (`callprint warm-up`). The best of the rounds counts, which go through
all commands by turns, so that other work on the machine disturbs all of them alike. `--source` measures another
version of callprint, such as a clone of an earlier one, beside this one.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

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
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a Markdown table of all commands, one column for each version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--source", type=Path, action="append", default=[], help="root of another clone")
    args = parser.parse_args()
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
