"""Digests of the code that results come from, so that results of older code are never taken for new ones."""

from hashlib import sha256
from pathlib import Path

import callprint

_SHARED = (
    "core/spit/features.py",
    "core/spit/history.py",
    "core/spit/compiled_history.py",
    "spit/cell.py",
    "spit/population.py",
    "spit/traces.py",
)
_CLUSTERING = ("clustering.py", "compiled_clustering.py", "farthest.py", "neighbourhoods.py")
OTHERS_CODE = (
    *_SHARED,
    *(f"core/spit/{name}" for name in _CLUSTERING),
    "spit/estimators.py",
    "spit/baselines.py",
)
"""What the results of the paper's algorithms and of the baselines depend on, below src/callprint."""
_DETECTOR = ("batch.py", "feedback_model.py", "prior_weights.py", "scorecard.py")
OWN_CODE = (*_SHARED, *(f"core/spit/{name}" for name in _DETECTOR), "spit/methods.py")
"""What the results of our detector depend on."""
ALL_CODE = tuple(
    dict.fromkeys(
        (
            *OTHERS_CODE,
            *OWN_CODE,
            "core/spit/live.py",
            "core/calls/own_detector.py",
            "spit/million.py",
            "spit/playback.py",
        )
    )
)
"""What anything in the report depends on; its digest is printed there."""


def code_digest(files: tuple[str, ...]) -> str:
    """Return twelve hexadecimal digits that change with the text of these files, paths below src/callprint."""
    digest = sha256()
    for file in files:
        digest.update(file.encode() + b"\0" + (Path(callprint.__file__).parent / file).read_bytes())
    return digest.hexdigest()[:12]
