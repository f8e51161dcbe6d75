"""The values that callprint tells the world: verdicts and flow summaries; all times are packet times.

A Field says what there is to know about a field, once: everything that lists fields derives from it.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from callprint.core.ground.fields import Address, Digest, Field, Known, Limits, Name, Port, Probability

UNKNOWN = "unknown"
"""The application of a verdict that is not sure enough."""

REASON_TOO_SHORT = "too_short"  # fewer packets than the model judges, or is sure from
REASON_LOW_CONFIDENCE = "low_confidence"  # confidence below the threshold of the model's card
REASON_NOVEL = "novel"  # the open-set score says: no application that the model knows
REASON_CONTRADICTED = "contradicted"  # sure, but packets declare another application (ADR 0014)

BASED_ON_PACKETS = "packets"
BASED_ON_HEADERS = "headers"

REASONS = (None, REASON_TOO_SHORT, REASON_LOW_CONFIDENCE, REASON_NOVEL, REASON_CONTRADICTED)
"""Reasons by the number that a flow row and a judgement hold; None: the application is known."""

RTCP, DTLS, STUN, SDP, SIP, H323 = "rtcp", "dtls", "stun", "sdp", "sip", "h323"
DECLARED_BY = (RTCP, DTLS, STUN, SDP, SIP, H323)
"""What can say which application sends a flow, from the nearest to its media to the farthest."""

ENDED_NAMES = ("idle", "evicted", "capture_end")
"""How a flow ended, by the ENDED_ numbers of core/flow/layout.py."""

RUNNING = "running"
"""What stands in their place while a flow goes on."""

START, VERDICT, END = Known.FIRST_PACKET, Known.VERDICT, Known.END
Ssrc = Annotated[int, Limits(maximum=0xFFFFFFFF)]
Sequence16 = Annotated[int, Limits(maximum=0xFFFF)]
PayloadType = Annotated[int, Limits(maximum=127)]
Reason = Annotated[str, Limits(enum=[reason for reason in REASONS if reason is not None])]
BasedOn = Annotated[str, Limits(enum=[BASED_ON_PACKETS, BASED_ON_HEADERS])]
MosBand = Annotated[str, Limits(enum=["narrowband", "wideband", "fullband"])]
DeclaredBy = Annotated[str, Limits(enum=list(DECLARED_BY))]
Ended = Annotated[str, Limits(enum=[RUNNING, *ENDED_NAMES])]


class FlowKey(NamedTuple):
    """One RTP source on a quad-tuple (ADR 0003). `first_seen_ns` tells a source that fell silent and came back."""

    src_ip: Annotated[Address, Field(1, START, "Sender's address, in the canonical spelling of RFC 5952.")]
    src_port: Annotated[Port, Field(2, START, "Sender's UDP port.")]
    dst_ip: Annotated[Address, Field(3, START, "Receiver's address.")]
    dst_port: Annotated[Port, Field(4, START, "Receiver's UDP port.")]
    ssrc: Annotated[
        Ssrc, Field(5, START, "Synchronisation source (RFC 3550): two on the same endpoints are two flows.")
    ]
    first_seen_ns: Annotated[int, Field(15, START, "First packet of the flow.")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look at a flow's evidence found. A later look is a new verdict; none is ever changed."""

    flow: FlowKey
    application: Annotated[
        Name, Field(6, VERDICT, "The application that sends the flow, or `unknown`.", UNKNOWN)
    ]
    best_application: Annotated[
        Name | None,
        Field(7, VERDICT, "The best guess, also when `application` is `unknown`; null when no model looked."),
    ]
    confidence: Annotated[
        Probability, Field(8, VERDICT, "Calibrated probability of `best_application`.", decimals=6)
    ]
    k: Annotated[int, Field(9, VERDICT, "RTP packets that the verdict is based on.")]
    final: Annotated[bool, Field(11, VERDICT, "False: provisional, a later verdict follows.")]
    model: Annotated[
        Name, Field(13, VERDICT, "Name and version of the model; `none` when no model looked.", "none")
    ]
    started_midflow: Annotated[
        bool, Field(14, VERDICT, "True: the flow was already running when it was first seen.")
    ]
    last_seen_ns: Annotated[int, Field(16, VERDICT, "The last RTP packet that was looked at.")]
    decided_at_ns: Annotated[int, Field(17, VERDICT, "When the evidence of the verdict was complete.")]
    reason: Annotated[
        Reason | None, Field(12, VERDICT, "Why `application` is `unknown`; null when it is named.")
    ] = None
    model_digest: Annotated[
        Digest | None,
        Field(
            34, VERDICT, "Digest of the network and of what its card decides by; null when no model looked."
        ),
    ] = None
    based_on: Annotated[
        BasedOn | None,
        Field(
            36,
            VERDICT,
            "`packets`, or `headers` where the RTP packets are too long for the filter or cut by the capture.",
        ),
    ] = None
    engine: Annotated[
        Name | None,
        Field(
            56,
            VERDICT,
            "The media stack of the sender, such as libwebrtc; `unknown` when not sure, null when no model "
            "looked. It may be sure where `application` is not.",
        ),
    ] = None
    engine_confidence: Annotated[
        Probability | None,
        Field(57, VERDICT, "Calibrated probability of the likeliest engine, rounded down.", decimals=2),
    ] = None
    declared_application: Annotated[
        Name | None,
        Field(58, VERDICT, "The application that the sender's packets name; null when none does."),
    ] = None
    declared_version: Annotated[Name | None, Field(59, VERDICT, "Its version, as the packets have it.")] = (
        None
    )
    declared_by: Annotated[
        DeclaredBy | None,
        Field(60, VERDICT, "What names it: `rtcp`, `dtls`, `stun`, `sdp`, `sip` or `h323`."),
    ] = None
    fingerprint: Annotated[
        Name | None,
        Field(61, VERDICT, "Habits of the sender's media stack as a text (docs/how/fingerprint.md)."),
    ] = None


