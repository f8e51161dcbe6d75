"""A call as a row of numbers, CALL: the input of histories and detectors."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from callprint.core.call import ANONYMOUS_CALLER, CallState, EndedBy
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.relays import each_stream_once
from callprint.core.ground.keys import stable_key
from callprint.core.signalling.identity import Identity
from callprint.core.verdict import FlowReport

CALL = np.dtype(
    [
        ("started_ns", "<i8"),  # the INVITE; of a call without signalling, its first media packet
        ("answered_ns", "<i8"),  # the first 2xx; 0: never answered
        ("ended_ns", "<i8"),  # BYE, CANCEL, final refusal or time-out; 0: not over yet
        ("caller", "<u8"),  # stable_key of the caller's identity (number or SIP URI), 0: not known
        ("callee", "<u8"),
        ("campaign", "<u8"),  # stable_key of what survives a change of number; 0: not known
        ("caller_number", "<i8"),  # E.164 digits as a number; -1: not a number, or pseudonymised
        ("callee_number", "<i8"),
        ("caller_packets", "<u4"),  # RTP from the caller
        ("callee_packets", "<u4"),
        ("caller_bytes", "<u8"),  # RTP payload bytes from the caller
        ("callee_bytes", "<u8"),
        ("caller_jitter_ms", "<f4"),  # NaN: not known
        ("status", "<u2"),  # final SIP status: 200 answered, 487 cancelled, ...; 0: not over, or nobody knows
        ("ended_by", "u1"),  # ENDED_BY_UNKNOWN, _CALLER or _CALLEE
        ("attestation", "u1"),  # ATTESTATION_MISSING, _A, _B or _C
    ]
)
"""What is known of one call by itself."""

ENDED_BY_UNKNOWN, ENDED_BY_CALLER, ENDED_BY_CALLEE = 0, 1, 2
ATTESTATION_MISSING, ATTESTATION_A, ATTESTATION_B, ATTESTATION_C = 0, 1, 2, 3

_OK, _TEMPORARILY_UNAVAILABLE, _REQUEST_TERMINATED = 200, 480, 487
RTP_HEADER = 12  # bytes, without contributing sources and extensions (RFC 3550 5.1)

NO_MEDIA = (0, 0, 0, 0, np.nan)
"""The media columns of a CALL row while they are empty."""

_ATTESTATION = {"A": ATTESTATION_A, "B": ATTESTATION_B, "C": ATTESTATION_C}
_ENDED_BY = {EndedBy.CALLER: ENDED_BY_CALLER, EndedBy.CALLEE: ENDED_BY_CALLEE}


Facts = tuple[int | float, ...]
"""The values of a CALL row, in the order of its fields."""


def facts_of(call: Attempt, media: tuple[int, int, int, int, float] = NO_MEDIA) -> Facts:
    """Return the CALL row of a call as far as it is known."""
    caller, callee = call.caller.identity, call.callee.identity
    return (
        call.started_ns,
        call.answered_ns or 0,
        call.ended_ns or 0,
        _key(caller),
        _key(callee),
        int(call.campaign, 16) if call.campaign else 0,
        caller.number,
        callee.number,
        *media,
        _status(call),
        _ENDED_BY.get(call.ended_by, ENDED_BY_UNKNOWN) if call.ended_by else ENDED_BY_UNKNOWN,
        _ATTESTATION.get(call.attestation, ATTESTATION_MISSING),
    )


def facts_with_media(call: Attempt) -> Facts:
    """Return the CALL row of an ended call with its media."""
    if not call.caller.flows and not call.callee.flows:
        return facts_of(call)
    assert call.ended_ns is not None  # asked for ended calls only
    return facts_of(call, media_of(call.caller.flows, call.callee.flows, call.started_ns, call.ended_ns))


def _status(call: Attempt) -> int:
    """Return the final SIP status as histories take it: 487 means that the caller gave up, 200 that it was answered."""
    if call.state is CallState.FAILED and call.final_status == _REQUEST_TERMINATED:
        return _TEMPORARILY_UNAVAILABLE  # a proxy stopped waiting, not the caller
    if call.inferred:
        return _OK
    return call.final_status or 0


def _key(identity: Identity) -> int:
    """Return the history key of a party; 0 where many people stand behind one text."""
    return 0 if identity.text in ("", ANONYMOUS_CALLER) else _key_of(identity.text)


_key_of = lru_cache(maxsize=4096)(stable_key)  # a call asks six times; texts of identities are bounded


def media_of(
    caller: Sequence[FlowReport], callee: Sequence[FlowReport], started_ns: int, ended_ns: int
) -> tuple[int, int, int, int, float]:
    """Return the media columns of a CALL row, from the first one on, by the flows that either party sends."""
    caller, callee = each_stream_once(caller), each_stream_once(callee)
    longest = max(
        caller, key=lambda report: (report.summary.packets, report.summary.long_packets), default=None
    )
    caller_packets, caller_bytes = _sent(caller, started_ns, ended_ns)
    callee_packets, callee_bytes = _sent(callee, started_ns, ended_ns)
    jitter_ms = longest.summary.jitter_ms if longest is not None else np.nan
    return caller_packets, callee_packets, caller_bytes, callee_bytes, jitter_ms


def _sent(flows: Sequence[FlowReport], started_ns: int, ended_ns: int) -> tuple[int, int]:
    """Return how many packets and bytes of payload a party sent."""
    if not flows:
        return 0, 0
    packets = octets = 0.0
    for report in flows:
        share = _share(report, started_ns, ended_ns) * _sent_once(report)
        received = report.summary.packets + report.summary.long_packets
        packets += share * received
        # Else the party with shorter packets would seem to say more.
        octets += share * max(0, report.summary.bytes - RTP_HEADER * received)
    return round(packets), round(octets)


def _sent_once(report: FlowReport) -> float:
    """Return the part of a flow's packets that are no copies: a SPAN port may deliver every packet twice."""
    received = report.summary.packets + report.summary.long_packets
    return max(0.0, 1.0 - report.summary.duplicates / received) if received else 1.0


def _share(report: FlowReport, started_ns: int, ended_ns: int) -> float:
    """Return the part of a flow that lies within the call: a flow outlives its call when its ports are used again."""
    first_ns, last_ns = report.verdict.flow.first_seen_ns, report.summary.last_seen_ns
    if last_ns <= first_ns:
        return 1.0
    inside_ns = min(last_ns, ended_ns) - max(first_ns, started_ns)
    return min(1.0, max(0.0, inside_ns / (last_ns - first_ns)))
