"""With flows judged in a thread of its own, a run says what it says without, in the same order."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from length_identifier import ByLength
from sip_scenario import Talk, answered_call, talking, write_capture

from callprint.cli import main
from callprint.core.flow import EngineSettings
from callprint.core.ground.errors import ModelError
from callprint.judging_ahead import JudgingAhead
from callprint.sources import open_captures
from callprint.usual_run import usual_run

SMALL = EngineSettings(
    maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20, window_memory_bytes=1 << 20
)


class Slow(ByLength):
    """Takes its time, now more and now less."""

    def identify(self, evidence, spans):
        time.sleep(0.0005 * (len(evidence) % 3))
        return super().identify(evidence, spans)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Two calls a minute and a half apart, so that flows end among messages, and media without signalling."""
    later = [(at_s + 95, *rest) for at_s, *rest in answered_call(Talk(call_id="later@example"))]
    alone = talking(("10.0.0.3", 4000), ("10.0.0.4", 4000), 1, 4, 5)
    again = talking(("10.0.0.3", 4000), ("10.0.0.4", 4000), 96, 97, 6)
    path = tmp_path_factory.mktemp("ahead") / "calls.pcap"
    write_capture(path, [*answered_call(Talk()), *later, *alone, *again])
    ((data, records),) = [(data.copy(), records.copy()) for data, records in open_captures([str(path)])]
    return data, records


def heard(frames, cuts, ahead, identifier=None):
    """Return all that a run says, and its counters; the data of a batch is destroyed behind it."""
    data, records = frames
    run, calls = usual_run(identifier or ByLength(), SMALL)
    run.ahead = ahead
    said = []
    run.on_verdict = run.on_report = run.on_call = said.append
    for begin, end in pairwise([0, *sorted(cuts), len(records)]):
        batch = data.copy()
        run.take(batch, records[begin:end].copy(), "calls.pcap", 1)
        batch[:] = 0xFF
    run.finish()
    # As text: features that are not known are NaN, which equals nothing.
    return list(map(repr, said)), run.counters, run.flows, calls.assembler.outcomes, calls.assembler.messages


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 1100), max_size=40))
def test_a_thread_of_its_own_changes_nothing(frames, cuts):
    cuts = [cut for cut in cuts if cut < len(frames[1])]
    with_it = heard(frames, cuts, JudgingAhead(), Slow())
    assert with_it == heard(frames, cuts, None)
    kinds = {row.partition("(")[0] for row in with_it[0]}
    assert kinds == {"Verdict", "FlowReport", "CallRecord"}
    assert any("final=False" in row for row in with_it[0])


@pytest.mark.parametrize("error", [ModelError("it cannot run"), KeyboardInterrupt()])
def test_what_the_network_raises_arrives_with_the_caller_once(frames, error):
    class Broken(ByLength):
        asked = 0

        def identify(self, evidence, spans):
            self.asked += 1
            if self.asked == 3:
                raise error
            return super().identify(evidence, spans)

    data, records = frames
    run, _ = usual_run(Broken(), SMALL)
    run.ahead = JudgingAhead()

    def take_all():
        for begin in range(0, len(records), 40):
            run.take(data, records[begin : begin + 40], "calls.pcap", 1)

    with pytest.raises(type(error)) as raised:
        take_all()
    assert raised.value is error
    run.catch_up()
    run.store_rest()


def test_an_interruption_loses_nothing_that_was_read(frames):
    data, records = frames
    calm, _ = usual_run(ByLength(), SMALL)
    hurried, _ = usual_run(Slow(), SMALL)
    hurried.ahead = JudgingAhead()
    said = [], []
    for run, rows in zip((calm, hurried), said, strict=True):
        run.on_report = rows.append
        run.take(data, records[:200], "calls.pcap", 1)
        run.take(data, records[200:500], "calls.pcap", 1)  # and here Ctrl-C
        run.finish()
    assert said[0] == said[1]
    assert said[0]


def test_the_command_gives_the_same_lines(monkeypatch, capsys):
    lines = []
    for cores in (True, False):
        monkeypatch.setattr("callprint.cli.identify.more_than_one_core", lambda cores=cores: cores)
        assert main(["identify", "samples/applications.pcapng", "--no-store", "--json", "-"]) == 0
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1]
    assert lines[0]
