"""The engine on packets: TCP, batches, bounds, histories, pseudonyms, detectors and the allow-list."""

import numpy as np
import pytest
from call_player import CallPlayer
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_scenario import SECOND_NS, Talk, at, play, sdp

from callprint.core.call import Action, EndedBy, Judgement, Phase
from callprint.core.calls.assembly import CallAssembler, MessageOutcome
from callprint.core.calls.settings import CallSettings
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import PACKET, PacketKind
from callprint.core.signalling.identity import IdentityReader
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import parse_message
from callprint.core.spam.features import SETUP_COLUMNS, Feature
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.user_votes import UserVotes

CALL = Talk()


def packets_of(frames: list[tuple[float, bytes, bool, int]]):
    """Return (data, packets) of payloads: time, bytes, whether over TCP, TCP sequence number."""
    rows = np.zeros(len(frames), PACKET)
    data = bytearray()
    for row, (seconds, payload, tcp, sequence) in zip(rows, frames, strict=True):
        row["time_ns"] = at(seconds)
        row["src_lo"], row["dst_lo"] = 0xFFFF0A000001, 0xFFFF0A000002
        row["src_port"] = row["dst_port"] = 5060
        row["offset"], row["length"] = len(data), len(payload)
        row["kind"] = PacketKind.SIP_TCP if tcp else PacketKind.SIP_UDP
        row["tcp_sequence"] = sequence
        data += payload
    return np.frombuffer(bytes(data), np.uint8), rows


def whole_call(number: int, begin: float) -> list[tuple[float, bytes]]:
    """Return the messages of one answered call of caller A to callee `number`."""
    talk = Talk(f"c{number}@x", "sip:+4930111111@a", f"sip:+4930{number:06d}@b", f"t{number}")
    return [
        (begin, talk.request("INVITE", sdp=sdp("10.0.0.1", 4000))),
        (begin + 2, talk.response(200, to_tag="b")),
        (begin + 5, talk.request("BYE", cseq=2, to_tag="b")),
    ]


def test_a_call_over_tcp_in_pieces():
    stream = b"".join(message for _, message in whole_call(1, 0))
    third = len(stream) // 3
    frames = [
        (0.0, stream[:third], True, 1000),
        (2.0, stream[2 * third :], True, 1000 + 2 * third),  # overtakes
        (2.5, stream[third : 2 * third], True, 1000 + third),
    ]
    engine = CallPlayer()
    records = engine.process(*packets_of(frames)) + engine.finish()
    assert [record.phase for record in records] == [Phase.SETUP, Phase.END]
    assert engine.assembler.outcomes == {MessageOutcome.CALL_BEGUN: 1, MessageOutcome.IN_CALL: 2}
    assert sum(engine.assembler.reader.tcp.outcomes.values()) == 3


@pytest.mark.parametrize("followed", [False, True])
def test_a_bye_behind_a_segment_that_was_never_captured_ends_its_call_at_its_own_time(followed):
    (_, invite), (_, answer), (_, bye) = whole_call(1, 0)
    missing = len(invite) + len(answer) + 40
    frames = [
        (0.0, invite + answer, True, 1000),
        (5.0, bye, True, 1000 + missing),
        *([(400.0, CALL.request("OPTIONS"), False, 0)] if followed else []),
    ]
    engine = CallPlayer()
    records = engine.process(*packets_of(frames)) + engine.finish()
    assert (records[-1].ended_by, records[-1].ended_ns) == (EndedBy.CALLER, at(5))


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_the_rows_are_the_same_whatever_the_batches(data):
    frames = sorted(
        (when, message, False, 0)
        for number in range(12)
        for when, message in whole_call(number, data.draw(st.integers(0, 300)))
    )
    cuts = sorted(data.draw(st.sets(st.integers(1, len(frames) - 1), max_size=6)))
    whole, cut = CallPlayer(), CallPlayer()
    expected = whole.process(*packets_of(frames)) + whole.finish()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        got += cut.process(*packets_of(frames[start:end]))
    got += cut.finish()
    assert repr(got) == repr(expected)  # repr: NaN is not equal to itself
    assert len(got) == 24


