"""The paper's full procedure from one packed file: what is packed and drawn, and what a killed run goes on with."""

import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from evidence_logs import pack, steady_flow

from callprint.core.ground.errors import DatasetError
from callprint.training.dataset import Dataset, save_dataset

pytestmark = pytest.mark.training

NAMES = ("alpha", "beta")
HEADERS = ({"first": 0x80, "kind": 0}, {"first": 0x90, "kind": 96})
SPLITS = {"dataset1": 6, "dataset2": 2, "cross": 2}
PACKETS = 30
K = 4


@pytest.fixture(scope="module")
def paper():
    """The modules that need torch."""
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    torch.set_num_threads(1)
    training = {
        name: import_module(f"callprint.training.paper.{name}") for name in ("packed", "on_device", "windows")
    }
    lab = {
        name: import_module(f"callprint.lab.paper.{name}") for name in ("full", "full_section", "__main__")
    }
    return SimpleNamespace(torch=torch, cpu=torch.device("cpu"), **training, **lab)


@pytest.fixture(scope="module")
def dataset():
    """A few short flows of two applications."""
    rng = np.random.default_rng(2)
    rows = [
        (steady_flow(PACKETS, ssrc=int(rng.integers(2**32)), **header), name, split, f"{split}-{name}-{i}")
        for split, count in SPLITS.items()
        for name, header in zip(NAMES, HEADERS, strict=True)
        for i in range(count)
    ]
    logs, names, splits, calls = zip(*rows, strict=True)
    buffer, spans = pack(list(logs))
    text = np.array(names)
    lengths = np.full(len(logs), PACKETS)
    return Dataset(
        buffer, spans, lengths, text, text, np.array(splits), np.array(calls), text, text, text, text
    )


def test_a_packed_file_shows_what_byte_images_show(paper, dataset, tmp_path):
    file = tmp_path / "windows.npz"
    paper.packed.save_packed(paper.packed.pack_flows(dataset, examined_packets=20), file)
    packed = paper.packed.load_packed(file)
    flows = paper.on_device.DeviceFlows.of(packed, paper.cpu)
    everything = np.concatenate([dataset.of_split(split) for split in SPLITS])
    expected = paper.windows.first_windows(dataset, everything, K)
    windows = paper.on_device.first_windows(flows, paper.torch.arange(len(everything)), K)
    images, target = windows.batch(paper.torch.arange(windows.count))
    np.testing.assert_array_equal(images.numpy(), paper.windows.as_input(expected.images))
    assert [str(packed.classes[i]) for i in target] == dataset.application[everything].tolist()
    assert set(packed.packets[packed.split == "dataset1"]) == {PACKETS}
    assert set(packed.packets[packed.split != "dataset1"]) == {20}


def test_windows_are_a_random_step_apart_and_stay_in_their_flow(paper, dataset):
    flows = paper.on_device.DeviceFlows.of(paper.packed.pack_flows(dataset), paper.cpu)
    random = paper.torch.Generator().manual_seed(3)
    windows = paper.on_device.draw_windows(flows, flows.of_split("dataset1", 10), K, random)
    for flow in windows.flow.unique():
        first = (windows.first[windows.flow == flow] - flows.start[flow]).numpy()
        assert first[0] == 0
        assert set(np.diff(first)) <= set(range(1, K + 1))
        assert PACKETS - 2 * K < first[-1] <= PACKETS - K
    few = paper.on_device.at_most(windows, 3, random)
    assert few.flow.bincount()[: SPLITS["dataset1"] * 2].tolist() == [3] * SPLITS["dataset1"] * 2
    training, validation = paper.on_device.leaky_split(flows, K, seed=1)
    assert training.count == int(0.8 * (training.count + validation.count))
    assert not set(training.first.tolist()) & set(validation.first.tolist())


