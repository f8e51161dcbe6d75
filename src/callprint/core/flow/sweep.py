"""The sweep through the flow table, once a second of packet time: it ends idle flows and completes evidence."""

from callprint.core.flow.events import ask_final, end_flow, has_room
from callprint.core.flow.layout import DECIDED, ENDED_CAPTURE_END, ENDED_IDLE, NEVER_NS, Tables
from callprint.core.ground.compiled import by_reference, compiled_apart

SWEEP_EVERY_NS = 1_000_000_000
# Room for packets that come late: it is a flow's own packets that decide when it ends, wherever they can.
_SLACK_NS = 2_000_000_000


@compiled_apart
def sweep(tables: Tables) -> bool:
    """End idle flows and complete evidence whose time for RTCP has passed; False when the buffers are full.

    `due_ns` is a lower bound for each row, so that a packet need not touch it; here it is made exact again.
    """
    tables = by_reference(tables)
    state = tables.state[0]
    if state.sweep_row < 0:
        state.sweep_row = 0
        state.next_sweep_ns = state.clock_ns + SWEEP_EVERY_NS
    due_before_ns = state.clock_ns - _SLACK_NS
    while state.sweep_row < state.fresh_row:
        row = state.sweep_row
        due_ns = tables.due_ns[row]
        if due_ns != NEVER_NS and (due_ns < due_before_ns or state.sweep_all):
            if not has_room(tables):
                return False
            flow = tables.flows[row]
            if state.sweep_all:
                end_flow(tables, row, ENDED_CAPTURE_END)
            elif flow.last_active_ns + state.idle_timeout_ns < due_before_ns:
                end_flow(tables, row, ENDED_IDLE)
            else:
                if flow.evidence_state != DECIDED and flow.horizon_ns < due_before_ns:
                    ask_final(tables, row, flow.horizon_ns)
                due_ns = flow.last_active_ns + state.idle_timeout_ns
                if flow.evidence_state != DECIDED:
                    due_ns = min(due_ns, flow.horizon_ns)
                tables.due_ns[row] = due_ns
        state.sweep_row += 1
    state.sweep_row = -1
    return True
