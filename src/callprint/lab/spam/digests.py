"""Digests of the code that results come from, so that results of older code are never taken for new ones."""

from hashlib import sha256
from pathlib import Path

import callprint

_SHARED = (
    "core/spam/features.py",
    "core/spam/histories.py",
    "core/spam/compiled_histories.py",
    "lab/spam/cell.py",
    "lab/spam/population.py",
    "lab/spam/traces.py",
)
_CLUSTERING = ("clustering.py", "compiled_clustering.py", "farthest.py", "neighbourhoods.py")
OTHERS_CODE = (
    *_SHARED,
    *(f"core/spam/{name}" for name in _CLUSTERING),
    "estimators/clustering.py",
    "lab/spam/baselines.py",
)
"""What the results of the paper's algorithms and of the baselines depend on, below src/callprint."""
_DETECTOR = ("batch.py", "vote_model.py", "prior_weights.py", "scorecard.py")
_LIVE = ("own_detector.py", "known_callers.py", "known_votes.py", "thresholds.py")
OWN_CODE = (*_SHARED, *(f"core/spam/{name}" for name in _DETECTOR), "lab/spam/methods.py")
"""What the results of our detector depend on."""
ALL_CODE = tuple(
    dict.fromkeys(
        (
            *OTHERS_CODE,
            *OWN_CODE,
            *(f"core/spam/{name}" for name in _LIVE),
            "lab/spam/million.py",
            "lab/spam/playback.py",
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
