"""What SDP announced for the payload type of a flow: in the flow's own summary, the same on both paths."""

import random

import pytest
from call_player import CallPlayer
from call_stream import embedded_rows, frames_of, inputs_of, record
from sip_scenario import Talk, at, calls_in_a_row, flow, play, sdp, write_capture

from callprint.core.call import Phase
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay.site import SiteCalls
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.detectors import make_detector
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.core.wire.source import site_of
from callprint.identification import CaptureRun
from callprint.stores import VerdictQuery
from callprint.stores.sqlite import SqliteStore

CALL = Talk()
CALLER, CALLEE = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
SPEEX, OPUS = "a=rtpmap:8 speex/16000\r\n", "a=rtpmap:8 opus/48000/2\r\n"


def announced(offer: str, answer: str, report, talk: Talk = CALL):
    """What a flow's summary says when it ends during a call of this offer and answer."""
    engine = CallPlayer()
    begin = [(0, talk.request("INVITE", sdp=sdp(*CALLER, offer)))]
    begin.append((3, talk.response(200, sdp=sdp(*CALLEE, answer))))
    for seconds, message in begin:
        engine.message(RawMessage(at(seconds), "10.0.0.1", message))
    (found,) = engine.assembler.with_announced([report])
    return found.summary.announced_codec, found.summary.announced_clock_rate_hz


@pytest.mark.parametrize(
    ("offer", "answer", "wanted"),
    [
        (SPEEX, OPUS, ("opus", 48_000)),  # the receiver's word counts (RFC 3264 5.1)
        (SPEEX, "", ("speex", 16_000)),
        ("a=rtpmap:8 speex/0\r\n", "", ("speex", None)),
        ("a=rtpmap:97 speex/8000\r\n", "", (None, None)),  # another payload type
        ("", "", (None, None)),  # a static type without rtpmap
    ],
)
def test_the_receiver_announces_and_else_the_sender(offer, answer, wanted):
    assert announced(offer, answer, flow(CALLER, CALLEE, 3, 23)) == wanted


def test_a_restart_forgets_no_announcement():
    before, after = CallPlayer().assembler, CallPlayer().assembler
    before.message(RawMessage(at(0), "10.0.0.1", CALL.request("INVITE", sdp=sdp(*CALLER, SPEEX))))
    after.restore(Snapshot.unpack(before.snapshot().pack()))
    (found,) = after.with_announced([flow(CALLEE, CALLER, 3, 23)])
    assert (found.summary.announced_codec, found.summary.announced_clock_rate_hz) == ("speex", 16_000)


def test_each_direction_has_its_own_receiver():
    assert announced(SPEEX, OPUS, flow(CALLEE, CALLER, 3, 23)) == ("speex", 16_000)


@pytest.mark.parametrize(
    "report",
    [
        flow(("10.9.9.1", 4000), ("10.9.9.2", 5000), 3, 23),  # of no call
        flow(CALLER, CALLEE, -60, -30),  # of another time
    ],
)
def test_a_flow_of_no_call_is_announced_by_nobody(report):
    assert announced(SPEEX, OPUS, report) == (None, None)


def test_a_call_row_names_the_codec_that_its_flow_names():
    engine = CallPlayer()
    script = [
        (0, CALL.request("INVITE", sdp=sdp(*CALLER, SPEEX))),
        (3, CALL.response(200, sdp=sdp(*CALLEE, OPUS))),
        (23, CALL.request("BYE", cseq=2, to_tag="tag-b")),
    ]
    engine.add_flows([flow(CALLER, CALLEE, 3, 23)])
    (row,) = [row for row in play(engine, script) if row.phase is Phase.END]
    assert row.caller_codec == "opus"


def of_two_codecs(talk: Talk, number: int):
    """Calls that give payload type 8 a new meaning each time."""
    offer, answer = (SPEEX, OPUS) if number % 2 else (OPUS, SPEEX)
    return talk.request("INVITE", sdp=sdp(*CALLER, offer)), talk.response(200, sdp=sdp(*CALLEE, answer))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("announced") / "calls.pcap"
    write_capture(path, calls_in_a_row(6, CALLER, CALLEE, of_two_codecs))
    return frames_of(path)


def embedded(frames, batch: int, store=None):
    """The summaries of the embedded path, by flow."""
    found = {}
    run = CaptureRun(
        IdentificationPipeline(None),
        store,
        on_report=lambda report: found.update({report.summary.flow: report.summary}),
        calls=CallPlayer(detector=make_detector("callprint")),
    )
    data, records = frames
    for first in range(0, len(records), batch):
        run.process(data, records[first : first + batch])
    run.finish()
    return found


def test_the_meaning_is_that_of_the_flows_own_call_whatever_the_batches(frames):
    found = embedded(frames, 100_000)
    assert len(found) == 12
    for flow_key, summary in found.items():
        number, from_callee = divmod(flow_key.ssrc, 2)
        receiver_says_opus = (number % 2 == 1) != bool(from_callee)
        assert summary.announced_codec == ("opus" if receiver_says_opus else "speex")
    assert embedded(frames, 50) == found


