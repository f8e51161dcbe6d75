"""What commands write: no capture and no input is ever overwritten, and files are for their owner alone."""

import gzip
import os
import shutil
import stat
from pathlib import Path

import pytest

from callprint.cli import EXIT_ERROR, main, targets
from callprint.cli.targets import output_target
from callprint.model_files import DEFAULT_MODEL

SAMPLE = Path(__file__).parents[2] / "samples" / "applications.pcapng"


@pytest.fixture
def capture(tmp_path):
    return Path(shutil.copy(SAMPLE, tmp_path / "a.pcap"))


def refused(capsys, *arguments) -> str:
    """Run a command line that must be refused as wrong usage; return its message."""
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as left:
        code = left.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    return captured.err


@pytest.mark.parametrize(
    "before",
    [
        ["identify", "--json"],
        ["verdicts", "--json"],
        ["verdicts", "--csv"],
        ["calls", "--json"],
        ["drift", "--json"],
        ["unknowns", "--json"],
        ["unknowns", "--map"],
    ],
)
def test_no_command_overwrites_a_capture(before, capture, capsys):
    assert "would be overwritten" in refused(capsys, *before, capture)
    assert capture.read_bytes() == SAMPLE.read_bytes()


@pytest.mark.parametrize("name", ["compact.onnx", "compact.json"])
@pytest.mark.parametrize(
    "line",
    [
        "identify {sample} --no-store --model {model} --json {target}",
        "drift {sample} --model {model} --json {target}",
        "unknowns --model {model} --map {target}",
        "unknowns --model {model} --json {target}",
        "models {model} --json {target}",
    ],
)
def test_no_model_and_no_card_is_overwritten(line, name, tmp_path, capsys):
    for file in ("compact.onnx", "compact.json"):
        shutil.copy(DEFAULT_MODEL.with_name(file), tmp_path)
    target, model = tmp_path / name, tmp_path / "compact.onnx"
    before = target.read_bytes()
    told = refused(capsys, *line.format(sample=SAMPLE, model=model, target=target).split())
    assert "would overwrite" in told
    assert target.read_bytes() == before


@pytest.mark.parametrize("line", ["drift", "unknowns"])
def test_no_store_that_is_asked_is_overwritten(line, tmp_path, capsys):
    store = tmp_path / "s.sqlite"
    assert main(["identify", str(SAMPLE), "--model", "none", "--store", str(store), "--quiet"]) == 0
    assert main([line, "--store", str(store), "--json", str(store)]) == 4
    assert "is the store that is asked" in capsys.readouterr().err
    assert store.read_bytes().startswith(b"SQLite format 3")


def test_json_takes_its_value_in_the_same_way_in_identify(tmp_path, capsys):
    out = tmp_path / "out"
    common = ["identify", str(SAMPLE), "--no-store", "--model", "none", "--quiet", "--json"]
    for target in ([], ["-"]):
        assert main([*common, *target]) == 0
    printed = capsys.readouterr().out
    assert main([*common, str(out)]) == 0
    assert printed == out.read_text() * 2


def test_a_capture_is_recognised_by_its_contents_whatever_its_name(capture, tmp_path, capsys):
    link = tmp_path / "link.jsonl"
    link.symlink_to(capture)
    hard = tmp_path / "hard.jsonl"
    os.link(capture, hard)
    packed = tmp_path / "packed.jsonl"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes()))
    for target in (link, hard, packed):
        assert "would be overwritten" in refused(capsys, "identify", SAMPLE, "--json", target)
    assert capture.read_bytes() == SAMPLE.read_bytes()


def test_no_input_is_overwritten_even_when_it_is_no_capture(tmp_path, capsys):
    odd = tmp_path / "odd.pcap"
    odd.write_bytes(b"not a capture, but the user's file")
    link = tmp_path / "link"
    link.symlink_to(odd)
    assert "overwrite" in refused(capsys, "identify", SAMPLE, odd, "--json", link, "--no-store")
    assert odd.read_bytes() == b"not a capture, but the user's file"


def test_an_earlier_answer_may_be_written_again_and_a_new_one_is_for_its_owner_alone(tmp_path, capsys):
    out = tmp_path / "flows.jsonl"
    old = os.umask(0)
    try:
        for _ in range(2):
            assert main(["identify", str(SAMPLE), "--no-store", "--model", "none", "--json", str(out)]) == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().count("\n") > 1


@pytest.mark.parametrize("command", ["verdicts", "calls"])
@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_answers_go_to_standard_output_or_to_a_file(command, option, tmp_path, capsys):
    store, out = tmp_path / "s.sqlite", tmp_path / "out"
    assert main(["identify", str(SAMPLE), "--model", "none", "--store", str(store)]) == 0
    capsys.readouterr()
    for target in ([], ["-"]):
        assert main([command, "--store", str(store), option, *target]) == 0
    printed = capsys.readouterr().out
    assert main([command, "--store", str(store), option, str(out)]) == 0
    assert printed == out.read_text() * 2
    assert main([command, "--store", str(store), option, str(store)]) == 4
    assert store.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "no such file", "-"])
def test_devices_and_new_files_are_targets(name):
    assert output_target(name) == name


def test_no_output_overwrites_a_call_that_is_kept(tmp_path, capsys):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    store = tmp_path / "kept.sqlite"
    line = ["identify", SAMPLE, "--store", store, "--keep-calls", "all", "--key-file", key, "--model", "none"]
    assert main([*map(str, line), "--quiet"]) == 0
    kept = next((tmp_path / "kept.sqlite.calls").glob("*.enc"))
    before = kept.read_bytes()
    capsys.readouterr()
    for command in (["call", "x", "--pcap"], ["call", "x", "--evidence"], ["calls", "--json"]):
        assert main([*command, str(kept), "--store", str(store)]) == EXIT_ERROR
        assert "holds a call that the store keeps" in capsys.readouterr().err
    assert kept.read_bytes() == before


def test_no_output_overwrites_the_network_in_place(tmp_path, capsys, monkeypatch):
    network = tmp_path / "mine.onnx"
    network.write_bytes(b"a network")
    monkeypatch.setattr(targets, "network_in_place", lambda: network)
    assert "would overwrite" in refused(capsys, "identify", SAMPLE, "--no-store", "--json", network)
    assert network.read_bytes() == b"a network"
