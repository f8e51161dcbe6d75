"""Session descriptions: where media is wanted, and for which defect a broken one is refused."""

import pytest
from sip_samples import TWO_MEDIA

from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.sdp import parse_sdp


def test_each_medium_has_its_own_endpoint_and_falls_back_to_the_session():
    session = parse_sdp(TWO_MEDIA)
    audio, video = session.media
    assert (session.origin, session.session) == ("jdoe", "SDP Seminar")
    assert audio.endpoints() == [("224.2.17.12", 49170)]
    assert (audio.rtcp_port, audio.direction) == (49171, "sendrecv")
    assert audio.codecs == ((0, "PCMU", 8000), (101, "telephone-event", 8000))
    assert video.endpoints() == [("2001:db8::1", 51372)]
    assert (video.rtcp_port, video.direction, video.protocol) == (51380, "recvonly", "RTP/SAVPF")


def test_mux_ssrc_and_candidates():
    medium = parse_sdp(
        b"v=0\nm=audio 9 UDP/TLS/RTP/SAVPF 111\nc=IN IP4 0.0.0.0\na=rtcp-mux\n"
        b"a=ssrc:4026531840 cname:x\na=ssrc:4026531840 msid:y\n"
        b"a=candidate:1 1 udp 2122 192.0.2.7 50000 typ host\n"
        b"a=candidate:1 2 UDP 2121 192.0.2.7 50001 typ host\n"
        b"a=candidate:2 1 TCP 2120 192.0.2.7 9 typ host\na=candidate:3 1 UDP 2119 abc.local 50002 typ host\n"
    ).media[0]
    assert medium.rtcp_port == 9
    assert medium.ssrcs == (4026531840,)
    assert medium.candidates == (("192.0.2.7", 50000),)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (b"c=IN IP4 0.0.0.0\na=sendrecv", True),
        (b"c=IN IP4 1.2.3.4\na=sendonly", True),
        (b"c=IN IP4 1.2.3.4", False),
    ],
)
def test_hold(text, held):
    assert parse_sdp(b"v=0\nm=audio 4000 RTP/AVP 0\n" + text).media[0].held is held


def test_a_refused_medium_is_nowhere_and_a_host_name_has_a_port_alone():
    media = parse_sdp(
        b"c=IN IP4 1.2.3.4\nm=audio 0 RTP/AVP 0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 media.example"
    ).media
    assert [medium.endpoints() for medium in media] == [[], [("", 4000)]]
    nowhere_yet = parse_sdp(b"m=audio 9 RTP/AVP 0\nc=IN IP4 media.example").media
    assert nowhere_yet[0].endpoints() == []


def test_the_shape_tells_programs_apart_not_their_numbers():
    shape = parse_sdp(TWO_MEDIA).shape
    assert shape == "v,o,s,c,t,a=recvonly,m,a=rtpmap,a=rtpmap,a=sendrecv,m,c,a=rtcp,a=rtpmap"
    assert parse_sdp(TWO_MEDIA.replace(b"49170", b"50000").replace(b"jdoe", b"mary")).shape == shape


AUDIO = b"v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/48000/2\n"


@pytest.mark.parametrize(
    ("line", "defect"),
    [
        (b"hello", SipDefect.SDP_LINE),
        (b"m=audio", SipDefect.SDP_MEDIA),
        (b"m=audio 70000 RTP/AVP 0", SipDefect.SDP_MEDIA),
        (b"m=audio -1 RTP/AVP 0\nc=IN IP4 192.0.2.9\na=rtcp:9", SipDefect.SDP_MEDIA),
        (b"a=rtpmap:999 X/8000", SipDefect.SDP_ATTRIBUTE),
        (b"a=rtpmap:96", SipDefect.SDP_ATTRIBUTE),
        (b"a=ssrc:99999999999 cname:x", SipDefect.SDP_ATTRIBUTE),
        (b"a=rtcp:99999", SipDefect.SDP_ATTRIBUTE),
        (b"m=video 0 RTP/AVP 96\na=rtpmap:96", SipDefect.SDP_ATTRIBUTE),
        (b"m=video 0 RTP/AVP 96\nc=IN IP4", SipDefect.SDP_CONNECTION),
    ],
)
def test_a_broken_line_costs_itself_and_no_more(line, defect):
    session = parse_sdp(AUDIO + line)
    assert session.defects == (defect,)
    assert session.media[0] == parse_sdp(AUDIO).media[0]


@pytest.mark.parametrize("line", [b"c=IN IP4", b"c=OUT IP4 1.2.3.4"])
def test_of_a_broken_connection_the_port_alone_is_known(line):
    session = parse_sdp(AUDIO + line)
    assert (session.defects, session.media[0].endpoints()) == ((SipDefect.SDP_CONNECTION,), [("", 4000)])


def test_media_beyond_the_limit_are_passed_over():
    session = parse_sdp(b"v=0\n" + b"m=audio 1 RTP/AVP 0\n" * 33)
    assert (len(session.media), session.defects) == (32, (SipDefect.TOO_LONG,))


def test_of_too_many_candidates_the_last_ones_are_kept():
    lines = b"".join(b"a=candidate:1 1 udp 1 192.0.2.7 %d typ host\n" % port for port in range(5000, 5130))
    session = parse_sdp(AUDIO + lines)
    assert session.defects == (SipDefect.SDP_ENDPOINTS,) * 2
    candidates = session.media[0].candidates
    assert (len(candidates), candidates[0], candidates[-1]) == (128, ("192.0.2.7", 5002), ("192.0.2.7", 5129))


def test_a_refused_medium_means_nothing_a_bundled_one_does():
    refused = b"m=video 0 RTP/AVP 97\na=candidate:1 1 udp 1 192.0.2.7 5000 typ host\n"
    medium = parse_sdp(b"v=0\n" + refused).media[0]
    assert (medium.refused, medium.endpoints(), medium.rtcp_endpoint) == (True, [], None)
    bundled = parse_sdp(b"v=0\n" + refused + b"a=bundle-only\n").media[0]
    assert bundled.endpoints() == [("192.0.2.7", 5000)]


@pytest.mark.parametrize(
    ("lines", "endpoint"),
    [
        (b"", ("192.0.2.1", 4001)),
        (b"a=rtcp-mux\n", ("192.0.2.1", 4000)),
        (b"a=rtcp:53020\n", ("192.0.2.1", 53020)),
        (b"a=rtcp:53020 IN IP4 126.16.64.4\n", ("126.16.64.4", 53020)),
    ],
)
def test_where_rtcp_is_wanted_and_at_which_clock_rate(lines, endpoint):
    medium = parse_sdp(AUDIO + lines).media[0]
    assert medium.rtcp_endpoint == endpoint
    assert medium.codecs == ((96, "opus", 48000),)


@pytest.mark.parametrize(
    ("text", "defect"), [(b"hello", SipDefect.SDP_LINE), (b"x=\n" * 1001, SipDefect.TOO_LONG)]
)
def test_what_is_no_description_is_refused(text, defect):
    with pytest.raises(SipError) as caught:
        parse_sdp(text)
    assert caught.value.defect is defect
