"""What `identify` shows last is what the store gives: after votes, another network of the same name, another model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sip_scenario import Talk, answered_call, write_capture

from callprint.cli import main
from callprint.core.identify.card import card_text, parse_card

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "models" / "compact.onnx"
CALL = Talk()


@pytest.fixture
def capture(tmp_path):
    """One answered call with media both ways."""
    path = tmp_path / "calls.pcap"
    write_capture(path, answered_call(CALL))
    return path


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("CALLPRINT_STORE", f"sqlite:{tmp_path / 'store.sqlite'}")


@pytest.fixture
def cautious(tmp_path):
    """The shipped network under its own name, with a card by which it is never sure."""
    model = tmp_path / "cautious" / SHIPPED.name
    model.parent.mkdir()
    model.write_bytes(SHIPPED.read_bytes())
    card = parse_card(SHIPPED.with_suffix(".json").read_text())
    never = replace(card, policy=replace(card.policy, threshold=1.0, temperatures=((2, 50.0),)))
    model.with_suffix(".json").write_text(card_text(never))
    return model


@pytest.fixture
def answers(capsys):
    """Run a command and return its rows by what they are about."""

    def run(*command):
        capsys.readouterr()
        assert main(list(map(str, command))) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {
            (row["type"], row.get("src_port"), row.get("call_id"), row.get("phase")): row
            for row in reversed(rows)
        }

    return run


@pytest.fixture
def agree(capture, answers):
    """Identify; what is shown is what the store gives. Returns the rows shown."""

    def run(*options):
        shown = answers("identify", capture, "--json", "-", *options)
        stored = answers("verdicts", "--json") | answers("calls", "--json", "--all")
        last = answers("calls", "--json")
        assert stored == shown
        assert all(stored[key] == row for key, row in last.items())
        return shown

    return run


def test_after_a_vote(agree, answers):
    before = agree()
    (call_id,) = {row["call_id"] for row in before.values() if row["type"] == "call"}
    assert main(["feedback", call_id, "--spam", "--by", "ann"]) == 0
    after = agree()
    end = ("call", None, call_id, "end")
    assert after[end]["spam_score"] > before[end]["spam_score"]
    assert before[end]["detector_state"] is None
    assert len(after[end]["detector_state"]) == 16
    assert main(["feedback", "--allow", after[end]["caller"], "--by", "ann"]) == 0
    allowed = agree()
    assert (allowed[end]["action"], allowed[end]["spam"]) == ("allow", False)
    assert allowed[end]["detector_state"] != after[end]["detector_state"]
    assert main(["feedback", call_id, "--not-spam", "--by", "ann"]) == 0
    assert agree()[end]["detector_state"] not in (
        after[end]["detector_state"],
        allowed[end]["detector_state"],
    )


def test_after_another_model_of_the_same_name(agree, cautious, capsys):
    shipped = agree()
    assert {row["model"] for row in shipped.values() if row["type"] == "flow"} == {"compact 6"}
    other = agree("--model", cautious)
    flows = [key for key in shipped if key[0] == "flow"]
    assert [shipped[key]["model"] for key in flows] == [other[key]["model"] for key in flows]
    assert all(shipped[key]["model_digest"] != other[key]["model_digest"] for key in flows)
    assert all(other[key]["reason"] == "low_confidence" for key in flows)
    assert agree() == shipped, "the first model has looked again"
    capsys.readouterr()
    assert main(["verdicts", "--all", "--json"]) == 0
    kept = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    final = {(row["src_port"], row["model_digest"]) for row in kept if row["final"]}
    assert len(final) == 4, "both judgements of both flows are kept"


def test_after_a_run_without_a_model_and_back(agree):
    named = agree()
    unnamed = agree("--model", "none")
    assert {row["model"] for row in unnamed.values() if row["type"] == "flow"} == {"none"}
    assert agree() == named


def test_after_another_detector(agree):
    ours = agree()
    agree("--detector", "empck")
    assert agree() == ours


def test_running_the_same_again_adds_no_row(agree, capsys):
    counts = []
    for _ in range(2):
        agree()
        capsys.readouterr()
        assert main(["verdicts", "--all", "--json"]) == 0
        assert main(["calls", "--all", "--json"]) == 0
        counts.append(len(capsys.readouterr().out.splitlines()))
    assert counts[0] == counts[1]