@dataclass(frozen=True, slots=True)
class FlowSummary:
    """The counters and RTP statistics of a whole flow, known when it has ended (RFC 3550 A.3, A.8)."""

    flow: FlowKey
    payload_type: Annotated[PayloadType, Field(19, END, "RTP payload type (RFC 3551).")]
    codec: Annotated[
        str, Field(20, END, "Codec by the static payload types of RFC 3551, else `dynamic`.", "dynamic")
    ]
    clock_rate_hz: Annotated[
        int, Field(21, END, "RTP clock rate, by the payload type or estimated; else 0.", 0)
    ]
    packets: Annotated[
        int, Field(10, END, "RTP packets that the filter accepted; while the flow goes on, those looked at.")
    ]
    bytes: Annotated[
        int, Field(22, END, "UDP payload of the RTP packets, those of 256 bytes and more included.")
    ]
    long_packets: Annotated[
        int, Field(23, END, "RTP packets of the same source with 256 bytes or more, too long for the filter.")
    ]
    rtcp_packets: Annotated[int, Field(24, END, "RTCP packets of the same sender.")]
    expected: Annotated[int, Field(25, END, "RTP packets sent, by their sequence numbers (RFC 3550 A.3).")]
    lost: Annotated[int, Field(26, END, "Expected minus received, at least 0 (RFC 3550 A.3).")]
    duplicates: Annotated[int, Field(27, END, "RTP packets that came twice.")]
    reordered: Annotated[int, Field(28, END, "RTP packets that came late.")]
    jitter_ms: Annotated[
        float,
        Field(29, END, "Interarrival jitter (RFC 3550 A.8); 0 when `clock_rate_hz` is 0.", 0, decimals=3),
    ]
    last_seen_ns: Annotated[
        int, Field(16, END, "Last packet of the flow; while it goes on, the last one looked at.")
    ]
    ended: Annotated[
        Ended, Field(30, END, "`idle`, `evicted` (the bounded table was full), `capture_end`, or `running`.")
    ]
    capture: Annotated[
        Name | None,
        Field(31, END, "File or interface that the flow was first seen in."),
    ] = None
    announced_codec: Annotated[
        Name | None,
        Field(32, END, "Encoding name that SDP gave the payload type; null when no signalling was seen."),
    ] = None
    announced_clock_rate_hz: Annotated[int | None, Field(33, END, "RTP clock rate that SDP gave it.")] = None
    first_sequence: Annotated[
        Sequence16 | None,
        Field(
            35, END, "RTP sequence number of the first packet, or of the first since the source began anew."
        ),
    ] = None
    # Quality: core/quality/measures.py fills it in; docs/use/quality.md explains it.
    jitter_min_ms: Annotated[
        float | None, Field(37, END, "Least jitter after any packet; null without a clock rate.", decimals=3)
    ] = None
    jitter_mean_ms: Annotated[
        float | None, Field(38, END, "Mean of the jitter after each packet.", decimals=3)
    ] = None
    jitter_max_ms: Annotated[
        float | None, Field(39, END, "Greatest jitter after any packet.", decimals=3)
    ] = None
    late: Annotated[
        int | None, Field(40, END, "RTP packets that a jitter buffer of 60 ms would have come too late for.")
    ] = None
    burst_density: Annotated[
        Probability | None,
        Field(41, END, "Share of packets lost or late within bursts (RFC 3611).", decimals=6),
    ] = None
    gap_density: Annotated[
        Probability | None,
        Field(42, END, "Share of packets lost or late between bursts (RFC 3611).", decimals=6),
    ] = None
    longest_gap_ms: Annotated[int | None, Field(43, END, "Longest time without any packet.")] = None
    pause_share: Annotated[
        Probability | None, Field(44, END, "Share of the time in which the sender paused: DTX.", decimals=4)
    ] = None
    quiet_share: Annotated[
        Probability | None,
        Field(45, END, "Share of G.711 packets with silence; null for other codecs.", decimals=4),
    ] = None
    packet_ms: Annotated[
        float | None, Field(46, END, "Time from packet to packet, by the time stamps.", decimals=3)
    ] = None
    r_factor: Annotated[
        float | None,
        Field(47, END, "R of the E-model (ITU-T G.107); null where none is claimed.", decimals=1),
    ] = None
    mos: Annotated[float | None, Field(48, END, "MOS of the E-model, 1 to 4.5.", decimals=2)] = None
    mos_band: Annotated[MosBand | None, Field(49, END, "The band whose E-model rated it.")] = None
    round_trip_ms: Annotated[
        float | None, Field(50, END, "Round trip, as far as clear RTCP shows it.", decimals=3)
    ] = None
    far_lost_share: Annotated[
        Probability | None,
        Field(51, END, "Share of packets lost, as the receiver reports in RTCP.", decimals=6),
    ] = None
    far_jitter_ms: Annotated[
        float | None, Field(52, END, "Mean of the jitter that the receiver reports.", decimals=3)
    ] = None
    far_mos: Annotated[
        float | None, Field(53, END, "Listening MOS that the receiver reports (RTCP XR).", decimals=1)
    ] = None
    quality_notes: Annotated[
        Name | None, Field(54, END, "Why there is no MOS, or what it assumes: words with commas between.")
    ] = None
    quality_windows: Annotated[
        Name | None, Field(55, END, "Counters of each ten seconds, as text (docs/use/quality.md).")
    ] = None


class RunningFlow(NamedTuple):
    """A flow that goes on."""

    flow: FlowKey
    last_seen_ns: int  # its last RTP packet so far, or a nanosecond less


@dataclass(frozen=True, slots=True)
class FlowReport:
    """A flow with its last verdict: one line of the table and one object of `--json`."""

    verdict: Verdict
    summary: FlowSummary