def test_a_store_of_the_embedded_path_holds_it(frames, tmp_path):
    with SqliteStore(tmp_path / "verdicts.sqlite") as store:
        wanted = embedded(frames, 300, store)
        assert {row.verdict.flow: row.summary for row in store.verdicts(VerdictQuery())} == wanted


@pytest.mark.parametrize("seed", range(3))
def test_a_site_completes_the_same_summaries(frames, seed):
    chance = random.Random(seed)
    inputs = inputs_of(record(frames, batch=chance.choice([40, 300, 100_000])))
    (site,) = {site_of(source) for source in inputs.sources}
    calls = SiteCalls(site, make_detector("callprint"))
    completed = {}
    for each in inputs.shuffled(chance, repeats=0.3):
        calls.take(each)
        completed |= {summary.flow: summary for summary in calls.announced}
    assert completed == embedded(frames, 100_000)


def test_rows_of_calls_are_those_of_before(frames):
    assert {row.caller_codec for row in embedded_rows(frames) if row.phase is Phase.END} == {"speex", "opus"}


TWO_MEDIA = "a=rtpmap:8 {}\r\nm=video {} RTP/AVP 8\r\na=rtpmap:8 VP8/90000\r\n"


def test_audio_and_video_may_use_the_same_payload_type():
    """RFC 8866 5.14: a payload type belongs to its medium, so the port says which one is meant."""
    offer, answer = TWO_MEDIA.format("opus/48000/2", 4004), TWO_MEDIA.format("opus/48000/2", 5004)
    assert announced(offer, answer, flow(CALLER, CALLEE, 3, 23)) == ("opus", 48_000)
    video = flow((CALLER[0], 4004), (CALLEE[0], 5004), 3, 23)
    assert announced(offer, answer, video) == ("VP8", 90_000)
    assert announced(offer, "", flow(CALLEE, CALLER, 3, 23)) == ("opus", 48_000)
    rewritten = flow(
        CALLER, (CALLEE[0], 9998), 3, 23
    )  # by a NAT on the way: audio, unless a port says otherwise
    assert announced(offer, answer, rewritten) == ("opus", 48_000)


def test_a_restart_keeps_payload_types_of_media_apart():
    before, after = CallPlayer().assembler, CallPlayer().assembler
    offer = TWO_MEDIA.format("opus/48000/2", 4004)
    before.message(RawMessage(at(0), "10.0.0.1", CALL.request("INVITE", sdp=sdp(*CALLER, offer))))
    after.restore(Snapshot.unpack(before.snapshot().pack()))
    (found,) = after.with_announced([flow(CALLEE, (CALLER[0], 4004), 3, 23)])
    assert found.summary.announced_codec == "VP8"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a=rtpmap:8 OPUS/48000/2\r\n", ("opus", 48_000)),  # RFC 4855 3: capitals make no difference
        ("a=rtpmap:8\tilbc/8000\r\n", ("iLBC", 8_000)),
        ("a=rtpmap:8 G.729a/8000 \r\n", ("G.729a", 8_000)),  # no registered name: as it is written
    ],
)
def test_encodings_are_spelled_as_they_are_registered(line, wanted):
    assert announced(line, "", flow(CALLEE, CALLER, 3, 23)) == wanted


def test_digits_are_not_the_codec_that_is_offered():
    engine = CallPlayer()
    offer = sdp(*CALLER, "a=rtpmap:101 telephone-event/8000\r\n").replace("RTP/AVP 8", "RTP/AVP 101 13 8")
    engine.message(RawMessage(at(0), "10.0.0.1", CALL.request("INVITE", sdp=offer)))
    (end,) = [row for row in engine.finish() if row.phase is Phase.END]
    assert end.caller_codec == "PCMA"


def test_who_only_listens_sends_comfort_noise_and_speaks_the_codec_that_was_offered():
    """RFC 3389 4: noise may have a dynamic type, and be most of what someone sends who says nothing."""
    engine = CallPlayer()
    offer = "a=rtpmap:97 iLBC/8000\r\na=rtpmap:8 CN/8000\r\n"
    script = [
        (0, CALL.request("INVITE", sdp=sdp(*CALLER, offer).replace("RTP/AVP 8", "RTP/AVP 97 8"))),
        (3, CALL.response(200, sdp=sdp(*CALLEE, offer).replace("RTP/AVP 8", "RTP/AVP 97 8"))),
        (23, CALL.request("BYE", cseq=2, to_tag="tag-b")),
    ]
    engine.add_flows([flow(CALLER, CALLEE, 3, 23)])
    (row,) = [row for row in play(engine, script) if row.phase is Phase.END]
    assert (len(row.caller_flows), row.caller_codec) == (1, "iLBC")
