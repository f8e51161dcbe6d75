"""Evidence of unknown flows in the SQLite store: statements, rows, and how much is kept for how long."""

from dataclasses import dataclass
from typing import Any

from callprint.core.verdict import Verdict
from callprint.stores.base import UnknownEvidence
from callprint.stores.sqlite_rows import KEY_COLUMNS
from callprint.stores.sqlite_values import count, flow_key, insert_statement, text, time

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class EvidenceLimits:
    """How much evidence of unknown flows a store keeps, by the wall clock."""

    flows: int = 10_000  # at most, the latest: some 20 KB each
    days: int = 7  # from when it was put


EVIDENCE_COLUMNS = (*KEY_COLUMNS, "decided_at_ns", "k", "model", "evidence")
PUT_EVIDENCE = (
    insert_statement("unknown_evidence", (*EVIDENCE_COLUMNS, "expires_at_ns")) + " ON CONFLICT DO NOTHING"
)
FORGET_EXPIRED = "DELETE FROM unknown_evidence WHERE expires_at_ns <= ?"
HAS_EXPIRED = "SELECT EXISTS (SELECT 1 FROM unknown_evidence WHERE expires_at_ns <= ?)"
FORGET_OLDEST = (
    "DELETE FROM unknown_evidence WHERE rowid IN (SELECT rowid FROM unknown_evidence"
    " ORDER BY decided_at_ns DESC, rowid DESC LIMIT -1 OFFSET ?)"
)
_SELECT = (
    f"SELECT {', '.join(EVIDENCE_COLUMNS)} FROM unknown_evidence WHERE expires_at_ns > ?"
    f" ORDER BY decided_at_ns DESC, {', '.join(KEY_COLUMNS)}, k DESC, model DESC"
)


def select_evidence(now_ns: int, limit: int | None) -> tuple[str, list[object]]:
    """Return the statement and the parameters that give what is kept."""
    return (_SELECT, [now_ns]) if limit is None else (f"{_SELECT} LIMIT ?", [now_ns, limit])


def evidence_row(verdict: Verdict, evidence: bytes, expires_at_ns: int) -> tuple[object, ...]:
    """Return an evidence log in the order of EVIDENCE_COLUMNS, with when it is to be forgotten."""
    return (*verdict.flow, verdict.decided_at_ns, verdict.k, verdict.model, evidence, expires_at_ns)


def stored_evidence(row: tuple[Any, ...]) -> UnknownEvidence:
    """Turn a row of `select_evidence` into values. Raises ValueError or TypeError when one is none."""
    key_end = len(KEY_COLUMNS)
    decided_at_ns, k, model, evidence = row[key_end:]
    if not isinstance(evidence, bytes):
        raise TypeError(f"{evidence!r} is no evidence")
    return UnknownEvidence(flow_key(row[:key_end]), time(decided_at_ns), count(k), text(model), evidence)
