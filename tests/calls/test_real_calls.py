"""Real SIP and RTP between real phones (SIPp in network namespaces), read back from the capture alone.

Twelve people call their friends; one robot dials through numbers and one campaign changes its number with
every call. What SIPp was made to do is the truth; the packets are all that callprint sees: once live, by
`callprint identify --interface`, and once from a capture that tcpdump made of the same minute.
"""

import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import pytest
import sipp_calls
from call_player import CallPlayer
from sipp_calls import BUSY, IMPATIENT, MISSING

from callprint.core.call import CallRecord, CallState, EndedBy, Phase, Vote
from callprint.core.calls.assembly import MessageOutcome
from callprint.core.dissect import dissect
from callprint.core.packets import Outcome
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.features import Feature
from callprint.core.spam.own_detector import OwnDetector
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.output.call_json import call_object
from callprint.sources import open_captures
from callprint.stores import open_store
from callprint.votes import teach

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(  # in CI everything that it needs must be there, and a skip would hide that it is not
        bool(sipp_calls.missing_tools()) and not os.environ.get("CI"),
        reason=f"needs {sipp_calls.missing_tools()}",
    ),
]

ROBOT = "+4930666000001"
FRIENDS = [(f"+49301000{i:04d}", f"+49302000{(i * 5 + j) % 9:04d}") for j in range(2) for i in range(12)]
DIALLED = [(ROBOT, f"+49{(IMPATIENT, MISSING, BUSY, IMPATIENT)[i % 4]}{i:05d}") for i in range(40)]
ROTATING = [(f"+49307000{i:04d}", f"+49{(IMPATIENT, MISSING)[i % 2]}{500 + i:05d}") for i in range(24)]


