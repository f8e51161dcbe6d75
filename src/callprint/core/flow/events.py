"""How the flow engine asks for verdicts and reports the end of a flow: rows of EVENT, with the evidence so far."""

from callprint.core.flow import evidence_pool, table, windows
from callprint.core.flow.layout import DECIDED, EVENT_END, EVENT_HORIZON, Tables
from callprint.core.flow.window_layout import WINDOWS_KEPT
from callprint.core.ground.compiled import compiled, compiled_apart

EVENTS_PER_PACKET = 4  # more than one packet can cause: an eviction, an end, a checkpoint, a horizon


@compiled
def has_room(tables: Tables) -> bool:
    """Return whether the buffers hold whatever one packet can cause."""
    state = tables.state[0]
    return bool(
        state.events + EVENTS_PER_PACKET <= tables.events.shape[0]
        and state.evidence_used + EVENTS_PER_PACKET * state.longest_log <= tables.evidence.shape[0]
        and state.windows_used + EVENTS_PER_PACKET * (WINDOWS_KEPT + 1) <= tables.event_windows.shape[0]
    )


@compiled_apart
def emit(tables: Tables, row: int, kind: int, ended: int, time_ns: int, with_evidence: bool) -> None:
    """Write an event and the flow as it stands."""
    state = tables.state[0]
    flow = tables.flows[row]
    event = tables.events[state.events]
    event.start = state.evidence_used
    event.end = evidence_pool.gather(tables, row) if with_evidence else state.evidence_used
    event.row = row
    event.packet = state.packet
    event.k = flow.evidence_whole + flow.evidence_headers if with_evidence else 0
    event.kind = kind
    event.ended = ended
    event.time_ns = time_ns
    event.first_window = state.windows_used
    event.windows = 0
    tables.event_flows[state.events] = tables.flows[row]
    state.events += 1


@compiled
def ask_final(tables: Tables, row: int, time_ns: int) -> None:
    """Ask for the final verdict of a flow by the evidence it has; the evidence is then freed."""
    emit(tables, row, EVENT_HORIZON, 0, time_ns, True)
    _free_evidence(tables, row)


@compiled_apart
def end_flow(tables: Tables, row: int, why: int) -> None:
    """Report the end of a flow (`why`: one of ENDED_), with its evidence unless it was judged before; free the row."""
    flow = tables.flows[row]
    windows.restart(tables, row)
    emit(tables, row, EVENT_END, why, flow.last_active_ns, flow.evidence_state != DECIDED)
    _give_windows(tables, row)
    _free_evidence(tables, row)
    table.remove(tables, row)


@compiled
def _give_windows(tables: Tables, row: int) -> None:
    """Add the quality of a flow to the event of its end, which was written last."""
    state = tables.state[0]
    number = state.events - 1
    event = tables.events[number]
    event.windows = windows.gather(
        tables, row, tables.event_windows, state.windows_used, tables.event_reported, number
    )
    state.windows_used += event.windows
    windows.release(tables, row)


@compiled
def _free_evidence(tables: Tables, row: int) -> None:
    evidence_pool.release(tables, row)
    tables.flows[row].evidence_state = DECIDED
