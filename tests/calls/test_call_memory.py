"""The memory of calls has a budget in bytes: what one call takes is up to its sender."""

import tracemalloc
from collections.abc import Iterator

import pytest
from sip_scenario import Talk, at, flow, sdp

from callprint.core.call import EndedBy
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.events import CallStep
from callprint.core.calls.settings import CallSettings
from callprint.core.calls.table import memory_of
from callprint.core.ground.errors import ConfigError
from callprint.core.signalling.reader import RawMessage
from callprint.declared_names import shipped_names

BUDGET = 2 << 20


def invite(number: int, candidates: int = 0) -> RawMessage:
    lines = "".join(
        f"a=candidate:1 1 UDP 1 10.{n}.{number >> 8}.{number & 255} {5000 + n} typ host\r\n"
        for n in range(candidates)
    )
    talk = Talk(f"call-{number}@host.example", from_tag=f"tag{number}")
    description = sdp(f"10.250.{number >> 8}.{number & 255}", 4000, lines)
    return RawMessage(at(number / 1000), "10.0.0.1", talk.request("INVITE", sdp=description))


@pytest.mark.parametrize("candidates", [0, 20, 120])
def test_memory_stays_within_the_budget(candidates):
    assembler = CallAssembler(CallSettings(maximum_call_bytes=BUDGET))
    assembler.message(invite(9_999, candidates))
    tracemalloc.start()
    ended = [
        event
        for number in range(1500)
        for event in assembler.message(invite(number, candidates))
        if event.step is CallStep.CLOSED
    ]
    used, _ = tracemalloc.get_traced_memory()
    evicted = len(ended)
    del ended
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 1.6 * BUDGET
    assert assembler.evicted_calls == evicted > 0
    assert assembler.calls_in_progress == 1501 - evicted


def forked(number: int, tag: str) -> Iterator[RawMessage]:
    """An INVITE, sixteen answers to it, and as many BYEs of dialogs that nobody has seen."""
    talk = Talk(f"call-{number}@host.example", from_tag=f"tag{number}")
    yield RawMessage(at(number / 1000), "10.0.0.1", talk.request("INVITE"))
    for fork in range(16):
        yield RawMessage(at(number / 1000), "10.0.0.2", talk.response(200, to_tag=f"{tag}{number}-{fork}"))
    for fork in range(16):
        bye = talk.request("BYE", cseq=2, to_tag=f"{number}-{fork}{tag}", branch=f"z9hG4bKbye{fork}")
        yield RawMessage(at(number / 1000), "10.0.0.1", bye)


@pytest.mark.parametrize("tag", ["t" * 1000, "\x01" * 1000])
def test_tags_count_as_long_as_they_are(tag):
    assembler = CallAssembler(CallSettings(maximum_call_bytes=BUDGET // 2))
    for message in forked(9_999, tag):
        assembler.message(message)
    tracemalloc.start()
    for number in range(60):
        for message in forked(number, tag):
            assembler.message(message)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 1.6 * BUDGET // 2
    assert assembler.evicted_calls > 0


def test_hops_and_texts_count():
    assembler = CallAssembler()
    talk = Talk(caller=f"sip:{'a' * 200}@a.example")
    hops = "".join(f"Via: SIP/2.0/UDP h{hop};branch=z9hG4bK{hop}{'x' * 40}\r\n" for hop in range(9))
    assembler.message(RawMessage(at(0), "10.0.0.1", talk.request("INVITE")))
    (call,) = assembler._table.all_calls()
    before = memory_of(call)
    for branch in range(15):
        again = talk.request("INVITE", branch=f"z9hG4bK-{branch}-", headers=hops)
        assembler.message(RawMessage(at(1), "10.0.0.1", again))
    assert memory_of(call) > before + 15 * 8 * 100
    assert assembler._table._bytes == memory_of(call)


def test_a_long_contact_is_not_remembered():
    assembler = CallAssembler(names=shipped_names())
    tracemalloc.start()
    for number in range(20):
        talk = Talk(f"call-{number}@host.example", from_tag=f"tag{number}")
        contact = f"User-Agent: Linphone/3\r\nContact: <sip:{'a' * 60_000}{number}@192.0.2.1>\r\n"
        assembler.message(RawMessage(at(number), "10.0.0.1", talk.request("INVITE", headers=contact)))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (claim, *_) = [call.caller.claim for call in assembler._table.all_calls()]
    assert "192.0.2.1" in claim.own_addresses
    assert used < 20 * 20_000


def test_the_least_valuable_calls_go_first():
    assembler = CallAssembler(CallSettings(maximum_call_bytes=BUDGET))
    talk = Talk("kept@x", from_tag="kept")
    assembler.message(RawMessage(at(0), "10.0.0.1", talk.request("INVITE")))
    assembler.message(RawMessage(at(0), "10.0.0.2", talk.response(200)))
    events = [event for number in range(300) for event in assembler.message(invite(number + 1, 120))]
    gone = [event.record for event in events if event.step is CallStep.SETTLED]
    assert {record.ended_by for record in gone} == {EndedBy.EVICTED}
    assert "kept@x" not in {record.call_id for record in gone}


def test_flows_that_are_joined_count():
    assembler = CallAssembler()
    assembler.message(invite(0))
    (call,) = assembler._table.all_calls()
    before = memory_of(call)
    assembler.add_flows([flow(("10.250.0.0", 4000), ("10.0.0.9", 5000), 1.0, 3.0)])
    assembler.advance(at(100.0))
    assert memory_of(call) > before + 1000
    assert assembler._table._bytes == memory_of(call)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="maximum_call_bytes"):
        CallSettings(maximum_call_bytes=0)
