"""Calls without signalling in which each party sends one flow at most, as columns from the columns of their flows.

Most calls are like this, and nobody looks at one of them by itself. The rows are those of media_only_rows.py, which
takes the others one by one.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from callprint.core.call import MEDIA_ONLY_PREFIX
from callprint.core.calls.call_rows import NOTHING_DECLARED, OF_PARTY
from callprint.core.calls.ended_flow import EndedFlow, cells_of
from callprint.core.calls.facts import CALL, RTP_HEADER
from callprint.core.calls.media_only import MediaOnlyCall
from callprint.core.declared.name import Declared, declared_by_cells
from callprint.core.ground.arrays import Array
from callprint.core.quality.call_quality import call_quality, may_say_something
from callprint.core.verdict import FlowKey

DESCRIBED = (
    *("call_id", "started_ns", "answered_ns", "ended_ns", "judged_at_ns", "capture", "relayed_by"),
    *("caller_mos", "callee_mos", "media_notes"),
    *(f"caller_{name}" for name in OF_PARTY),
    *(f"callee_{name}" for name in OF_PARTY),
)
"""The fields in which calls without signalling differ."""

NO_NUMBER = -1
UNKNOWN_PARTIES = (0, 0, 0, NO_NUMBER, NO_NUMBER)
"""The columns of a CALL row from the caller to the number of the callee."""

_OF_VERDICT = ("application", "declared_application", "declared_version", "declared_by")
_COUNTED = ("packets", "long_packets", "bytes", "duplicates")
_OF_SUMMARY = (
    *("codec", "clock_rate_hz", "expected", "lost", "jitter_ms", "capture"),
    *("mos", "quiet_share", "far_lost_share"),
    *_COUNTED,
)

Cells = dict[str, Sequence[Any]]


def call_id_of(first: FlowKey) -> str:
    """Return the Call-ID of a call by its first flow."""
    src_ip, src_port, dst_ip, dst_port, ssrc, first_seen_ns = first
    text = f"{src_ip} {src_port} {dst_ip} {dst_port} {ssrc} {first_seen_ns}"
    return MEDIA_ONLY_PREFIX + blake2b(text.encode(), digest_size=12).hexdigest()


def is_plain(call: MediaOnlyCall) -> bool:
    """Tell whether each party sends one flow at most, and the flows are columns."""
    flows = call.group.flows
    if len(flows) == 1:
        return flows[0].flows is not None
    if len(flows) > 2:
        return False
    one, other = flows
    return one.flows is not None and other.flows is not None and one.key[:2] != other.key[:2]


def plain_columns(calls: Sequence[MediaOnlyCall]) -> tuple[Cells, Array]:
    """Return the columns DESCRIBED of plain calls, and their (n,) CALL rows."""
    callers, callees = _parties(calls)
    answered = [at for at, callee in enumerate(callees) if callee is not None]
    keys = [flow.key for flow in callers]
    others = [callee for callee in callees if callee is not None]
    sent, sent_back = _cells_of(callers), _cells_of(others)
    started_ns = [key.first_seen_ns for key in keys]
    answered_ns: list[int | None] = [None] * len(calls)
    ended_ns = [flow.last_seen_ns for flow in callers]
    for at, callee in zip(answered, others, strict=True):
        answered_ns[at] = callee.key.first_seen_ns
        ended_ns[at] = max(ended_ns[at], callee.last_seen_ns)
    columns: Cells = {
        "call_id": list(map(call_id_of, keys)),
        "started_ns": started_ns,
        "answered_ns": answered_ns,
        "ended_ns": ended_ns,
        "judged_at_ns": [call.judged_at_ns for call in calls],
        "capture": sent["capture"],
        "relayed_by": [call.group.relayed_by for call in calls],
        **_quality(callers, callees, sent, sent_back, answered),
        **_of_party("caller", keys, sent),
    }
    of_callee = _of_party("callee", [flow.key for flow in others], sent_back)
    for name, cells in of_callee.items():
        columns[name] = _spread(cells, answered, len(calls), () if name == "callee_flows" else None)
    return columns, _facts(columns, sent, sent_back, answered)


def _parties(calls: Sequence[MediaOnlyCall]) -> tuple[list[EndedFlow], list[EndedFlow | None]]:
    """Return the flow of each caller, who sent first, and that of each callee."""
    callers: list[EndedFlow] = []
    callees: list[EndedFlow | None] = []
    for call in calls:
        if len(call.group.flows) == 1:
            callers += call.group.flows
            callees.append(None)
        else:
            one, other = sorted(call.group.flows, key=lambda flow: (flow.key.first_seen_ns, flow.key))
            callers.append(one)
            callees.append(other)
    return callers, callees


def _cells_of(flows: Sequence[EndedFlow]) -> Cells:
    """Return what is needed of flows, as columns."""
    names = (*_OF_VERDICT, *_OF_SUMMARY)
    if not flows:
        return dict.fromkeys(names, ())
    columns = zip(*cells_of(flows, _OF_VERDICT, _OF_SUMMARY), strict=True)
    return dict(zip(names, columns, strict=True))


def _of_party(side: str, keys: list[FlowKey], cells: Cells) -> Cells:
    """Return the fields of OF_PARTY for parties of one flow each."""
    declared: Iterable[Sequence[Any]] = [[None] * len(keys)] * len(Declared._fields)
    if any(cells["declared_by"]):
        said = map(declared_by_cells, *(cells[f"declared_{name}"] for name in Declared._fields))
        declared = zip(*(name or NOTHING_DECLARED for name in said), strict=True)
    columns = ([(key,) for key in keys], cells["application"], cells["codec"], *declared)
    return {f"{side}_{name}": column for name, column in zip(OF_PARTY, columns, strict=True)}


def _quality(
    callers: Sequence[EndedFlow],
    callees: Sequence[EndedFlow | None],
    sent: Cells,
    sent_back: Cells,
    answered: list[int],
) -> Cells:
    """Return the fields of CallQuality; a call of which there is something to say is looked at by itself."""
    names = ("clock_rate_hz", "lost", "expected", "quiet_share", "far_lost_share")
    of_caller, of_callee = (
        list(map(may_say_something, *(cells[name] for name in names))) for cells in (sent, sent_back)
    )
    telling = {at for at, may in enumerate(of_caller) if may}
    telling |= {at for at, may in zip(answered, of_callee, strict=True) if may}
    columns: dict[str, list[Any]] = {
        "caller_mos": list(sent["mos"]),
        "callee_mos": _spread(sent_back["mos"], answered, len(callers), None),
        "media_notes": [None] * len(callers),
    }
    for at in telling:
        callee = callees[at]
        found = call_quality(
            [callers[at].summary], [callee.summary] if callee else [], answered=callee is not None
        )
        for column, cell in zip(columns.values(), found, strict=True):
            column[at] = cell
    return dict(columns)


def _spread(cells: Sequence[Any], places: list[int], length: int, elsewhere: Any) -> list[Any]:
    """Return a column with cells in some places, and the same in all others."""
    column = [elsewhere] * length
    for at, cell in zip(places, cells, strict=True):
        column[at] = cell
    return column


def _facts(columns: Cells, sent: Cells, sent_back: Cells, answered: list[int]) -> Array:
    """Return the (n,) CALL rows. Each flow lies within its call as a whole."""
    rows = np.zeros(len(columns["call_id"]), CALL)
    rows["started_ns"], rows["ended_ns"] = columns["started_ns"], columns["ended_ns"]
    rows["caller_number"] = rows["callee_number"] = NO_NUMBER
    rows["caller_packets"], rows["caller_bytes"] = _sent(sent)
    rows["caller_jitter_ms"] = sent["jitter_ms"]
    rows["answered_ns"][answered] = [columns["answered_ns"][at] for at in answered]
    rows["callee_packets"][answered], rows["callee_bytes"][answered] = _sent(sent_back)
    return rows


def _sent(cells: Cells) -> tuple[Array, Array]:
    """Return how many packets and bytes of payload parties sent, as facts.media_of does."""
    packets, long_packets, octets, duplicates = (np.array(cells[name], float) for name in _COUNTED)
    received = packets + long_packets
    once = np.maximum(
        0.0, 1.0 - np.divide(duplicates, received, out=np.zeros_like(received), where=received > 0)
    )
    payload = np.maximum(0.0, octets - RTP_HEADER * received)
    return np.rint(once * received), np.rint(once * payload)
