"""Runs packets through the flow engine and gives its events in the form of the reference."""

from flow.packet_rows import packet_rows

from callprint.core.evidence import split
from callprint.core.flow import EngineSettings, FlowEngine
from callprint.core.flow.layout import EVENT_CHECKPOINT, EVENT_END
from callprint.core.verdict import ENDED_NAMES

SMALL = EngineSettings(
    maximum_flows=64,
    maximum_candidates=256,
    maximum_handshakes=256,
    evidence_memory_bytes=1 << 20,
    horizon_packets=6,
    horizon_rtcp_packets=3,
    checkpoints=(2, 4),
)


def run(packets, engine_settings=SMALL, batch=None):
    """Return (engine, its events in the form of the reference)."""
    engine = FlowEngine(engine_settings)
    reported = []
    data, rows = packet_rows(packets)
    batch = batch or max(1, len(rows))

    def collect(drains):
        for drain in drains:
            for event, flow in zip(drain.events, drain.flows, strict=True):
                key = tuple(
                    int(v)
                    for v in (
                        (flow["src_lo"] & 0xFFFFFFFF) - 0x0A000000,
                        flow["src_port"],
                        (flow["dst_lo"] & 0xFFFFFFFF) - 0x0A000000,
                        flow["dst_port"],
                        flow["ssrc"],
                    )
                )
                log = tuple(split(drain.evidence[event["start"] : event["end"]]))
                if event["kind"] == EVENT_CHECKPOINT:
                    reported.append(("checkpoint", key, int(event["k"]), log))
                elif event["end"] > event["start"] or event["kind"] == EVENT_END:
                    if event["end"] > event["start"] or flow["evidence_state"] != 2:
                        reported.append(("final", key, int(event["k"]), log))
                    if event["kind"] == EVENT_END:
                        counts = tuple(
                            int(flow[n]) for n in ("packets", "long_packets", "rtcp_packets", "bytes")
                        )
                        reported.append(("end", key, ENDED_NAMES[event["ended"]], counts))

    for start in range(0, len(rows), batch):
        collect(engine.process(data, rows[start : start + batch]))
        assert sum(engine.outcomes.values()) + engine.held == min(start + batch, len(rows))
    collect(engine.finish())
    assert sum(engine.outcomes.values()) == len(rows)
    assert engine.held == 0
    return engine, reported