def test_assembly_can_be_spread_by_call_id_before_one_judge():
    """As in a cluster: several assemblers, one place for the histories, and the same rows."""
    script = sorted(step for number in range(20) for step in whole_call(number, 7.3 * number))
    alone = CallPlayer(history=CallHistory(64))
    expected = play(alone, script)
    workers, events = (CallAssembler(), CallAssembler()), []
    for seconds, message in script:
        raw = RawMessage(at(seconds), "10.0.0.1", message)
        owner = int(parse_message(message).call_id[1:-2]) % 2
        events += workers[owner].message(raw) + workers[1 - owner].advance(raw.time_ns)
    events += workers[0].finish() + workers[1].finish()
    judge = CallJudge(CallHistory(64))
    got = judge.judge_all(sorted(events, key=lambda event: event.time_ns))
    assert sorted(map(repr, got)) == sorted(map(repr, expected))


def test_features_know_the_past_but_not_the_future():
    """Equal to the histories' own replay of the same calls, an implementation that shares no code with ours."""
    engine = CallPlayer(history=CallHistory(1024))
    script = [step for number in range(5) for step in whole_call(number, 20.0 * number)]
    records = play(engine, script)
    first, *_, last = (record for record in records if record.phase is Phase.SETUP)
    assert np.isnan(first.features[Feature.SINCE_LAST_CALL])
    assert first.features[Feature.CALLS_PER_DAY] == 0.0
    assert last.features[Feature.SINCE_LAST_CALL] == 20.0
    assert last.features[Feature.CALLS_PER_DAY] == pytest.approx(4, rel=0.01)
    assert last.features[Feature.NEW_CALLEE_RATIO] > first.features[Feature.CALLS_PER_DAY]
    assert last.features[Feature.SHORT_CALL_RATIO] > 0.6
    assert last.features[Feature.CALLEE_STEP] == 1.0
    ended = {record.call_id: record for record in records if record.phase is Phase.END}
    end_only = [column for column in Feature if column not in SETUP_COLUMNS]
    assert all(np.isnan(last.features[column]) for column in end_only)
    assert ended[last.call_id].features[Feature.TALK] == 3.0
    assert ended[last.call_id].features[Feature.ANSWERED] == 1.0
    for column in SETUP_COLUMNS:
        assert repr(ended[last.call_id].features[column]) == repr(last.features[column])


def test_a_campaign_survives_a_rotating_number_but_not_another_program():
    def key(user: str, agent: str, source: str = "192.0.2.7") -> str:
        invite = Talk(user, f"sip:{user}@x").request("INVITE", headers=f"User-Agent: {agent}\r\n")
        return CallPlayer().message(RawMessage(at(0), source, invite))[0].campaign

    assert key("+4930111111", "dialer") == key("+4930999999", "dialer", "192.0.2.99")
    assert len({key("u", "dialer"), key("u", "phone"), key("u", "dialer", "198.51.100.1")}) == 3


def test_with_a_pseudonym_key_no_number_leaves_the_parser():
    engine = CallPlayer(identities=IdentityReader(pseudonym_key=b"k" * 32))
    records = play(engine, [*whole_call(1, 0), *whole_call(2, 20)])
    assert "4930" not in repr(records).replace("c1@x", "").replace("c2@x", "")
    assert records[0].caller.startswith("p:")
    assert records[0].caller == records[1].caller  # histories and feedback still work
    assert records[1].features[Feature.SINCE_LAST_CALL] == 20.0


class Suspicious(SpamDetector):
    """A detector that finds everybody guilty, to see what is done with that."""

    def __init__(self) -> None:
        self.seen: list[tuple[Phase, int]] = []

    def judge(self, facts, features, phase, now_ns, seen):
        self.seen.append((phase, now_ns))
        return Judgement(0.97, True, Action.BLOCK, "suspicious", "test-1")


def test_the_detector_is_asked_at_set_up_and_at_the_end():
    detector = Suspicious()
    engine = CallPlayer(detector=detector)
    setup, end = play(engine, whole_call(1, 0))
    assert [phase for phase, _ in detector.seen] == [Phase.SETUP, Phase.END]
    for record in (setup, end):
        assert (record.spam_score, record.spam, record.action, record.detector) == (
            0.97,
            True,
            "block",
            "test-1",
        )
        assert record.reason == "suspicious"


