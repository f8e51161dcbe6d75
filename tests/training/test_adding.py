"""Applications added to a network: they are learned, what was known is kept, and limits stay careful."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from three_kinds import three_kinds

from callprint.cli import main
from callprint.cli.train import _to_add
from callprint.core.ground.errors import DatasetError, ModelError
from callprint.inference import load_model
from callprint.network_in_place import network_in_place
from callprint.training.classes import TRAINING_SPLITS, classes_of
from callprint.training.dataset import Dataset, save_dataset, without_applications
from callprint.training.exemplars import exemplars_path, load_exemplars
from callprint.training.held_out import HELD_OUT, with_held_out

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def tools():
    """What needs torch, imported only when these tests run."""
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    torch.set_num_threads(1)
    from callprint.training import add, added, loaded, make_exemplars, models, train  # noqa: PLC0415

    settings = train.TrainingSettings(seed=3, epochs=8, windows_per_flow=8, batch=64, members=2)
    return SimpleNamespace(
        add=add, added=added, loaded=loaded, exemplars=make_exemplars, models=models, settings=settings
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return three_kinds()


@pytest.fixture(scope="module")
def of_two(tools, dataset, tmp_path_factory):
    """The file of a network for alpha and beta, with its exemplars beside it."""
    path = tmp_path_factory.mktemp("base") / "two.onnx"
    known = without_applications(dataset, ["gamma"])
    tools.models.make_compact_model(known, path, tools.settings, version="1", name="two", folds=2)
    tools.exemplars.write_exemplars(known, path)
    return path


def only(dataset: Dataset, name: str) -> Dataset:
    others = sorted(set(dataset.application.tolist()) - {name})
    return without_applications(dataset, others)


def test_a_file_gives_back_the_network_that_it_holds(tools, of_two):
    loaded = tools.loaded.load_network(of_two)
    assert len(loaded.network.members) == 2
    rows = np.random.default_rng(1).normal(size=(20, len(loaded.network.mean))).astype(np.float32)
    logits, novelty = loaded.identifier.scores_of_rows(rows)
    np.testing.assert_allclose(tools.added.logits_of(loaded.network, rows), logits, atol=1e-4)
    np.testing.assert_allclose(
        tools.added.novelty_scores(loaded.network, loaded.novelty, rows), novelty, atol=1e-3
    )


def test_an_application_is_added_and_the_others_are_kept(tools, dataset, of_two, tmp_path):
    base = tools.loaded.load_network(of_two)
    exemplars = load_exemplars(exemplars_path(of_two), base.card)
    out = tmp_path / "three.onnx"
    stages: list[str] = []
    epochs: list[int] = []
    card = tools.added.add_to_model(
        base,
        exemplars,
        only(dataset, "gamma"),
        out,
        tools.settings,
        version="1",
        name="three",
        folds=2,
        on_epoch=lambda each: epochs.append(each.epoch),
        on_stage=stages.append,
    )
    assert stages[:3] == ["training", "calibrating, network 1 of 2", "calibrating, network 2 of 2"]
    assert epochs == [*range(1, tools.settings.epochs + 1)] * 3  # the run shows where it is all the time
    assert card.classes == ("alpha", "beta", "gamma")
    assert card.training["added"] == ["gamma"]
    assert card.training["added_to"]["digest"] == base.card.digest
    model = load_model(out)
    assert model.card == card
    test = dataset.of_split("dataset2")
    found = model.identify(dataset.buffer, dataset.spans[test])
    names = np.array(model.applications)[found.application]
    np.testing.assert_array_equal(names, dataset.application[test])
    # What was learned is an exemplar of the next addition.
    after = load_exemplars(exemplars_path(out), card)
    assert set(after.target) == {0, 1, 2}
    assert (after.target < 2).sum() == len(exemplars.target)


def test_accuracy_counts_known_applications_only(tools, dataset, of_two):
    identifier = load_model(of_two)
    found = tools.added._accuracy(dataset, identifier)
    assert found == tools.added._accuracy(without_applications(dataset, ["gamma"]), identifier)
    strangers = only(dataset, "gamma")
    assert tools.added._accuracy(strangers, identifier) == {}


def test_limits_are_never_lower_than_before(tools):
    before = ((2, 1.5), (10, 1.0))
    assert tools.added.higher(before, ((2, 1.0), (10, 2.0))) == ((2, 1.5), (10, 2.0))
    assert tools.added.higher(before, ()) == before
    assert tools.added.higher((), ((2, 1.0),)) == ()


def test_a_network_grows_without_another_answer(tools, of_two):
    network = tools.loaded.load_network(of_two).network
    rows = np.random.default_rng(2).normal(size=(5, len(network.mean))).astype(np.float32)
    grown = tools.add.grown(network, 4)
    np.testing.assert_allclose(
        tools.added.logits_of(grown, rows)[:, :2], tools.added.logits_of(network, rows), rtol=1e-5
    )
    assert network.classes == 2


def test_too_few_calls_of_an_application_are_refused(tools, dataset):
    few = replace(dataset, call=np.full(len(dataset.call), "one"))
    with pytest.raises(DatasetError, match="alpha has 1 calls"):
        tools.add.addition(few, ("x",), ("x",))


@pytest.mark.parametrize(
    "changes",
    [{"application": "unknown"}, {"application": "x" * 201}, {"application": "a\nb"}, {"engine": "\x1b[1m"}],
)
def test_names_that_no_card_can_hold_are_refused_before_training(tools, dataset, changes):
    columns = {name: np.full(len(dataset.packets), text) for name, text in changes.items()}
    named = replace(only(dataset, "gamma"), **{name: column[:12] for name, column in columns.items()})
    named = replace(named, split=np.full(12, "dataset1"))
    for classes in (
        lambda: tools.add.addition(named, ("x",), ("x",)),
        lambda: classes_of(named, np.arange(12)),
    ):
        with pytest.raises(DatasetError, match=r"called unknown|cannot name"):
            classes()


@pytest.mark.parametrize(
    "wrong",
    [
        ("--seed", "-1"), ("--seed", str(1 << 64)), ("--threads", "-1"), ("--model-version", ""),
        ("--out", "net.json"), ("--out", ".net.onnx"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_wrong_usage(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "no-such.npz", "--out", "net.onnx", *wrong])
    assert stopped.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_the_three_commands(tools, dataset, of_two, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    file, out = tmp_path / "gamma.npz", tmp_path / "gamma.onnx"
    save_dataset(replace(only(dataset, "gamma"), split=np.full(12, "dataset1")), file)
    small = ["--epochs", "8", "--windows", "8"]
    assert main(["train", "--add", "--model", str(of_two), str(file), "--out", str(out), *small]) == 0
    judge = ["evaluate", "--data", str(file), "--model", str(out), "--against", str(of_two)]
    assert main([*judge, "--put-in-place"]) == 0
    assert network_in_place() == out
    # The one that knows less is refused, and nothing changes.
    again = ["evaluate", "--data", str(file), "--model", str(of_two), "--put-in-place"]
    assert main(again) == 4
    assert "is worse than" in capsys.readouterr().err
    assert network_in_place() == out
    before = out.read_bytes()
    assert main(["train", "--add", "--model", str(of_two), str(file), "--out", str(out), *small]) == 4
    assert "was put in place" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main(["models", "--roll-back"]) == 0
    assert network_in_place() != out


def test_a_network_of_images_is_compared_without_exemplars(dataset, of_two, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    file = tmp_path / "gamma.npz"
    save_dataset(replace(only(dataset, "gamma"), split=np.full(12, "dataset1")), file)
    images = "models/alexnet-k4.onnx"
    assert main(["evaluate", "--data", str(file), "--model", images, "--against", str(of_two)]) in (0, 4)
    assert "does not read features" in " ".join(capsys.readouterr().err.split())


def test_a_network_without_exemplars_cannot_be_added_to(tools, dataset, of_two, tmp_path):
    for suffix in (".onnx", ".json"):
        (tmp_path / f"two{suffix}").write_bytes(of_two.with_suffix(suffix).read_bytes())
    with pytest.raises(ModelError, match="missing"):
        load_exemplars(exemplars_path(tmp_path / "two.onnx"), load_model(tmp_path / "two.onnx").card)


def test_one_call_in_five_is_held_out_where_none_is(dataset):
    training = replace(dataset, split=np.full(len(dataset.split), "dataset1"))
    found = with_held_out(training)
    np.testing.assert_array_equal(found.split, with_held_out(training).split)
    for name in np.unique(found.application):
        own = found.application == name
        assert len(np.unique(found.call[own & (found.split == HELD_OUT)])) == 1
    assert not set(found.call[found.split == HELD_OUT]) & set(found.call[found.split != HELD_OUT])
    assert with_held_out(dataset) is dataset


def test_an_application_without_calls_for_testing_has_some_held_out_beside_one_that_has(dataset):
    name, other = np.unique(dataset.application)[:2]
    split = np.where(dataset.application == name, "dataset1", dataset.split)
    assert not np.isin(dataset.split[dataset.application == other], TRAINING_SPLITS).all()
    found = with_held_out(replace(dataset, split=split))
    changed = found.split != split
    assert set(found.application[changed & (found.application == name)]) == {name}
    # Of the other one only that which is in the same calls.
    assert set(found.call[changed]) == set(found.call[changed & (found.application == name)])


def test_what_is_held_out_for_one_application_leaves_another_enough_to_train_on(dataset):
    """A server that every telephone calls has most calls; which of them are held out must not use one telephone up."""
    phones = [f"phone {i}" for i in range(5)]
    names = [name for phone in phones for _ in range(4) for name in ("server", phone)] + ["guest", "server"]
    calls = [f"b {i // 2}" for i in range(len(names))]
    of = np.zeros(len(names), np.int64)
    columns = {
        field.name: getattr(dataset, field.name)[of] for field in fields(dataset) if field.name != "buffer"
    }
    columns |= {
        "application": np.array(names),
        "call": np.array(calls),
        "split": np.full(len(names), "dataset1"),
    }
    found = with_held_out(Dataset(buffer=dataset.buffer, **columns))
    trained = found.split != HELD_OUT
    for phone in phones:
        assert len(set(found.call[trained & (found.application == phone)])) == 3
    assert found.split[-2] == "dataset1"  # the only call of the guest


def test_of_each_dataset_the_calls_are_held_out_that_its_evaluation_holds_out(dataset, tmp_path):
    training = replace(dataset, split=np.full(len(dataset.split), "dataset1"))
    held, paths = set(), [tmp_path / "mine.npz", tmp_path / "more.npz", tmp_path / "site.npz"]
    renamed = replace(training, call=np.char.add("again ", training.call))
    for path, each in zip(paths, (training, renamed, dataset), strict=True):
        save_dataset(each, path)
        found = with_held_out(each)
        held |= set(found.call[~np.isin(found.split, TRAINING_SPLITS)])
    together = _to_add(paths, Console())
    trained = np.isin(together.split, TRAINING_SPLITS)
    assert held <= set(together.call[~trained])
    assert not set(renamed.call[with_held_out(renamed).split == HELD_OUT]) & set(together.call[trained])
