"""Turns a call into the numbers that histories and detectors work with (core/spit/history.py, CALL)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.calls.call import ANONYMOUS_CALLER, EndedBy
from callprint.core.calls.media_only import MediaCall
from callprint.core.calls.state import Call
from callprint.core.signalling.identity import Identity
from callprint.core.spit.compiled_history import fill_end
from callprint.core.spit.history import (
    ATTESTATION_A,
    ATTESTATION_B,
    ATTESTATION_C,
    ATTESTATION_MISSING,
    CALL,
    ENDED_BY_CALLEE,
    ENDED_BY_CALLER,
    ENDED_BY_UNKNOWN,
    stable_key,
)
from callprint.core.verdict import FlowReport

Vector = NDArray[np.float64]

_ATTESTATION = {"A": ATTESTATION_A, "B": ATTESTATION_B, "C": ATTESTATION_C}
_ENDED_BY = {EndedBy.CALLER: ENDED_BY_CALLER, EndedBy.CALLEE: ENDED_BY_CALLEE}


def facts_of(call: Call) -> Any:
    """Return the CALL row of a call as far as it is known; its media columns are still empty."""
    row = np.zeros(1, CALL)[0]
    row["started_ns"] = call.started_ns
    row["answered_ns"] = call.answered_ns or 0
    row["ended_ns"] = call.ended_ns or 0
    row["caller"] = _key(call.caller.identity)
    row["callee"] = _key(call.callee.identity)
    row["campaign"] = int(call.campaign, 16) if call.campaign else 0
    row["caller_number"] = call.caller.identity.number
    row["callee_number"] = call.callee.identity.number
    row["caller_jitter_ms"] = np.nan
    row["status"] = call.final_status or 0
    row["ended_by"] = _ENDED_BY.get(call.ended_by, ENDED_BY_UNKNOWN) if call.ended_by else ENDED_BY_UNKNOWN
    row["attestation"] = _ATTESTATION.get(call.attestation, ATTESTATION_MISSING)
    return row


def facts_with_media(call: Call) -> Any:
    """Return the CALL row of an ended call with its media."""
    row = facts_of(call)
    assert call.ended_ns is not None  # asked for ended calls only
    _add_media(row, call.caller.flows, call.callee.flows, call.started_ns, call.ended_ns)
    return row


def facts_of_media(media: MediaCall) -> Any:
    """Return the CALL row of a call without signalling."""
    row = np.zeros(1, CALL)[0]
    row["started_ns"] = media.started_ns
    row["answered_ns"] = media.answered_ns or 0
    row["ended_ns"] = media.ended_ns
    row["caller_number"] = row["callee_number"] = -1
    _add_media(row, media.caller, media.callee, media.started_ns, media.ended_ns)
    return row


def filled(facts: Any, vector: Vector) -> Vector:
    """Return `vector` with the END features of an ended call filled in."""
    full = vector.copy()
    fill_end(facts, full)
    return full


def _key(identity: Identity) -> int:
    """Return the history key of a party; 0 where many people stand behind one text."""
    return 0 if identity.text in ("", ANONYMOUS_CALLER) else stable_key(identity.text)


def _add_media(
    row: Any, caller: Sequence[FlowReport], callee: Sequence[FlowReport], started_ns: int, ended_ns: int
) -> None:
    for prefix, flows in (("caller", caller), ("callee", callee)):
        packets = octets = 0.0
        for report in flows:
            share = _share(report, started_ns, ended_ns)
            packets += share * (report.summary.packets + report.summary.long_packets)
            octets += share * report.summary.bytes
        row[f"{prefix}_packets"] = round(packets)
        row[f"{prefix}_bytes"] = round(octets)
    longest = max(caller, key=lambda report: report.summary.packets, default=None)
    row["caller_jitter_ms"] = longest.summary.jitter_ms if longest is not None else np.nan


def _share(report: FlowReport, started_ns: int, ended_ns: int) -> float:
    """Return which part of a flow lies within the call: one flow can outlive it when its ports are used again."""
    first_ns, last_ns = report.verdict.flow.first_seen_ns, report.summary.last_seen_ns
    if last_ns <= first_ns:
        return 1.0
    inside_ns = min(last_ns, ended_ns) - max(first_ns, started_ns)
    return min(1.0, max(0.0, inside_ns / (last_ns - first_ns)))
