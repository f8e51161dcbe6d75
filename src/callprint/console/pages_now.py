"""The first page: what happens now, and the stream that tells a page when there is something new."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from callprint.console import charts, flow_charts, shown
from callprint.console.health import DAY_NS, FLOWS_OF_A_STRETCH, Stretch
from callprint.console.pages_calls import seen
from callprint.console.site import Site, sees_numbers
from callprint.console.watch import watch_of
from callprint.core.call import Action, CallRecord
from callprint.core.verdict import UNKNOWN
from callprint.output.console import quantity
from callprint.output.json_lines import flow_object
from callprint.stores import CallQuery, StoredVerdict, VerdictQuery, VerdictStore
from callprint.stores.base import MINUTE_NS, Activity

RANGES = {"15m": 15, "1h": 60, "6h": 360, "24h": 1440, "7d": 10080}
"""Minutes by the name in the URL."""
LATEST = 12
LOOK_EVERY_S = 1.0
PING_EVERY_S = 15.0
ACTIONS = tuple(str(action) for action in Action)


class Activities(NamedTuple):
    """What a stretch of time saw."""

    begin: int  # minute
    minutes: int
    every: int  # minutes that are counted together
    flows: dict[str, dict[int, int]]  # application -> minute -> final verdicts
    calls: dict[str, dict[int, int]]  # action -> minute -> calls that are over
    latest_flows: list[StoredVerdict]
    latest_calls: list[CallRecord]


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)
    watch = watch_of(site)

    @routes.get("/")
    async def now(request: Request, range: str = "1h") -> Response:
        """Show what happens."""
        range_name = range if range in RANGES else "1h"
        found = await site.ask(lambda store: look(store, RANGES[range_name]))
        numbers = sees_numbers(request)
        end_ns = (found.begin + found.minutes) * MINUTE_NS
        stretches = await watch.stretches(found.begin * MINUTE_NS, end_ns)
        flows, calls = _total(found.flows), _total(found.calls)
        unknown = sum(found.flows.get(UNKNOWN, {}).values())
        flagged = sum(sum(found.calls.get(action, {}).values()) for action in ACTIONS[1:])
        names = charts.largest_first(found.flows)
        series = grouped(found.flows, names)
        tones = _tones(series)
        return site.render(
            request,
            "now.html",
            "now",
            ranges=RANGES,
            range_name=range_name,
            found=found,
            end_ns=end_ns,
            flows_of_a_stretch=FLOWS_OF_A_STRETCH,
            quality=health_chart(stretches, found.begin * MINUTE_NS, end_ns),
            agents=await watch.agents(),
            topology=await watch.topology(),
            alarms=await watch.alarms(end_ns),
            empty=not found.latest_flows and not found.latest_calls,
            tiles=(
                (
                    "Flows named or tried",
                    f"{flows:,}",
                    _spark(found, found.flows),
                    f"{flows / found.minutes:.1f} per minute",
                ),
                (
                    "Unknown",
                    f"{unknown / flows:.0%}" if flows else "–",
                    _spark(found, {"": found.flows.get(UNKNOWN, {})}),
                    quantity(unknown, "flow"),
                ),
                (
                    "Calls ended",
                    f"{calls:,}",
                    _spark(found, found.calls),
                    f"{calls / found.minutes:.1f} per minute",
                ),
                (
                    "Watched or worse",
                    f"{flagged:,}",
                    _spark(found, {a: found.calls.get(a, {}) for a in ACTIONS[1:]}),
                    f"{flagged / calls:.0%} of calls" if calls else "no calls",
                ),
            ),
            applications=charts.stacked_bars(
                series, tones, found.begin, found.minutes, "Applications of flows over time"
            ),
            legend=[(name, tones[name], sum(series[name].values())) for name in series],
            actions=charts.stacked_bars(
                {a: found.calls.get(a, {}) for a in ACTIONS},
                {a: charts.tone_of(a) for a in ACTIONS},
                found.begin,
                found.minutes,
                "Actions advised on calls over time",
            ),
            action_legend=[(a, charts.tone_of(a), sum(found.calls.get(a, {}).values())) for a in ACTIONS],
            flows=[(row, flow_object(row)) for row in found.latest_flows],
            calls=[(row, seen(row, numbers)) for row in found.latest_calls],
        )

    @routes.get("/events")
    async def events(request: Request) -> StreamingResponse:
        """Tell the page when the store has something new."""
        return StreamingResponse(changes(site, request), media_type="text/event-stream")

    return routes


def health_chart(stretches: list[Stretch], begin_ns: int, end_ns: int) -> Any:
    """Draw MOS and loss over time; nothing when no flow of the time has ended."""
    if all(each.mos is None and not each.lost for each in stretches):
        return ""
    bars = [
        flow_charts.Bar(
            f"{shown.moment(each.begin_ns, '%Y-%m-%d %H:%M')}: "
            + ("no MOS" if each.mos is None else f"MOS {each.mos:.2f}, {each.poor} of {each.rated} below 3.5")
            + ("" if each.lost is None else f", {each.lost:.2%} lost")
            + f"; {quantity(each.flows, 'flow')} looked at",
            each.mos,
            each.lost or 0.0,
        )
        for each in stretches
    ]
    form = "%H:%M" if end_ns - begin_ns <= 2 * DAY_NS else "%m-%d"
    times = [shown.moment(at, form) for at in (begin_ns, (begin_ns + end_ns) // 2, end_ns)]
    return flow_charts.mos_and_loss(bars, times, "MOS and loss over time", ("lost",))


def look(store: VerdictStore, minutes: int) -> Activities:
    """Return what the last minutes saw, up to the latest judgement: packet time, not the clock on the wall."""
    flows = list(store.verdicts(VerdictQuery(limit=LATEST)))
    calls = list(store.calls(CallQuery(limit=LATEST)))
    times = [row.verdict.decided_at_ns for row in flows[:1]] + [row.started_ns for row in calls[:1]]
    end = max(times, default=0) // MINUTE_NS + 1
    begin = end - minutes
    span, every = (begin * MINUTE_NS, end * MINUTE_NS), charts.step_of(minutes)
    return Activities(
        begin,
        minutes,
        every,
        _by_name(store.flow_activity(*span, every)),
        _by_name(store.call_activity(*span, every)),
        flows,
        calls,
    )


def grouped(series: dict[str, dict[int, int]], names: list[str]) -> dict[str, dict[int, int]]:
    """Return the largest series, and the rest as one of the name `other`."""
    shown = {name: series[name] for name in names[: charts.MOST_SERIES]}
    rest: dict[int, int] = defaultdict(int)
    for name in names[charts.MOST_SERIES :]:
        for minute, number in series[name].items():
            rest[minute] += number
    return shown | ({"other": dict(rest)} if rest else {})


def _by_name(activity: Any) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    each: Activity
    for each in activity:
        found.setdefault(each.name, {})[each.minute] = each.number
    return found


def _total(series: dict[str, dict[int, int]]) -> int:
    return sum(sum(counts.values()) for counts in series.values())


def _tones(names: Any) -> dict[str, str]:
    """Return a colour for each name; two of one chart differ as long as there are colours."""
    taken: dict[str, str] = {}
    for name in names:
        tone = charts.tone_of(name)
        free = [f"c{i}" for i in range(charts.COLOURS) if f"c{i}" not in taken.values()]
        taken[name] = free[0] if tone in taken.values() and free else tone
    return taken


def _spark(found: Activities, series: dict[str, dict[int, int]]) -> Any:
    step = max(1, found.minutes // 30)
    values = [0] * -(-found.minutes // step)
    for counts in series.values():
        for minute, number in counts.items():
            if (at := max(0, minute - found.begin) // step) < len(values):
                values[at] += number
    return charts.spark(values, "over time")


async def changes(site: Site, request: Request) -> AsyncIterator[str]:
    """Yield an event for each change, and a comment now and then, by which a dead connection is noticed."""
    mark = await site.ask(lambda store: store.change_mark())
    quiet_s = 0.0
    yield "retry: 2000\n\n"
    while not await request.is_disconnected():
        await asyncio.sleep(LOOK_EVERY_S)
        quiet_s += LOOK_EVERY_S
        now = await site.ask(lambda store: store.change_mark())
        if now != mark or (now is None and quiet_s >= 2 * LOOK_EVERY_S):
            mark, quiet_s = now, 0.0
            yield f"event: change\ndata: {mark or 0}\n\n"
        elif quiet_s >= PING_EVERY_S:
            quiet_s = 0.0
            yield ": still here\n\n"
