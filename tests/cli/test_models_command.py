"""`callprint models`, and the hint about names that no model knows."""

import json
import shutil
from pathlib import Path

import pytest
from call_samples import call
from cli.json_docs import documented
from verdict_samples import verdict

from callprint.cli import main
from callprint.model_files import SHIPPED
from callprint.stores import open_store


def models(*arguments) -> int:
    return main(["models", *map(str, arguments)])


def test_the_shipped_models_as_a_table_and_as_json(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert models() == 0
    table = capsys.readouterr().out
    assert models("--json") == 0
    found = {each["name"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert set(found) == {"compact", "alexnet-k4"}
    for name, each in found.items():
        assert set(each) <= documented("models")
        card = json.loads((SHIPPED / f"{name}.json").read_text())
        assert each["intact"]
        assert each["applications"] == card["classes"]
        assert (each["k"], each["sha256"], each["threshold"]) == (
            card["checkpoints"],
            card["onnx"]["sha256"],
            card["policy"]["threshold"],
        )
        assert each["accuracy"] == card["accuracy"]
        assert f"{name} {each['version']}" in table
        assert each["sha256"][:12] in table
        for application in each["applications"]:
            assert application in table


def test_a_network_that_is_not_the_cards_and_a_bad_card_are_told(tmp_path, capsys):
    shutil.copy(SHIPPED / "compact.json", tmp_path)
    (tmp_path / "compact.onnx").write_bytes(b"another")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.onnx").write_bytes(b"")
    (tmp_path / "notes.json").write_text("{}")
    assert models(tmp_path) == 0
    captured = capsys.readouterr()
    assert "not the one that the card describes" in captured.out
    assert captured.err.count("warning") == 1
    assert "bad.json" in captured.err


@pytest.mark.parametrize("path", ["none.onnx", "."])
def test_no_model_at_all(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert models(path) == 4
    assert "no model with a sound card" in capsys.readouterr().err


def test_a_card_is_never_overwritten(tmp_path, capsys):
    for file in ("compact.json", "compact.onnx"):
        shutil.copy(SHIPPED / file, tmp_path)
    card = tmp_path / "compact.json"
    before = card.read_bytes()
    assert models(card, "--json", card) == 2
    assert models(tmp_path, "--json", card) == 4
    assert card.read_bytes() == before


def test_a_hostile_card_is_shown_harmlessly(tmp_path, capsys):
    card = json.loads((SHIPPED / "compact.json").read_text())
    card["accuracy"] = {
        "\x1b[31m": {"\u202e": {"flows": 1, "accuracy": 1}},
        "x": 3,
        "y": {"z": [1]},
        "q": {"r": {}},
    }
    (tmp_path / "m.json").write_text(json.dumps(card))
    shutil.copy(SHIPPED / "compact.onnx", tmp_path / "m.onnx")
    assert models(tmp_path) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.fixture
def store_path(tmp_path) -> Path:
    path = tmp_path / "verdicts.sqlite"
    with open_store(str(path)) as store:
        store.put_verdicts([verdict()])
        store.put_calls([call()])
    return path


@pytest.mark.parametrize("command", ["verdicts", "calls"])
@pytest.mark.parametrize(
    ("application", "hint"),
    [
        ("Linphon", "did you mean linphone?"),
        ("zzz", "`callprint models` lists those known"),
        ("linphone", ""),
        ("asterisk", ""),
        ("unknown", ""),
    ],
)
def test_unknown_names_get_a_hint(command, application, hint, store_path, capsys):
    assert main([command, "--store", str(store_path), "--application", application]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert hint in told
    assert ("No model knows" in told) == bool(hint)
    assert main([command, "--store", str(store_path), "--application", application, "--json"]) == 0
    captured = capsys.readouterr()
    assert "No model" not in captured.err + captured.out, "a program asked"
