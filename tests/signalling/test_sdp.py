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


def test_a_refused_medium_and_a_host_name_are_nowhere():
    media = parse_sdp(
        b"c=IN IP4 1.2.3.4\nm=audio 0 RTP/AVP 0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 media.example"
    ).media
    assert [medium.endpoints() for medium in media] == [[], []]


def test_the_shape_tells_programs_apart_not_their_numbers():
    shape = parse_sdp(TWO_MEDIA).shape
    assert shape == "v,o,s,c,t,a=recvonly,m,a=rtpmap,a=rtpmap,a=sendrecv,m,c,a=rtcp,a=rtpmap"
    assert parse_sdp(TWO_MEDIA.replace(b"49170", b"50000").replace(b"jdoe", b"mary")).shape == shape


@pytest.mark.parametrize(
    ("line", "defect"),
    [
        (b"hello", SipDefect.SDP_LINE),
        (b"c=IN IP4", SipDefect.SDP_CONNECTION),
        (b"c=OUT IP4 1.2.3.4", SipDefect.SDP_CONNECTION),
        (b"m=audio", SipDefect.SDP_MEDIA),
        (b"m=audio 70000 RTP/AVP 0", SipDefect.SDP_MEDIA),
        (b"m=audio -1 RTP/AVP 0", SipDefect.SDP_MEDIA),
        (b"a=rtpmap:999 X/8000", SipDefect.SDP_ATTRIBUTE),
        (b"a=ssrc:99999999999 cname:x", SipDefect.SDP_ATTRIBUTE),
        (b"a=rtcp:99999", SipDefect.SDP_ATTRIBUTE),
        (b"m=audio 1 RTP/AVP 0\n" * 33, SipDefect.TOO_LONG),
        (b"x=\n" * 1001, SipDefect.TOO_LONG),
    ],
)
def test_a_broken_description_names_its_defect(line, defect):
    with pytest.raises(SipError) as caught:
        parse_sdp(b"v=0\n" + line)
    assert caught.value.defect is defect