def test_the_allow_list_stands_above_the_detector():
    engine = CallPlayer(detector=Suspicious())
    UserVotes(engine.judge).allow(["+4930111111"])
    for record in play(engine, whole_call(1, 0)):
        assert (record.spam, record.action, record.spam_score) == (False, Action.ALLOW, 0.97)
        assert "allow-list" in record.reason


def test_a_flood_of_invites_pushes_out_its_own_kind_first():
    engine = CallPlayer(CallSettings(maximum_calls=10))
    answered = whole_call(0, 0)[:2]
    flood = [(3 + i / 1000, Talk(f"f{i}").request("INVITE")) for i in range(200)]
    records = play(engine, [*answered, *flood, (4, whole_call(0, 0)[2][1])])
    ends = [record for record in records if record.phase is Phase.END]
    assert engine.assembler.evicted_calls == 191
    assert sum(record.ended_by is EndedBy.EVICTED for record in ends) == 191
    (kept,) = [record for record in ends if record.call_id == "c0@x"]
    assert kept.ended_by is EndedBy.CALLER
    assert len(ends) == 201


def test_deadlines_of_a_flood_do_not_pile_up():
    engine = CallPlayer(CallSettings(maximum_calls=8))
    for i in range(500):
        engine.message(RawMessage(at(i / 1000), "10.0.0.1", Talk(f"f{i}").request("INVITE")))
        assert len(engine.assembler._table._deadlines) <= 4 * 8 + 1
        assert len(engine.judge.vectors) == engine.assembler.calls_in_progress <= 8


def test_after_the_end_nothing_is_left():
    engine = CallPlayer()
    play(engine, [*whole_call(1, 0), (6, Talk("x").request("INVITE"))])
    assert engine.assembler.calls_in_progress == 0
    assert not engine.judge.vectors
    assert not engine.assembler._live._calls


MESSAGES = [message for _, message in whole_call(1, 0)] + [
    CALL.request("INVITE"),
    CALL.request("CANCEL"),
    CALL.response(401),
    CALL.response(487),
    CALL.response(180),
    CALL.response(200, sdp="v=0\r\nbroken"),
    CALL.request("BYE", by_callee=True, to_tag="tag-b"),
    CALL.request("INVITE", cseq=2, branch="b2"),
    CALL.request("OPTIONS"),
    b"garbage",
    b"",
]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(MESSAGES)), max_size=40), st.integers(1, 3))
def test_any_order_of_messages_is_survived_and_adds_up(script, maximum_calls):
    """Every message ends in exactly one counter, and every call that begins ends exactly once."""
    engine = CallPlayer(CallSettings(maximum_calls=maximum_calls))
    records = play(engine, list(script))
    assert engine.assembler.messages == len(script)
    setups = [(r.call_id, r.from_tag, r.started_ns) for r in records if r.phase is Phase.SETUP]
    ends = [(r.call_id, r.from_tag, r.started_ns) for r in records if r.phase is Phase.END]
    assert sorted(setups) == sorted(ends)
    assert len(setups) == engine.assembler.outcomes[MessageOutcome.CALL_BEGUN]
    assert all(r.ended_ns is not None and r.ended_by is not None for r in records if r.phase is Phase.END)


@pytest.mark.parametrize("name", ["maximum_calls", "setup_timeout_s", "settle_s"])
def test_settings_that_cannot_be_name_themselves(name):
    with pytest.raises(ConfigError, match=name):
        CallSettings(**{name: 0})


def test_packet_time_is_all_the_time_there_is():
    engine = CallPlayer()
    engine.message(RawMessage(at(0), "10.0.0.1", CALL.request("INVITE")))
    assert engine.advance(at(0) + 199 * SECOND_NS) == []
    assert engine.assembler.calls_in_progress == 1
    engine.advance(at(0) + 400 * SECOND_NS)
    assert engine.assembler.calls_in_progress == 0