@dataclass(frozen=True)
class Seen:
    """What one reading of the capture gave."""

    engine: CallPlayer
    pipeline: IdentificationPipeline
    records: list[CallRecord]

    @property
    def ended(self) -> list[CallRecord]:
        return [record for record in self.records if record.phase is Phase.END]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make all calls while tcpdump records them and callprint watches; `calls.pcap` and `live.jsonl` remain."""
    assert not sipp_calls.missing_tools(), f"needs {sipp_calls.missing_tools()}"
    folder = tmp_path_factory.mktemp("sipp")
    command = "import sys; from callprint.cli import main; sys.exit(main())"
    live = [
        sys.executable,
        "-c",
        command,
        "identify",
        "--interface",
        "eth0",
        "--no-store",
        "--json",
        "live.jsonl",
    ]
    with sipp_calls.phones(folder) as phones:
        watching = phones.run(1, *live)
        deadline = time.monotonic() + 30
        while not (folder / "live.jsonl").exists():  # it is made when the interface is open
            assert watching.poll() is None, "callprint identify --interface ended"
            assert time.monotonic() < deadline, "callprint identify --interface does not begin"
            time.sleep(0.1)
        with sipp_calls.recorded(phones, folder / "calls.pcap"):
            phones.answer()
            time.sleep(0.3)
            running = [
                phones.call("friends", FRIENDS, 2),
                phones.call("robot", DIALLED, 3, waits_for_callee=True),
                phones.call("rotating", ROTATING, 2, waits_for_callee=True),
            ]
            deadline = time.monotonic() + 45
            codes = [process.wait(max(1, deadline - time.monotonic())) for process in running]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130, "interrupted, as it should be"
    assert codes == [0, 0, 0], "SIPp itself says that every call went as its scenario wants"
    return folder


@pytest.fixture(scope="module")
def capture(folder):
    return folder / "calls.pcap"


def read(capture, **engine_options) -> Seen:
    """Read a capture as the embedded path does, without a store."""
    pipeline = IdentificationPipeline(None)
    engine = CallPlayer(**{"detector": OwnDetector(), **engine_options})
    records = []
    for data, frames in open_captures([capture]):
        packets = dissect(data, frames)
        engine.add_flows(pipeline.process(data, packets).reports)
        records += engine.process(data, packets)
    engine.add_flows(pipeline.finish().reports)
    return Seen(engine, pipeline, records + engine.finish())


@pytest.fixture(scope="module")
def seen(capture):
    return read(capture)


def test_every_call_is_found_and_every_message_counted(seen):
    truth = FRIENDS + DIALLED + ROTATING
    assert sorted((call.caller, call.callee) for call in seen.ended) == sorted(truth)
    assert len(seen.records) == 2 * len(truth)
    assert set(seen.engine.assembler.outcomes) == {MessageOutcome.CALL_BEGUN, MessageOutcome.IN_CALL}
    assert not seen.engine.assembler.defects
    assert not seen.engine.assembler.body_defects
    assert seen.engine.assembler.messages == seen.pipeline.engine.outcomes[Outcome.SIP_UDP]


def test_every_call_ended_as_it_did(seen):
    for call in seen.ended:
        begin = call.callee.removeprefix("+49")[:4]
        expected = {
            MISSING: (CallState.FAILED, 404, EndedBy.CALLEE),
            BUSY: (CallState.FAILED, 486, EndedBy.CALLEE),
            IMPATIENT: (CallState.COMPLETED, 200, EndedBy.CALLEE),
        }.get(begin, (CallState.COMPLETED, 200, EndedBy.CALLER))
        assert (call.state, call.final_status, call.ended_by) == expected


def test_every_answered_call_has_the_media_of_both_sides(seen):
    """One flow each way and none of another call, though SIPp sends all calls of a process from one port."""
    answered = [call for call in seen.ended if call.answered_ns is not None]
    alike = [call for call in answered if (len(call.caller_flows), len(call.callee_flows)) == (1, 1)]
    assert len(alike) >= 0.9 * len(answered), (
        "a busy machine may stop a stream for longer than a flow forgives"
    )
    assert len({flow for call in alike for flow in call.caller_flows + call.callee_flows}) == 2 * len(alike)
    for call in alike:
        assert (call.caller_codec, call.callee_codec) == ("PCMA", "PCMA")
        assert call.started_ns < call.caller_flows[0].first_seen_ns < call.ended_ns
        for feature in (Feature.CALLER_PACKET_RATE, Feature.CALLEE_PACKET_RATE):
            assert 0 < call.features[feature] <= 60, "SIPp sends 50 packets a second, or fewer"
    assert not any(call.caller_flows for call in seen.ended if call.answered_ns is None)


def test_histories_tell_robots_from_people(seen):
    last = {call.caller: call for call in sorted(seen.ended, key=lambda call: call.started_ns)}
    robot = last[ROBOT].features
    assert robot[Feature.CALL_FREQUENCY] == pytest.approx(len(DIALLED) - 1, rel=0.05)
    assert robot[Feature.UNASSIGNED_RATIO] > 0.15
    assert robot[Feature.CALLEE_HANGUP_RATIO] > 0.8  # drawn to 0.5 by two imaginary calls
    assert robot[Feature.SHORT_CALL_RATIO] > 0.8
    person = last[FRIENDS[0][0]].features
    assert person[Feature.CALL_FREQUENCY] == pytest.approx(1, rel=0.05)
    assert not person[Feature.UNASSIGNED_RATIO] > 0.1  # or not known yet
    campaign = last[ROTATING[-1][0]].features
    assert campaign[Feature.CALL_FREQUENCY] == 0, "its number was never seen before"
    assert campaign[Feature.CAMPAIGN_NEW_CALLER_RATIO] > 0.9, "but its campaign was"


def test_campaigns_are_programs(seen):
    campaigns = defaultdict(set)
    for call in seen.ended:
        campaigns[call.caller_user_agent].add(call.campaign)
    assert {name: len(keys) for name, keys in campaigns.items()} == {"friends": 1, "robot": 1, "rotating": 1}
    assert len(set().union(*campaigns.values())) == 3


def scores(seen: Seen, callers: list[tuple[str, str]]) -> list[float]:
    """Return the scores at the end of the calls of these callers, in the order in which they began."""
    names = {caller for caller, _ in callers}
    ended = sorted(seen.ended, key=lambda call: call.started_ns)
    return [call.spam_score for call in ended if call.caller in names]


def test_the_robot_is_judged_spam_and_nobody_else_suffers(seen):
    assert min(scores(seen, DIALLED)[20:]) > 0.9, "after twenty calls there is no doubt"
    at_set_up = [call for call in seen.records if call.phase is Phase.SETUP and call.caller == ROBOT]
    assert all(call.spam and call.action in ("challenge", "block") for call in at_set_up[20:])
    of_people = [call for call in seen.records if call.caller in dict(FRIENDS)]
    assert all(call.action in ("allow", "watch") for call in of_people)
    # Twelve people who make their first calls within seconds, all short and with one program, look like a campaign
    # for a while: some are watched (0 to 5 of 48 rows in 15 runs). That hurts nobody.
    assert sum(call.spam for call in of_people) <= len(of_people) // 6
    assert np.median([call.spam_score for call in of_people]) < 0.3


def test_votes_on_a_few_calls_of_a_campaign_speak_for_all_its_numbers(capture, seen, tmp_path):
    voted = [call for call in seen.ended if call.caller in dict(ROTATING[:4])]
    fine = [call for call in seen.ended if call.caller in dict(FRIENDS[:4])]
    with open_store(str(tmp_path / "store.sqlite")) as store:
        store.put_calls(seen.records)
        store.put_votes(
            Vote(call.call_id, call.from_tag, call.caller, user, 1, call in voted)
            for call in voted + fine
            for user in ("ann", "bob", "eve")
        )
        detector = OwnDetector()
        teach(detector, store)
    again = read(capture, detector=detector)
    unmarked = ROTATING[4:]
    before, after = np.mean(scores(seen, unmarked)), np.mean(scores(again, unmarked))
    assert after > max(0.5, before + 0.25), "without votes some of them are suspected already"
    assert np.mean(scores(again, FRIENDS)) < 0.5 * np.mean(scores(again, unmarked))


def test_with_a_key_the_same_calls_come_without_a_number(capture, seen):
    hidden = read(capture, identities=IdentityReader(pseudonym_key=b"an example key of 32 bytes......"))
    assert "+49" not in repr(hidden.records)
    assert Counter(call.caller for call in hidden.ended).most_common(1)[0][1] == len(DIALLED)
    states = [(call.call_id, call.state, call.caller_flows) for call in seen.ended]
    assert [(call.call_id, call.state, call.caller_flows) for call in hidden.ended] == states


def test_live_and_capture_give_the_same_calls(folder, seen):
    (log,) = folder.glob("0-*.log")  # the output of the first program: callprint itself
    output = log.read_text()
    if " 0 dropped by the kernel" not in " ".join(output.split()):
        pytest.skip("the machine was too busy: callprint itself says that the kernel dropped packets")
    rows = [json.loads(line) for line in (folder / "live.jsonl").read_text().splitlines()]
    ended = [row for row in rows if row["type"] == "call" and row["phase"] == "end"]

    def values_of(row) -> tuple:
        return (
            row["call_id"],
            row["caller"],
            row["callee"],
            row["state"],
            row["final_status"],
            row["ended_by"],
        )

    live = sorted((*values_of(row), len(row["caller_flows"]), len(row["callee_flows"])) for row in ended)
    read = sorted(
        (*values_of(call_object(call)), len(call.caller_flows), len(call.callee_flows)) for call in seen.ended
    )
    assert live == read


def test_the_application_of_both_sides_is_named_live(folder):
    rows = [json.loads(line) for line in (folder / "live.jsonl").read_text().splitlines()]
    talked = [row for row in rows if row["type"] == "call" and row["phase"] == "end" and row["answered_ns"]]
    named = Counter(
        row[f"{side}_application"] or "unknown" for row in talked for side in ("caller", "callee")
    )
    sure = sum(named.values()) - named["unknown"]
    assert sure >= 0.5 * sum(named.values()), named
    assert named["sipp"] >= 0.95 * sure, named
