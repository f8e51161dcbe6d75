"""The experiments: which cells there are, how one is computed, and a runner that can be stopped and resumed.

A cell is one (experiment, trace, method, feedback ratio, noise, seed). Its result is one JSON line in the
cache file; a second run computes only the cells that are missing there.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from rich.progress import Progress, TextColumn, TimeRemainingColumn

from callprint.core.ground.errors import DatasetError
from callprint.core.spam.features import PAPER_COLUMNS, transform
from callprint.estimators.clustering import EMPCKMeans, MPCKMeans
from callprint.lab.spam.cell import Cell, compute, draw_votes, drawn_trace
from callprint.lab.spam.digests import OTHERS_CODE, OWN_CODE, code_digest
from callprint.lab.spam.methods import DETECTOR, METHODS, OURS, PAPER_METHODS
from callprint.lab.spam.traces import TRACES

PAPER_TRACES = ("v4", "v5", "v6", "v7")
RATIOS = (0.0, 0.005, 0.02, 0.1, 0.3, 0.5)
NOISES = (0.0, 0.1, 0.2, 0.3)
SURFACE_RATIOS = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
SURFACE_NOISES = (0.0, 0.25, 0.5, 0.75, 1.0)
SWEEP_RATIO = 0.3  # of the noise sweep, as in the paper
SWEEP_NOISES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SURFACE_SEEDS = 2
CONTENDERS: dict[str, type[MPCKMeans]] = {"MPCK": MPCKMeans, "eMPCK": EMPCKMeans}
FIRST_SEED = 100  # the named traces of lower seeds were looked at while the detector was being built
FEW_NOISES = (0.0, 0.2)  # of the ablations, and of the largest trace
LARGE = "one-in-1000"  # 20 thousand calls: MPCK, O(n^2), would take minutes a cell; fewer noises are measured


def cells(seeds: int, quick: bool = False) -> list[Cell]:
    """Return all cells of the report, those of the first seed first; `quick`: a coarser grid."""
    found: dict[Cell, None] = {}
    ratios, noises = (RATIOS[::2], NOISES[::2]) if quick else (RATIOS, NOISES)
    every = 2 if quick else 1
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for trace in TRACES:
            for ratio in ratios:
                for noise in noises if ratio else (0.0,):
                    for method in METHODS:
                        rare = trace == LARGE or (method in OURS and method != DETECTOR)
                        if (trace, method) != (LARGE, "MPCK") and (noise in FEW_NOISES or not rare):
                            found[Cell(trace, method, ratio, noise, seed)] = None
        for trace in PAPER_TRACES:
            for method in (*PAPER_METHODS, DETECTOR):
                for noise in SWEEP_NOISES[:: 5 * every - 4]:
                    found[Cell(trace, method, SWEEP_RATIO, noise, seed)] = None
                if seed < FIRST_SEED + SURFACE_SEEDS:
                    for ratio in SURFACE_RATIOS[::every]:
                        for noise in SURFACE_NOISES[::every]:
                            found[Cell(trace, method, ratio, noise, seed)] = None
    return list(found)


def cache_files(cache: Path) -> dict[str, Path]:
    """Return the file that keeps the results of each method.

    Its name holds a digest of the code that they come from: results of older code are never mixed in.
    """
    others = cache / f"cells-others-{code_digest(OTHERS_CODE)}.jsonl"
    own = cache / f"cells-own-{code_digest(OWN_CODE)}.jsonl"
    return {method: own if method in OURS else others for method in METHODS}


def _compute_many(batch: list[Cell]) -> list[dict[str, Any]]:
    return [compute(cell, METHODS) for cell in batch]


def load_results(path: Path) -> dict[Cell, dict[str, Any]]:
    """Read the cached results. Raises DatasetError that names the line when one does not parse."""
    results: dict[Cell, dict[str, Any]] = {}
    if not path.exists():
        return results
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            results[Cell(*(row[name] for name in Cell.__slots__))] = row
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path} line {number} is no result ({error}); delete the line") from None
    return results


def run_cells(wanted: list[Cell], cache: Path, processes: int) -> dict[Cell, dict[str, Any]]:
    """Compute the cells that the cache folder lacks, with a progress bar, and return all results."""
    files = cache_files(cache)
    results = _load_all(files)
    batches = list(_batches([cell for cell in wanted if cell not in results]))
    if batches:
        # Each process has one core: more threads than cores only fight each other.
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[variable] = "1"
        cache.mkdir(parents=True, exist_ok=True)
        columns = (
            *Progress.get_default_columns()[:-1],
            TimeRemainingColumn(),
            TextColumn("{task.fields[at]}"),
        )
        with Progress(*columns) as bar:
            task = bar.add_task("cells", total=sum(map(len, batches)), at="")
            for rows in _computed(batches, processes):
                for row in rows:
                    with files[row["method"]].open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                bar.update(task, advance=len(rows), at=rows[0]["trace"])
        results = _load_all(files)
    return {cell: results[cell] for cell in wanted}


def _computed(batches: list[list[Cell]], processes: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the results of each batch as soon as it is done; with one process it is this one."""
    if processes == 1:
        yield from map(_compute_many, batches)
        return
    with ProcessPoolExecutor(processes) as pool:
        for done in as_completed([pool.submit(_compute_many, batch) for batch in batches]):
            yield done.result()


