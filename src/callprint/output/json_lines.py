"""JSON Lines: one object for each flow, the promise of docs/use/json.md and schemas/flow.schema.json."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple, Protocol, TextIO

from callprint.core.ground.community_id import community_id
from callprint.core.ground.fields import Field, Known, Limits, NamedField, fields_of, in_order, values_of
from callprint.core.verdict import RUNNING, FlowSummary, Verdict

CommunityId = Annotated[str, Limits(pattern="^1:[A-Za-z0-9+/]{27}=$")]


class Reported(Protocol):
    """A verdict and what is known of its flow, as core.verdict.FlowReport and stores.StoredVerdict are."""

    @property
    def verdict(self) -> Verdict:
        """The verdict."""

    @property
    def summary(self) -> FlowSummary | None:
        """The statistics of the flow, None while it goes on."""


class _Computed(NamedTuple):
    """What is not stored, because it follows from the rest."""

    community_id: Annotated[
        CommunityId,
        Field(18, Known.FIRST_PACKET, "Community ID v1, seed 0; both directions of a call have the same."),
    ]


FIELDS = in_order((*fields_of(Verdict), *fields_of(FlowSummary), *fields_of(_Computed)))
"""The fields of a flow object besides `type`, in their order."""

WHILE_RUNNING: dict[str, Callable[[Verdict], Any]] = {
    "packets": lambda verdict: verdict.k,
    "last_seen_ns": lambda verdict: verdict.last_seen_ns,
    "ended": lambda _: RUNNING,
}
"""What stands for a field of the summary while there is none; any other is null."""

STATISTICS = tuple(
    field.name for field in FIELDS if field.about.known is Known.END and field.name not in WHILE_RUNNING
)
"""Fields of a flow object that may be null while the flow goes on."""


def object_maker(kind: str, fields: Iterable[NamedField]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what makes JSON objects of these fields from their values, rounded as the fields say."""
    fields = tuple(fields)
    names = [field.name for field in fields]
    rounded = [(field.name, field.about.decimals) for field in fields if field.about.decimals is not None]

    def make(values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"type": kind, **{name: values[name] for name in names}}
        for name, decimals in rounded:
            if found[name] is not None:
                found[name] = round(found[name], decimals)
        return found

    return make


_make = object_maker("flow", FIELDS)


def flow_object(report: Reported) -> dict[str, Any]:
    """Return the JSON object of a flow, its keys always the same and in the same order."""
    values = values_of(report.verdict)
    if report.summary is not None:
        values |= values_of(report.summary)
    else:
        values |= dict.fromkeys(STATISTICS)
        values |= {name: stands_in(report.verdict) for name, stands_in in WHILE_RUNNING.items()}
    flow = report.verdict.flow
    values["community_id"] = community_id(flow.src_ip, flow.src_port, flow.dst_ip, flow.dst_port)
    return _make(values)


def write_json_lines(reports: Iterable[Reported], stream: TextIO) -> int:
    """Write one line for each report and return how many."""
    return write_objects(map(flow_object, reports), stream)


# allow_nan: NaN is no JSON; better a loud ValueError here than a line that no other program reads.
_encode = json.JSONEncoder(allow_nan=False).encode


def write_objects(objects: Iterable[dict[str, Any]], stream: TextIO) -> int:
    """Write one line for each object and return how many. The lines are ASCII, whatever the names hold."""
    lines = 0
    for each in objects:
        stream.write(_encode(each) + "\n")
        lines += 1
    return lines
