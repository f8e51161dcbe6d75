"""The list of networks that were put in place, when several programs write it at once."""

import multiprocessing
from pathlib import Path

import pytest

from callprint.cli import main
from callprint.core.ground.errors import ConfigError
from callprint.network_in_place import networks_in_place, put_in_place, roll_back


def put_five(number: int, file: Path) -> None:
    for i in range(5):
        put_in_place(Path(f"/n/{number}-{i}.onnx"), file)


def test_of_programs_that_write_at_once_none_loses_its_network(tmp_path):
    file = tmp_path / "data" / "networks.json"
    context = multiprocessing.get_context("fork")
    programs = [context.Process(target=put_five, args=(number, file)) for number in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert len(set(networks_in_place(file))) == 20
    assert roll_back(file)
    assert len(networks_in_place(file)) == 19


def test_what_is_put_in_place_twice_is_rolled_back_once(tmp_path):
    file = tmp_path / "networks.json"
    for name in ("a", "b", "b"):
        put_in_place(Path(f"/n/{name}.onnx"), file)
    assert roll_back(file)
    assert networks_in_place(file) == (Path("/n/a.onnx"),)


def test_a_network_that_is_gone_is_said_when_it_is_rolled_back_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    put_in_place(tmp_path / "gone.onnx")
    put_in_place(tmp_path / "worse.onnx")
    assert main(["models", "--roll-back"]) == 4
    assert "no longer there" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("text", ["[" * 100_000, '["/n/a\\u0000.onnx"]', '[""]', "{}", "[1]", "no JSON"])
def test_a_damaged_list_is_an_error_that_says_so(tmp_path, text):
    (tmp_path / "networks.json").write_text(text)
    with pytest.raises(ConfigError, match="is no list of networks"):
        networks_in_place(tmp_path / "networks.json")


def test_a_folder_that_is_none_is_an_error_that_says_so(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be written"):
        put_in_place(Path("/n/a.onnx"), tmp_path / "data" / "networks.json")
