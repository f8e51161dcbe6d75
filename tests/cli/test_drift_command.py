"""`callprint drift`: unchanged traffic raises no alarm, changed traffic does, and too little is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli.json_docs import documented
from verdict_samples import LINPHONE, START_NS, unsure, verdict

from callprint.cli import main
from callprint.core.identify.drift import Sample, measure
from callprint.drift import from_captures, from_verdicts
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.output.pcapng_writer import PcapngWriter
from callprint.sources import open_captures
from callprint.stores import open_store

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
FLOWS = 300


@pytest.fixture(scope="module")
def identifier():
    return load_model(DEFAULT_MODEL)


def verdicts_like(identifier, applications):
    """FLOWS final verdicts whose confidences are those of the reference, of these applications."""
    counts = np.array(identifier.card.reference.confidence)
    edges = (0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.975, 0.985, 0.999)
    bins = np.repeat(np.arange(len(counts)), np.round(FLOWS * counts / counts.sum()).astype(int))
    rng = np.random.default_rng(1)
    return [
        verdict(
            LINPHONE._replace(first_seen_ns=START_NS + i, ssrc=i),
            application=str(applications[i % len(applications)]),
            confidence=edges[b],
            model=identifier.name,
        )
        for i, b in enumerate(rng.permutation(bins))
    ]


def run(store, *options):
    return main(["drift", "--store", str(store), "--json", *options])


def test_a_world_like_the_training_is_quiet_and_another_is_not(identifier, tmp_path, capsys):
    reference = identifier.card.reference
    mix = np.repeat(identifier.applications, reference.applications)
    mix = np.random.default_rng(2).permutation(mix)
    for name, applications, alarms in (("same", mix, set()), ("other", ["sipp"], {"applications"})):
        path = tmp_path / name
        with open_store(str(path)) as store:
            store.put_verdicts(verdicts_like(identifier, applications))
        run(path)
        found = {line["part"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
        assert set(found) == {"confidence", "outcomes", "applications"}
        assert found["confidence"]["alarm"] is False
        assert set(found["confidence"]) | {"what", "then", "now"} <= documented("drift")
        assert {part for part in ("applications",) if found[part]["alarm"]} == alarms


def test_the_exit_code_tells_of_an_alarm(identifier, tmp_path, capsys):
    with open_store(str(tmp_path / "s")) as store:
        store.put_verdicts(verdicts_like(identifier, ["sipp"]))
    assert main(["drift", "--store", str(tmp_path / "s")]) == 5
    said = capsys.readouterr().out
    assert "ALARM" in said
    assert "sipp" in said


def test_verdicts_that_tell_nothing_are_left_out(identifier):
    good = verdict(model=identifier.name)
    taken = from_verdicts(
        [
            good,
            unsure(),
            verdict(k=40, model=identifier.name),
            verdict(model=identifier.name, started_midflow=True),
        ],
        identifier,
    )
    assert (taken.sample.flows, taken.too_short, taken.midflow, taken.other_model) == (1, 1, 1, 1)
    assert identifier.applications[taken.sample.application[0]] == "linphone"


def test_too_little_is_said_to_be_too_little(tmp_path, capsys):
    with open_store(str(tmp_path / "s")) as store:
        store.put_verdicts([unsure()])
    assert run(tmp_path / "s") == 4
    assert "1 judged by another model); drift needs 50" in capsys.readouterr().err


def test_flows_of_captures_bring_their_features(identifier):
    taken = from_captures([SAMPLE], identifier)
    assert taken.sample.flows >= 8
    assert taken.sample.features.shape == (taken.sample.flows, identifier.card.input.columns)
    many = Sample(
        *(np.resize(part, 100) for part in (taken.sample.application, taken.sample.confidence)),
        np.resize(taken.sample.outcome, 100),
        np.resize(taken.sample.features, (100, taken.sample.features.shape[1])),
    )
    parts = [drift.part for drift in measure(identifier.card.reference, identifier.applications, many)]
    assert parts[-1] == "features"


def test_flows_are_the_same_whatever_the_order_of_packets(identifier, tmp_path):
    in_order = from_captures([SAMPLE], identifier).sample
    mixed = tmp_path / "mixed.pcapng"
    with mixed.open("wb") as stream:
        writer = PcapngWriter(stream)
        for data, records in open_captures([SAMPLE]):
            late_ns = np.random.default_rng(1).integers(0, 20_000_000, len(records))
            writer.write(data, records[np.argsort(records["time_ns"] + late_ns)])
    again = from_captures([mixed], identifier).sample
    np.testing.assert_array_equal(np.sort(again.confidence), np.sort(in_order.confidence))


def test_a_model_without_a_reference_cannot_say(tmp_path, capsys):
    model = tmp_path / "compact.onnx"
    model.write_bytes(DEFAULT_MODEL.read_bytes())
    card = json.loads(DEFAULT_MODEL.with_suffix(".json").read_text())
    card.pop("reference", None)
    model.with_suffix(".json").write_text(json.dumps(card))
    assert main(["drift", "--model", str(model), str(SAMPLE)]) == 4
    assert "no reference" in capsys.readouterr().err
