"""Verdicts and flow summaries for tests, each field plausible; change fields by keyword."""

from dataclasses import replace

from callprint.core.verdict import FlowKey, FlowReport, FlowSummary, Verdict

START_NS = 1_760_000_000_123_456_789
SECOND_NS = 1_000_000_000
SSRC = 0x1A2B3C4D

LINPHONE = FlowKey("192.0.2.10", 16384, "198.51.100.20", 7078, SSRC, START_NS)
PJSUA = FlowKey("198.51.100.20", 7078, "192.0.2.10", 16384, SSRC, START_NS + 20_000_000)
JAMI_IPV6 = FlowKey(
    "2001:db8::10", 40000, "2001:db8:ffff:ffff:ffff:ffff:ffff:20", 65534, 7, START_NS + SECOND_NS
)
SHORT = FlowKey("203.0.113.5", 4000, "192.0.2.10", 4002, SSRC, START_NS + 2 * SECOND_NS)


def verdict(flow: FlowKey = LINPHONE, application: str = "linphone", **changes) -> Verdict:
    """A final verdict at the evidence horizon, 2 s after the flow began."""
    sample = Verdict(
        flow=flow,
        application=application,
        best_application=application,
        confidence=0.9875,
        k=100,
        final=True,
        model="compact-1",
        started_midflow=False,
        last_seen_ns=flow.first_seen_ns + 2 * SECOND_NS,
        decided_at_ns=flow.first_seen_ns + 2 * SECOND_NS,
    )
    return replace(sample, **changes)


def provisional(flow: FlowKey = LINPHONE, application: str = "linphone", k: int = 10, **changes) -> Verdict:
    """A verdict at an early k, 20 ms a packet."""
    seen_ns = flow.first_seen_ns + (k - 1) * 20_000_000
    times = {"last_seen_ns": seen_ns, "decided_at_ns": seen_ns}
    return verdict(flow, application, k=k, final=False, **{**times, **changes})


def summary(flow: FlowKey = LINPHONE, **changes) -> FlowSummary:
    """10 s of PCMU with two packets lost."""
    sample = FlowSummary(
        flow=flow,
        payload_type=0,
        codec="PCMU",
        clock_rate_hz=8000,
        packets=498,
        bytes=498 * 172,
        long_packets=0,
        rtcp_packets=4,
        expected=500,
        lost=2,
        duplicates=1,
        reordered=3,
        jitter_ms=1.625,
        last_seen_ns=flow.first_seen_ns + 10 * SECOND_NS,
        ended="capture_end",
    )
    return replace(sample, **changes)


def unsure(flow: FlowKey = PJSUA) -> Verdict:
    """A final verdict that is not sure enough; pjsua is the best guess."""
    return replace(
        verdict(flow),
        application="unknown",
        best_application="pjsua",
        confidence=0.52,
        reason="low_confidence",
    )


def too_short(flow: FlowKey = SHORT) -> Verdict:
    """The verdict on a flow of three packets: no model looked."""
    return replace(
        verdict(flow),
        application="unknown",
        best_application=None,
        confidence=0.0,
        k=3,
        model="none",
        last_seen_ns=flow.first_seen_ns + 40_000_000,
        decided_at_ns=flow.first_seen_ns + 40_000_000,
        reason="too_short",
    )


def reports() -> list[FlowReport]:
    """Four flows: sure, unsure, IPv6 with a dynamic payload type, too short."""
    return [
        FlowReport(verdict(), summary()),
        FlowReport(unsure(), summary(PJSUA, codec="PCMA", payload_type=8, lost=0, expected=498)),
        FlowReport(
            verdict(JAMI_IPV6, "jami", k=40, started_midflow=True),
            summary(JAMI_IPV6, codec="dynamic", payload_type=111, clock_rate_hz=48000, jitter_ms=0.04),
        ),
        FlowReport(
            too_short(),
            summary(SHORT, packets=3, bytes=516, expected=3, lost=0, rtcp_packets=0, ended="idle"),
        ),
    ]
