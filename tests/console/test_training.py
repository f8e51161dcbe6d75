"""Training beside the console: one at a time, cut off and gone on with, compared, put in place, rolled back."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import console_training
import pytest
from console_visitor import Visitor, fill, write_strangers

from callprint.console import training_runs
from callprint.console.sessions import Role
from callprint.console.training_runs import TrainingRuns
from callprint.console.users import Users
from callprint.inference import load_model
from callprint.load_identifier import load_identifier
from callprint.model_files import DEFAULT_MODEL
from callprint.network_in_place import network_in_place, networks_in_place, put_in_place, roll_back

WAIT_S = 120


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(training_runs, "TRAIN", (sys.executable, console_training.__file__))


@pytest.fixture
def visitor(tmp_path):
    settings = {
        "placed": tmp_path / "networks.json",
        "train_with": write_strangers(tmp_path / "calls", "dataset2"),
    }
    visitor = Visitor(fill(tmp_path / "store.sqlite"), tmp_path / "console", **settings)
    write_strangers(visitor.settings.named)
    yield visitor
    TrainingRuns(visitor.settings.folder / "training").stop()


@pytest.fixture
def folder(visitor) -> Path:
    return visitor.settings.folder / "training"


def act(visitor, kind, **fields):
    return visitor.post(f"/training/{kind}", {"csrf": visitor.csrf(), **fields})


def begin(visitor):
    return act(visitor, "start", epochs=3, windows=1)


def state(visitor, *wanted: str) -> str:
    """Return the state of the latest run, once it is one of those that are wanted."""
    runs = TrainingRuns(visitor.settings.folder / "training")
    until = time.monotonic() + WAIT_S
    while (found := runs.look().state) not in wanted and time.monotonic() < until:
        time.sleep(0.05)
    return found


def seen(visitor, words: str) -> str:
    until = time.monotonic() + WAIT_S
    while words not in (text := visitor.get("/training").text) and time.monotonic() < until:
        time.sleep(0.05)
    assert words in text
    return text


def test_without_a_dataset_or_names_the_page_says_what_to_do(tmp_path, store):
    visitor = Visitor(store, tmp_path / "console", placed=tmp_path / "networks.json")
    assert "--train-with calls.npz" in visitor.get("/training").text
    assert begin(visitor).status_code == 409
    visitor = Visitor(store, tmp_path / "console", placed=tmp_path / "networks.json", train_with=tmp_path)
    assert "There are no named flows yet" in visitor.get("/training").text
    assert begin(visitor).status_code == 409


@pytest.mark.usefixtures("quick")
def test_a_run_is_followed_compared_put_in_place_and_rolled_back(visitor, folder):
    assert begin(visitor).status_code == 303
    seen(visitor, "round 2 of 3")
    assert begin(visitor).status_code == 409  # one at a time
    assert act(visitor, "place").status_code == 409
    (folder / "go").touch()
    text = seen(visitor, "Put it in place")
    assert "learned from" in text
    assert "dataset2" in text
    assert act(visitor, "place").status_code == 303
    placed = visitor.settings.placed
    assert network_in_place(placed) == folder / "own-1.onnx"
    text = visitor.get("/training").text
    assert f"callprint.topology.blobs {folder / 'topology' / 'compact.onnx'}" in text
    assert load_model(folder / "topology" / "compact.onnx").name == "own 1"
    assert "Put it in place" not in text
    assert act(visitor, "roll-back").status_code == 303
    assert network_in_place(placed) == DEFAULT_MODEL
    assert act(visitor, "roll-back").status_code == 409
    assert begin(visitor).status_code == 303
    assert state(visitor, "done") == "done"
    assert (folder / "own-2.onnx").exists()
    log = (visitor.settings.folder / "audit.jsonl").read_text()
    assert all(f"training: {kind}" in log for kind in ("start", "place", "roll-back"))


@pytest.mark.usefixtures("quick")
def test_a_run_outlives_the_console_and_goes_on_after_it_was_killed(visitor, folder):
    begin(visitor)
    seen(visitor, "round 2 of 3")
    again = Visitor(
        visitor.settings.store_url.removeprefix("sqlite:"),
        visitor.settings.folder,
        placed=visitor.settings.placed,
        train_with=visitor.settings.train_with,
    )
    assert "round 2 of 3" in again.get("/training").text
    assert begin(again).status_code == 409
    os.killpg(int((folder / "lock").read_text()), signal.SIGKILL)
    assert state(again, "interrupted") == "interrupted"
    assert "goes on from there" in again.get("/training").text
    (folder / "go").touch()
    assert act(again, "go-on").status_code == 303
    assert state(again, "done", "failed") == "done"
    assert act(again, "go-on").status_code == 409


@pytest.mark.usefixtures("quick")
def test_a_run_can_be_stopped_and_a_failed_one_says_why(visitor, folder):
    begin(visitor)
    seen(visitor, "round 2 of 3")
    assert act(visitor, "stop").status_code == 303
    assert state(visitor, "interrupted") == "interrupted"
    assert act(visitor, "stop").status_code == 409
    for name in ("go", "fail"):
        (folder / name).touch()
    act(visitor, "go-on")
    assert state(visitor, "done", "failed") == "failed"
    text = visitor.get("/training").text
    assert "no good &lt;script&gt;" in text


@pytest.mark.usefixtures("quick")
def test_who_may_not_train(visitor, tmp_path):
    for kind in ("start", "stop", "go-on", "place", "roll-back"):
        assert visitor.post(f"/training/{kind}", {}).status_code == 403  # without the token of the session
    token = Users(tmp_path / "other" / "users.json").set_token("eve", Role.VIEWER)
    viewer = Visitor(fill(tmp_path / "s2.sqlite"), tmp_path / "other", enter=False, train_with=tmp_path)
    header = {"Authorization": f"Bearer {token}"}
    assert viewer.get("/training", headers=header).status_code == 200
    assert viewer.post("/training/start", {"epochs": 1, "windows": 1}, headers=header).status_code == 403
    assert act(visitor, "other").status_code == 404
    for epochs in ("0", "x", "9" * 40, "-1", "", "000000001" + "9" * 9, "0" * 5_000 + "1"):
        assert act(visitor, "start", epochs=epochs, windows=1).status_code == 400


def test_damaged_state_is_said(visitor, folder):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"number": 1}')
    assert visitor.get("/training").status_code == 503
    (folder / "run.json").unlink()
    visitor.settings.placed.write_text("{}")
    answer = visitor.get("/training")
    assert answer.status_code == 503
    assert "no list of networks" in answer.text


def test_identify_uses_the_network_in_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load_identifier().name == "compact 6"
    other = tmp_path / "own-1.onnx"
    shutil.copy(DEFAULT_MODEL, other)
    card = DEFAULT_MODEL.with_suffix(".json").read_text()
    other.with_suffix(".json").write_text(
        card.replace("compact.onnx", "own-1.onnx").replace('"compact"', '"own"')
    )
    put_in_place(other)
    assert load_identifier().name == "own 6"
    assert len(networks_in_place()) == 1
    assert roll_back()
    assert load_identifier().name == "compact 6"
    assert not roll_back()


@pytest.mark.training
def test_named_flows_are_learned_by_the_real_command(visitor, folder):
    shutil.rmtree(visitor.settings.train_with)
    write_strangers(visitor.settings.train_with, "dataset1")
    act(visitor, "start", epochs=2, windows=2)
    assert state(visitor, "done", "failed") == "done", (folder / "run.log").read_text()
    named = TrainingRuns(folder).look().comparison[0]
    assert named["learned"]
    assert named["today"]["accuracy"] == 0.0
    assert named["new"]["flows"] == 27
