"""The whole report in a sketch, and the experiments behind it, on a few synthetic flows."""

from dataclasses import replace

import numpy as np
import pytest
from report_sections import sections
from three_kinds import three_kinds

from callprint.cli import main
from callprint.training.dataset import join_datasets, load_dataset, save_dataset, without_applications

pytestmark = pytest.mark.training


KNOWN = (
    "asterisk",
    "baresip",
    "linphone",
)  # to the shipped network: of others a report would have no figures


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("torch", reason="needs the extra `train`").set_num_threads(1)
    path = tmp_path_factory.mktemp("data") / "calls.npz"
    dataset = three_kinds(KNOWN)
    codec = np.where(np.arange(len(dataset.packets)) % 2 == 0, "PCMU", "PCMA")  # a second codec for everyone
    save_dataset(replace(dataset, codec=codec), path)
    return path


def test_a_dataset_of_which_the_network_knows_nothing_is_refused(tmp_path, capsys):
    save_dataset(three_kinds(), tmp_path / "calls.npz")
    command = ["evaluate", "--data", str(tmp_path / "calls.npz"), "--out", str(tmp_path / "report.md")]
    assert main(command) != 0
    assert "knows none of the applications" in capsys.readouterr().err
    assert not (tmp_path / "report.md").exists()


def test_one_command_writes_every_section(data, tmp_path):
    out = tmp_path / "report.md"
    command = ["evaluate", "--data", str(data), "--quick", "--leave-out", "--seeds", "2", "--out", str(out)]
    assert main([*command, "--cache", str(tmp_path / "cache" / "paper")]) == 0
    text = out.read_text()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == sections(
        seeds=2, training=True
    )
    assert "Each of 3 applications was left out" in text
    for score in ("OpenMax", "Mahalanobis on deep features, named class", "(used)"):
        assert score in text
    assert "| dataset2 | 12 | " in text.split("## A codec never heard")[1], (
        "every flow has a round of its own"
    )
    assert (tmp_path / "pictures" / "adversity.png").read_bytes().startswith(b"\x89PNG")
    cache = tmp_path / "cache"
    made = sorted([*cache.glob("compact-sketch/*.onnx"), *cache.glob("left-out-sketch/*-seed-1.npz")])
    assert [path.name for path in made] == [
        "compact-seed-1.onnx",
        "compact-seed-2.onnx",
        "0-seed-1.npz",
        "1-seed-1.npz",
        "2-seed-1.npz",
    ]
    before = [path.stat().st_mtime_ns for path in made]
    assert main([*command, "--cache", str(tmp_path / "cache" / "paper")]) == 0
    assert [path.stat().st_mtime_ns for path in made] == before, "what is in the cache is not made again"


def test_datasets_are_joined_and_parted(data):
    dataset = load_dataset(data)
    double = join_datasets([dataset, dataset])
    count = len(dataset.packets)
    assert len(double.packets) == 2 * count
    for i in (0, count - 1):
        logs = [double.buffer[start:end].tobytes() for start, end in double.spans[[i, i + count]]]
        assert logs[0] == logs[1] == dataset.buffer[slice(*dataset.spans[i])].tobytes()
    rest = without_applications(dataset, ["asterisk", "linphone"])
    assert set(rest.application) == {"baresip"}
    assert rest.buffer[slice(*rest.spans[0])].tobytes() in dataset.buffer.tobytes()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--full"], "--paper or --all"),
        (["--cached"], "--paper or --all"),
        (["--paper", "--seeds", "2"], "give --all"),
        (["--paper", "--leave-out"], "give --all"),
        (["--paper", "--unseen", "."], "give --all"),
        (["--paper", "--all"], "one of them"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, says, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["evaluate", *options])
    assert refused.value.code == 2
    assert says in capsys.readouterr().err


def test_a_shipped_network_of_the_same_recipe_is_the_first_seed(data, tmp_path):
    pytest.importorskip("torch", reason="needs the extra `train`")
    from callprint.inference import load_model  # noqa: PLC0415 - beside what needs torch
    from callprint.lab.identification.experiments import SKETCH  # noqa: PLC0415
    from callprint.lab.identification.seeds import train_seeds  # noqa: PLC0415
    from callprint.training.models import make_compact_model  # noqa: PLC0415

    dataset = load_dataset(data)
    make_compact_model(dataset, tmp_path / "compact.onnx", SKETCH, version="1", folds=2)
    shipped = load_model(tmp_path / "compact.onnx")
    assert train_seeds(dataset, tmp_path / "cache", SKETCH, 1, shipped) == [shipped]
    assert not list((tmp_path / "cache").glob("*.onnx"))
