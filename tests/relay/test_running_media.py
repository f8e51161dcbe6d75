"""A call goes on while its media goes on, in the embedded path and in the topology alike."""

import random

import pytest
from call_stream import GATEWAY, PHONE, embedded_rows, frames_of, inputs_of, record
from sip_scenario import Talk, at, sdp, talking, write_capture

from callprint.core.call import CallState, EndedBy, Phase
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import site_snapshot
from callprint.core.relay.journal import decode_inputs, encode_inputs
from callprint.core.relay.site import SiteCalls
from callprint.core.spam.detectors import make_detector
from callprint.core.wire.source import site_of

OURS, THEIRS = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
HOUR_S = 3600.0


def sparse(source, destination, begin_s, end_s, ssrc, every_s=25.0):
    """A voice of which the capture holds a packet now and then; the first twelve in sequence at once."""
    later = round((end_s - begin_s) // every_s)
    packets = talking(source, destination, begin_s, begin_s + 0.02 * (12 + later), ssrc)
    return packets[:12] + [
        (begin_s + every_s * (number + 1), *rest) for number, (_, *rest) in enumerate(packets[12:])
    ]


def a_call(name="long@x", answered_s=2.0, ended_s=None, media_s=(2.5, 5 * HOUR_S), early_s=None):
    talk = Talk(name)
    packets = [
        (0.0, PHONE, GATEWAY, talk.request("INVITE", sdp=sdp(*OURS))),
        (0.5, GATEWAY, PHONE, talk.response(183, sdp=sdp(*THEIRS))),
    ]
    if early_s is not None:
        packets += sparse(THEIRS, OURS, *early_s, 3)
    if answered_s is not None:
        packets.append((answered_s, GATEWAY, PHONE, talk.response(200, sdp=sdp(*THEIRS))))
        packets.append((answered_s, PHONE, GATEWAY, talk.request("ACK", to_tag="tag-b")))
        packets += sparse(OURS, THEIRS, *media_s, 1) + sparse(THEIRS, OURS, *media_s, 2)
    if ended_s is not None:
        packets.append((ended_s, PHONE, GATEWAY, talk.request("BYE", cseq=2, to_tag="tag-b")))
    return packets


def other_traffic(until_s):
    """Registrations, so that packet time goes on."""
    other = Talk("other@x")
    return [(float(s), PHONE, GATEWAY, other.request("OPTIONS")) for s in range(30, round(until_s), 100)]


SCENARIOS = {
    "longer than the time-out": a_call(ended_s=5 * HOUR_S),
    "no BYE": a_call(media_s=(2.5, 4.5 * HOUR_S)) + other_traffic(10 * HOUR_S),
    "early media": a_call(answered_s=700.0, early_s=(1.0, 690.0), media_s=(700.5, 900.0), ended_s=900.0),
    "early media, no answer": a_call(answered_s=None, early_s=(1.0, 500.0)) + other_traffic(2000.0),
    "no media": a_call(answered_s=None) + other_traffic(1000.0),
    "two on one port": a_call("first@x", media_s=(2.5, 600.0))
    + [(seconds + 700.0, *rest) for seconds, *rest in a_call("second@x", ended_s=5 * HOUR_S)]
    + other_traffic(6 * HOUR_S),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def scenario(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("running") / "call.pcap"
    write_capture(path, SCENARIOS[request.param])
    return request.param, frames_of(path)


def last_rows(rows):
    return {row.call_id: row for row in rows if row.phase is Phase.END}


def test_the_embedded_path(scenario):
    name, frames = scenario
    rows = last_rows(embedded_rows(frames))
    call = next(iter(rows.values()))
    if name == "longer than the time-out":
        assert (call.state, call.ended_ns) == (CallState.COMPLETED, at(5 * HOUR_S))
        assert len(call.caller_flows) == len(call.callee_flows) == 1
    elif name == "no BYE":
        assert (call.state, call.ended_by) == (CallState.EXPIRED, EndedBy.TIMEOUT)
        assert at(4.5 * HOUR_S - 60) < call.ended_ns <= at(4.5 * HOUR_S)
    elif name == "early media":
        assert (call.state, call.answered_ns) == (CallState.COMPLETED, at(700.0))
        assert len(call.callee_flows) == 2
    elif name == "early media, no answer":
        assert (call.state, call.ended_by) == (CallState.EXPIRED, EndedBy.TIMEOUT)
        assert at(440.0) < call.ended_ns <= at(500.0)
    elif name == "no media":
        assert (call.ended_by, call.ended_ns) == (EndedBy.TIMEOUT, at(0.5))
    else:
        assert rows["first@x"].ended_by is EndedBy.TIMEOUT
        assert at(540.0) < rows["first@x"].ended_ns <= at(600.0)
        assert (rows["second@x"].state, rows["second@x"].ended_ns) == (
            CallState.COMPLETED,
            at(5 * HOUR_S + 700),
        )
    assert set(rows) <= {"first@x", "second@x", "long@x"}  # no media without signalling is left over


@pytest.mark.parametrize("batch", [1, 37])
def test_the_size_of_batches_does_not_matter(scenario, batch):
    _, (data, records) = scenario
    parts = [(data, records[begin : begin + batch]) for begin in range(0, len(records), batch)]
    assert sorted(map(repr, embedded_rows(*parts, one_clock=True))) == sorted(
        map(repr, embedded_rows((data, records)))
    )


@pytest.mark.parametrize(("batch", "linger_s"), [(100_000, 60.0), (20, 0.0)])
def test_the_topology_gives_the_same_rows(scenario, batch, linger_s):
    _, frames = scenario
    inputs = inputs_of(record(frames, batch=batch, linger_s=linger_s))
    (site,) = {site_of(source) for source in inputs.sources}
    calls = SiteCalls(site, make_detector("callprint"))
    rows = sorted(repr(row) for each in inputs.shuffled(random.Random(1)) for row in calls.take(each))
    assert rows == sorted(map(repr, embedded_rows(frames)))


def test_snapshots_and_journals_keep_what_goes_on(scenario):
    _, frames = scenario
    inputs = inputs_of(record(frames, batch=20))
    (site,) = {site_of(source) for source in inputs.sources}
    calls, rows = SiteCalls(site, make_detector("callprint")), []
    for number, each in enumerate(inputs.in_turn()):
        (again,) = decode_inputs(encode_inputs([each]), inputs.fetch)
        rows += calls.take(again)
        if number % 50 == 7:
            kept = Snapshot.unpack(site_snapshot.snapshot(calls).pack())
            calls = SiteCalls(site, make_detector("callprint"))
            assert site_snapshot.restore(calls, kept, inputs.fetch)
    assert sorted(map(repr, rows)) == sorted(map(repr, embedded_rows(frames)))
