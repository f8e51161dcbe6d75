"""Flows that go on, found in the flow table by the endpoints of calls: so that a call lasts as long as its media."""

from collections.abc import Iterable

import numpy as np

from callprint.core.flow.layout import DECIDED, NEVER_NS
from callprint.core.ground.addresses import Endpoint, address_numbers
from callprint.core.ground.arrays import Array
from callprint.core.verdict import RunningFlow
from callprint.core.verdicts.values import flow_keys

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


def running_flows(
    flows: Array, due_ns: Array, endpoints: Iterable[Endpoint], ssrcs: Iterable[int]
) -> list[RunningFlow]:
    """Return the flows from or to any of these endpoints, or of these sources; a few others may be among them.

    Of an endpoint without an address ("") the port counts. flows: (n,) FLOW; due_ns: (n,) int64, NEVER_NS for rows not
    in use. A flow counts once it has had an event, which is when agents begin to report it.
    """
    rows = np.flatnonzero(due_ns != NEVER_NS)
    rows = rows[(flows["next_checkpoint"][rows] > 0) | (flows["evidence_state"][rows] == DECIDED)]
    known = list(endpoints)
    numbers = [(*address_numbers(ip), port) for ip, port in known if ip]
    wanted = _mixed(*np.array(numbers, np.uint64).reshape(-1, 3).T)
    fits = np.isin(flows["ssrc"][rows], np.fromiter(ssrcs, np.uint32))
    fits |= np.isin(flows["dst_port"][rows], np.array([port for ip, port in known if not ip], np.uint16))
    for side in ("src", "dst"):
        columns = (flows[f"{side}_{part}"][rows].astype(np.uint64) for part in ("hi", "lo", "port"))
        fits |= np.isin(_mixed(*columns), wanted)
    found = flows[rows[fits]]
    return list(map(RunningFlow, flow_keys(found), found["last_rtp_ns"].tolist()))


def _mixed(hi: Array, lo: Array, port: Array) -> Array:
    """Return one number for each endpoint, (n,) uint64: different ones rarely share it."""
    mixed: Array = hi * _FACTORS[0] ^ lo * _FACTORS[1] ^ port * _FACTORS[2]
    return mixed