def _load_all(files: dict[str, Path]) -> dict[Cell, dict[str, Any]]:
    results: dict[Cell, dict[str, Any]] = {}
    for path in set(files.values()):
        results |= load_results(path)
    return results


def _batches(missing: list[Cell]) -> Iterator[list[Cell]]:
    """Group cells of one trace and seed, so that a process draws a trace once for many of them."""
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in missing:
        groups.setdefault((cell.trace, cell.seed), []).append(cell)
    for group in groups.values():
        for start in range(0, len(group), 24):
            yield group[start : start + 24]


def convergence(seeds: int, ratios: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)) -> list[dict[str, Any]]:
    """Return iterations to convergence of MPCK and eMPCK by trace: mean over seeds and feedback ratios, and spread.

    The spread is the standard deviation over seeds of the mean over ratios.
    """
    rows = []
    for name in PAPER_TRACES:
        row: dict[str, Any] = {"trace": name}
        for label, kind in CONTENDERS.items():
            counts = np.zeros((seeds, len(ratios)))
            for number in range(seeds):
                seed = FIRST_SEED + number
                trace = drawn_trace(name, seed)
                vectors = transform(trace.vectors)[:, list(PAPER_COLUMNS)]
                for place, ratio in enumerate(ratios):
                    votes = draw_votes(trace.spam, ratio, 0.0, seed)
                    counts[number, place] = kind(random_state=seed).fit(vectors, votes).n_iter_
            row[label], row[f"{label} spread"] = float(counts.mean()), float(counts.mean(1).std())
        rows.append(row)
    return rows


def timing(sizes: tuple[int, ...], repeats: int) -> list[dict[str, Any]]:
    """Return seconds of MPCK and eMPCK on the first n calls of v7 traces put one after the other, with spreads.

    CPU seconds of one thread, so that other work on the machine does not count. Each repeat votes other calls.
    """
    first = drawn_trace("v7", FIRST_SEED)
    needed = 1 + max(sizes) // len(first.spam)
    parts = [drawn_trace("v7", seed) for seed in range(FIRST_SEED, FIRST_SEED + needed)]
    vectors = np.concatenate([transform(part.vectors)[:, list(PAPER_COLUMNS)] for part in parts])
    spam = np.concatenate([part.spam for part in parts])
    rows = []
    for kind in CONTENDERS.values():  # once before the clock starts: to load the compiled code
        kind(random_state=0).fit(vectors[:50], np.full(50, -1))
    for size in sizes:
        row: dict[str, Any] = {"calls": size}
        for label, kind in CONTENDERS.items():
            seconds, iterations = [], []
            for repeat in range(repeats):
                votes = draw_votes(spam[:size], 0.1, 0.0, repeat)
                start = process_time()
                fitted = kind(random_state=repeat).fit(vectors[:size], votes)
                seconds.append(process_time() - start)
                iterations.append(fitted.n_iter_)
            row[label], row[f"{label} spread"] = float(np.mean(seconds)), float(np.std(seconds))
            row[f"{label} iterations"] = float(np.mean(iterations))
        rows.append(row)
    return rows
