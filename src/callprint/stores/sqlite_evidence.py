"""Evidence of unknown flows in the SQLite store: statements, and how much is kept for how long."""

from dataclasses import dataclass

from callprint.core.verdict import Verdict
from callprint.stores.base import UnknownEvidence
from callprint.stores.columns import EVIDENCE, KEY_COLUMNS, insert_statement

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class EvidenceLimits:
    """How much evidence of unknown flows a store keeps, by the wall clock."""

    flows: int = 10_000  # at most, the latest; some 20 KB each
    days: int = 7  # from when it was put


PUT_EVIDENCE = (
    insert_statement("unknown_evidence", (*EVIDENCE.names, "expires_at_ns")) + " ON CONFLICT DO NOTHING"
)
FORGET_EXPIRED = "DELETE FROM unknown_evidence WHERE expires_at_ns <= ?"
HAS_EXPIRED = "SELECT EXISTS (SELECT 1 FROM unknown_evidence WHERE expires_at_ns <= ?)"
FORGET_OLDEST = (
    "DELETE FROM unknown_evidence WHERE rowid IN (SELECT rowid FROM unknown_evidence"
    " ORDER BY decided_at_ns DESC, rowid DESC LIMIT -1 OFFSET ?)"
)
COUNT_EVIDENCE = (
    "SELECT COUNT(*), COALESCE(MAX(decided_at_ns), 0) FROM unknown_evidence WHERE expires_at_ns > ?"
)
_SELECT = (
    f"SELECT {EVIDENCE.selected()} FROM unknown_evidence WHERE expires_at_ns > ?"
    f" ORDER BY decided_at_ns DESC, {', '.join(KEY_COLUMNS)}, k DESC, model DESC"
)


def select_evidence(now_ns: int, limit: int | None) -> tuple[str, list[object]]:
    """Return the statement and the parameters that give what is kept."""
    return (_SELECT, [now_ns]) if limit is None else (f"{_SELECT} LIMIT ?", [now_ns, limit])


SELECT_EVIDENCE_OF = _SELECT.replace(
    " ORDER BY", "".join(f" AND {column} = ?" for column in KEY_COLUMNS) + " ORDER BY"
)


def evidence_row(verdict: Verdict, evidence: bytes, expires_at_ns: int) -> tuple[object, ...]:
    """Return the row of an evidence log for PUT_EVIDENCE."""
    kept = UnknownEvidence(verdict.flow, verdict.decided_at_ns, verdict.k, verdict.model, evidence)
    return (*EVIDENCE.row(kept), expires_at_ns)
