"""From FLOW rows to the values of core/verdict.py, as columns: keys, verdicts, summaries."""

from collections.abc import Iterable, Sequence

import numpy as np

from callprint.core.flow.layout import CONFIDENCE_UNIT
from callprint.core.flow.payload_types import CODEC_NAMES
from callprint.core.flow.rtp_statistics import expected_packets
from callprint.core.ground.addresses import address_text
from callprint.core.ground.arrays import Array
from callprint.core.ground.table import Column, Same, ValueTable, names_of
from callprint.core.identify.decision import SURE
from callprint.core.quality.measures import FlowWindows, quality_columns, windows_of_none
from callprint.core.verdict import (
    BASED_ON_HEADERS,
    BASED_ON_PACKETS,
    REASONS,
    UNKNOWN,
    FlowKey,
    FlowSummary,
    Verdict,
)
from callprint.core.verdicts.identifier import NO_MODEL, Names

_DECLARED_FIELDS = tuple(name for name in names_of(Verdict) if name.startswith("declared_"))
_BY_SDP = ("announced_codec", "announced_clock_rate_hz")
_COUNTED = (
    *("payload_type", "clock_rate_hz", "packets", "bytes"),
    *("long_packets", "rtcp_packets", "duplicates", "reordered"),
)
"""What a flow row holds as it is reported."""


def flow_keys(flows: Array) -> list[FlowKey]:
    """Return the keys of flows; flows: (n,) FLOW."""
    numbers = {name: flows[name].tolist() for name in ("src_port", "dst_port", "ssrc", "first_seen_ns")}
    columns = {**{f"{side}_ip": _addresses(flows, side) for side in ("src", "dst")}, **numbers}
    return list(map(FlowKey._make, zip(*(columns[name] for name in FlowKey._fields), strict=True)))


def flow_verdicts(flows: Array, names: Names, fingerprints: Sequence[str | None]) -> ValueTable[Verdict]:
    """Return the verdicts in FLOW rows; flows: (n,) FLOW. `names`: of the identifier that was asked.

    fingerprints: of the evidence of each.
    """
    best = [
        names.applications[number] if names.applications and number >= 0 else None
        for number in flows["application"].tolist()
    ]
    unknown = (flows["reason"] != SURE).tolist()
    columns: dict[str, Column] = {
        "flow": flow_keys(flows),
        "application": [
            UNKNOWN if name is None or not_sure else name
            for name, not_sure in zip(best, unknown, strict=True)
        ],
        "best_application": best,
        "confidence": (flows["confidence"] / CONFIDENCE_UNIT).tolist(),
        "k": flows["verdict_k"].tolist(),
        "final": (flows["final"] != 0).tolist(),
        "model": [NO_MODEL if name is None else names.model for name in best],
        "started_midflow": (flows["started_midflow"] != 0).tolist(),
        "last_seen_ns": flows["evidence_last_ns"].tolist(),
        "decided_at_ns": flows["decided_at_ns"].tolist(),
        "reason": [REASONS[number] for number in flows["reason"].tolist()],
        "model_digest": [None if name is None else names.digest for name in best],
        "based_on": [
            BASED_ON_HEADERS if headers else BASED_ON_PACKETS
            for headers in (flows["evidence_headers"] != 0).tolist()
        ],
        "engine": [
            None if name is None else names.engines[number] if number >= 0 else UNKNOWN
            for name, number in zip(best, flows["engine"].tolist(), strict=True)
        ],
        "engine_confidence": [
            None if name is None else value / 100
            for name, value in zip(best, flows["engine_confidence"].tolist(), strict=True)
        ],
        **dict.fromkeys(_DECLARED_FIELDS, Same(None)),  # filled in where packets declare something
        "fingerprint": fingerprints,
    }
    return ValueTable(Verdict, columns, len(flows))


def flow_summaries(
    flows: Array,
    keys: Sequence[FlowKey],
    ended: Sequence[str],
    captures: Sequence[str | None] = (None,),
    windows: FlowWindows | None = None,
) -> ValueTable[FlowSummary]:
    """Return the counters and statistics of flows.

    flows: (n,) FLOW; keys: of each; ended: one of ENDED_NAMES, or RUNNING, of each; captures: their names
    by number; windows: of each.
    """
    codecs = [CODEC_NAMES.get(number, "dynamic") for number in flows["payload_type"].tolist()]
    expected = expected_packets(flows)
    rates, jitters = flows["clock_rate_hz"].tolist(), flows["jitter"].tolist()
    columns: dict[str, Column] = {
        "flow": keys,
        "codec": codecs,
        "expected": expected.tolist(),
        "lost": np.maximum(0, expected - (flows["received"] - flows["duplicates"])).tolist(),
        "jitter_ms": [
            round(jitter * 1e3 / rate, 3) if rate else 0.0
            for jitter, rate in zip(jitters, rates, strict=True)
        ],
        "last_seen_ns": flows["last_rtp_ns"].tolist(),
        "ended": ended,
        "capture": [captures[number] for number in flows["capture"].tolist()],
        **dict.fromkeys(_BY_SDP, Same(None)),  # filled in where signalling is known
        "first_sequence": (flows["base_sequence"] & 0xFFFF).tolist(),
        **quality_columns(flows, codecs, windows or windows_of_none(len(flows))),
        **{name: flows[name].tolist() for name in _COUNTED},
    }
    return ValueTable(FlowSummary, columns, len(flows))


def unknown_evidence(
    verdicts: Iterable[Verdict], events: Array, evidence: Array
) -> list[tuple[Verdict, bytes]]:
    """Return the final verdicts that name no application, each with its evidence log; none without a log.

    Nor those of headers alone: what is kept is to be clustered and trained on, which takes whole packets.

    events: (n,) EVENT, of each verdict; evidence: (bytes,) uint8, the logs that they delimit.
    """
    spans = zip(events["start"].tolist(), events["end"].tolist(), strict=True)
    return [
        (verdict, evidence[start:end].tobytes())
        for verdict, (start, end) in zip(verdicts, spans, strict=True)
        if verdict.final
        and verdict.reason is not None
        and verdict.based_on != BASED_ON_HEADERS
        and end > start
    ]


def _addresses(flows: Array, side: str) -> list[str]:
    """Return the addresses of one side of flows as text."""
    return [
        address_text(hi, lo)
        for hi, lo in zip(flows[f"{side}_hi"].tolist(), flows[f"{side}_lo"].tolist(), strict=True)
    ]
