"""What SDP announced for the payload type of a flow: in the flow's own summary, the same on both paths."""

import random

import pytest
from call_stream import embedded_rows, frames_of, inputs_of, record
from sip_scenario import Talk, at, calls_in_a_row, flow, play, sdp, write_capture

from callprint.core.call import Phase
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay.site import SiteCalls
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.call_pipeline import CallPipeline
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
    engine = CallPipeline()
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
    before, after = CallPipeline().assembler, CallPipeline().assembler
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
    engine = CallPipeline()
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
        calls=CallPipeline(detector=make_detector("callprint")),
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
