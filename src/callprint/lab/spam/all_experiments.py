"""All experiments of the report in one go, each kept in the cache as soon as it is done."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callprint.lab.spam import million
from callprint.lab.spam.digests import ALL_CODE, OTHERS_CODE, code_digest
from callprint.lab.spam.experiment import FIRST_SEED, cells, convergence, run_cells, timing
from callprint.lab.spam.playback import FEEDBACK, action_shares
from callprint.lab.spam.report import Findings
from callprint.lab.spam.traces import TRACES


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    seeds: int
    quick: bool = False
    sizes: tuple[int, ...] = (100, 200, 400, 800, 1_600, 3_200)  # calls, of the timing
    repeats: int = 5  # of the timing
    calls_a_day: int = 200_000  # of the million calls
    millions: int = 2  # repetitions of that
    played: int = 3  # seeds of each trace that the live detector plays

    @classmethod
    def quickly(cls) -> "Scale":
        """Return the scale of `--quick`."""
        return cls(1, quick=True, repeats=2, calls_a_day=10_000, millions=1, played=1)


def all_findings(cache: Path, scale: Scale, processes: int) -> Findings:
    """Run what the cache folder lacks and return everything. Raises DatasetError when the cache is damaged."""
    found = run_cells(cells(scale.seeds, scale.quick), cache, processes)
    clusterings, everything = code_digest(OTHERS_CODE), code_digest(ALL_CODE)

    def play() -> list[dict[str, Any]]:
        seeds = tuple(range(FIRST_SEED, FIRST_SEED + scale.played))
        return [
            row for name in TRACES for feedback in FEEDBACK for row in action_shares(name, seeds, *feedback)
        ]

    def judge_million(seed: int) -> Callable[[], Any]:
        return lambda: million.recall_at_low_false_positives(calls_a_day=scale.calls_a_day, seed=seed)

    seeds = range(million.SEED, million.SEED + scale.millions)
    return Findings(
        cells=found,
        convergence=_kept(
            cache / f"convergence-{scale.seeds}-{clusterings}.json", lambda: convergence(scale.seeds)
        ),
        timing=_kept(
            cache / f"timing-{max(scale.sizes)}-{scale.repeats}-{clusterings}.json",
            lambda: timing(scale.sizes, scale.repeats),
        ),
        millions=[
            _kept(cache / f"million-{scale.calls_a_day}-{seed}-{everything}.json", judge_million(seed))
            for seed in seeds
        ],
        actions=_kept(cache / f"actions-{scale.played}-{everything}.json", play),
        command="callprint spit experiment "
        + shlex.join(["--quick"] if scale.quick else ["--seeds", str(scale.seeds)]),
        digest=everything,
    )


def _kept(path: Path, compute: Callable[[], Any]) -> Any:
    if not path.exists():
        result = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))
