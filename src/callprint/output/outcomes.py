"""What each packet counter means, in words for people, and what can be done about it."""

from typing import NamedTuple

from callprint.core.packets import Outcome


class Explanation(NamedTuple):
    """A counter in words that complete a sentence beginning with the number of packets."""

    meaning: str
    advice: str  # what to do, "" where nothing is to be done


ACCEPTED = (
    Outcome.ACCEPTED_RTP,
    Outcome.ACCEPTED_RTCP,
    Outcome.ACCEPTED_RTP_LONG,
    Outcome.ACCEPTED_RTP_CUT,
)
"""Packets of media flows; every other counter is another fate."""

EXPLANATIONS: dict[Outcome, Explanation] = {
    Outcome.ACCEPTED_RTP: Explanation("RTP of the flows above", ""),
    Outcome.ACCEPTED_RTCP: Explanation("RTCP of the flows above", ""),
    Outcome.ACCEPTED_RTP_LONG: Explanation(
        "RTP of the flows above with 256 bytes or more",
        "counted in their statistics; only their headers are looked at",
    ),
    Outcome.ACCEPTED_RTP_CUT: Explanation(
        "RTP of the flows above, cut by the capture",
        "only their headers are looked at; whole packets tell more: `tcpdump -s 0`",
    ),
    Outcome.SIP_UDP: Explanation("SIP signalling over UDP", ""),
    Outcome.SIP_TCP: Explanation("TCP to or from a signalling port", ""),
    Outcome.H225: Explanation(
        "H.323 call signalling",
        "makers of endpoints are read from it; its calls are known by their media alone",
    ),
    Outcome.NOT_IP: Explanation("not IP, for example ARP or spanning tree", ""),
    Outcome.NOT_UDP: Explanation(
        "IP, but neither UDP nor signalling over TCP",
        "media that a VPN or TURN carries over TCP or ESP is not seen",
    ),
    Outcome.FRAGMENT: Explanation(
        "pieces of fragmented IP packets",
        "media is rarely fragmented; many of these hint at a small MTU on the way",
    ),
    Outcome.TRUNCATED: Explanation(
        "cut off by the capture",
        "capture whole packets: `tcpdump -s 0`, or a snap length of at least 350 bytes",
    ),
    Outcome.MALFORMED: Explanation(
        "headers that contradict each other",
        "look at them in Wireshark; a faulty sender, or an attack",
    ),
    Outcome.UNKNOWN_LINK: Explanation(
        "on a link type that callprint does not read",
        "capture on Ethernet, or with `tcpdump -i any`",
    ),
    Outcome.TOO_DEEP: Explanation(
        "inside more tunnels than the limit",
        "capture nearer to the end points",
    ),
    Outcome.EMPTY: Explanation("UDP without payload, as NAT keep-alives are", ""),
    Outcome.STUN: Explanation("STUN: connectivity checks of WebRTC and ICE", ""),
    Outcome.DTLS: Explanation("DTLS: the key exchange of WebRTC", ""),
    Outcome.ZRTP: Explanation("ZRTP: a key exchange between two phones", ""),
    Outcome.RTCP_LONG: Explanation("RTCP of 256 bytes or more", "too long for the filter"),
    Outcome.RTP_INVALID: Explanation(
        "begin like RTP, but their header cannot be RTP",
        "another protocol, or damaged packets",
    ),
    Outcome.NOT_RTP: Explanation("other UDP: DNS, QUIC, games and so on", ""),
    Outcome.UNCONFIRMED: Explanation(
        "look like RTP, but no packet in sequence followed",
        "chance, or a flow of a single packet",
    ),
    Outcome.ORPHAN_RTCP: Explanation(
        "look like RTCP, but no RTP of their session was seen",
        "is the media captured at another place?",
    ),
    Outcome.CANDIDATE_EVICTED: Explanation(
        "were waiting for a second packet when others took their place",
        "more sources began at once than are remembered: a scan, a flood, or much that merely looks like RTP",
    ),
}
"""Every counter in words; a test keeps it complete."""