@pytest.mark.parametrize(
    "damage",
    [
        {"payload": np.array([-1], np.int32)},
        {"sizes": np.array([255], np.uint8)},
        {"target": np.array([7], np.int64)},
        {"headers": np.zeros((1, 12))},
        {"split": np.array(["cross"])},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_damaged_file_is_refused(paper, dataset, tmp_path, damage):
    packed = paper.packed.pack_flows(dataset)
    columns = {name: getattr(packed, name) for name in packed.__slots__}
    damaged = {
        name: np.resize(values, columns[name].shape).astype(values.dtype) for name, values in damage.items()
    }
    file = tmp_path / "windows.npz"
    paper.packed.save_packed(paper.packed.PackedFlows(**columns | damaged), file)
    with pytest.raises(DatasetError, match="do not fit"):
        paper.packed.load_packed(file)


def test_what_is_no_such_file_is_refused(paper, tmp_path):
    file = tmp_path / "windows.npz"
    file.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(DatasetError, match=r"windows\.npz"):
        paper.packed.load_packed(file)
    with pytest.raises(DatasetError, match="No such file"):
        paper.packed.load_packed(tmp_path / "none.npz")


def test_a_killed_run_goes_on_and_what_is_done_is_skipped(paper, dataset, tmp_path, monkeypatch, capsys):
    packed = paper.packed.pack_flows(dataset)
    folders = {"cache": tmp_path / "cache", "results": tmp_path / "results"}
    procedure = paper.full.Procedure("CNN", K, epochs=2, batch=40)
    monkeypatch.setattr(paper.full, "PROCESSOR_KEEP_S", 0.0)
    said = []

    class KilledError(Exception):
        pass

    def kill(text):
        said.append(text)
        if "epoch 1/2" in text:
            raise KilledError

    with pytest.raises(KilledError):
        paper.full.run_network(procedure, packed, say=kill, **folders)
    assert (tmp_path / "cache" / procedure.name / "training.state").exists()
    result = paper.full.run_network(procedure, packed, say=said.append, **folders)
    assert [one["epoch"] for one in result.epochs] == [1, 2]
    assert sum("epoch 1/2" in text for text in said) == 1
    assert (tmp_path / "cache" / procedure.name / "network.onnx").exists()
    asked = {name: count for name, (_right, count) in result.right.items()}
    assert asked["dataset2, first"] == asked["cross, first"] == 4
    assert paper.full.run_network(
        procedure, packed, say=said.append, **folders
    ) == paper.full.FullResult.read(tmp_path / "results" / f"{procedure.name}.json")
    assert said[-1].endswith("done before")
    section = paper.full_section.full_section(tmp_path / "results")
    assert f"| CNN | {K} | {result.training_windows} x 2 |" in section
    assert json.loads((tmp_path / "results" / f"{procedure.name}.json").read_text())["device"] == "CPU"


def test_one_command_packs_and_trains(paper, dataset, tmp_path, monkeypatch, capsys):
    main = paper.__main__
    save_dataset(dataset, tmp_path / "calls.npz")
    monkeypatch.setattr(main, "full_procedures", lambda: [paper.full.Procedure("CNN", K, epochs=1, batch=40)])
    for command in (
        ["pack", "calls.npz", "windows.npz"],
        ["train", "windows.npz", "cnn-k4-seed1"],
        ["train", "windows.npz"],
        ["report"],
    ):
        files = [str(tmp_path / one) if one.endswith(".npz") else one for one in command]
        if command[0] != "pack":
            files += ["--results", str(tmp_path / "results")]
        if command[0] == "train":
            files += ["--cache", str(tmp_path / "cache")]
        monkeypatch.setattr("sys.argv", ["paper", *files])
        main.main()
    out = capsys.readouterr().out
    assert "1 of 1 networks are done before" in out
    assert "## The paper's full procedure" in out


def test_inference_is_timed_alone_and_through_the_bolt(paper, dataset, tmp_path, monkeypatch):
    speed = import_module("callprint.lab.paper.full_speed")
    monkeypatch.setattr(speed, "BATCHES", (1, 3))
    monkeypatch.setattr(speed, "LEAST_S", 0.0)
    packed = paper.packed.pack_flows(dataset)
    evidence, spans = speed.evidence_of(packed, 3)
    expected = np.concatenate([dataset.of_split(split) for split in SPLITS])[0]
    log = evidence[spans[0, 0] : spans[0, 1]]
    assert paper.windows.k_matrices(log, np.array([[0, len(log)]]), PACKETS)[0].tolist() == (
        paper.windows.k_matrices(dataset.buffer, dataset.spans[[expected]], PACKETS)[0].tolist()
    )
    speed.measure_speed(packed, tmp_path / "cache", tmp_path / "results", lambda _text: None)
    table = paper.full_section.full_section(tmp_path / "results")
    assert "| compact | CPU | alone |" in table
    assert "| compact | CPU | bolt |" in table
