"""Failures of each command end with a line that says what failed and a documented exit code, never with a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from callprint.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}

STORES = ("none.sqlite", "junk.txt", "folder", "nowhere://x")
ASKING = ("verdicts", "calls", "unknowns", "drift", "feedback --list")
FAILURES = [
    *(f"{command} --store {store}" for command in ASKING for store in STORES),
    *(
        f"{command} {path}"
        for command in ("identify --no-store --model none", "drift")
        for path in ("none.pcap", "junk.txt")
    ),
    "identify --no-store --model none folder",
    "identify --no-store --model none.onnx sample",
    "identify --no-store --model none --json /proc/none sample",
    "identify --no-store --model none --interface none0",
    "identify --store /proc/none.sqlite --model none sample",
    "dataset build --data folder --out x.npz",
    "export --precision float16 --model none.onnx --out x.onnx",
    "models none",
    "drift --model none.onnx",
]
WRONG_USAGE = [
    "identify",
    "identify sample --json sample",
    "identify sample --json folder",
    "verdicts --limit 0",
    "calls --since yesterday",
    "feedback",
    "nothing",
    "verdicts --address 192.0.2.999",
    "quality --address 192.0.2.999",
    "quality sample --address 192.0.2.1",
    "quality sample --store x.sqlite",
    "drift sample --since 2026-11-22",
    "identify sample --from 60 --to 30",
    "identify sample --from 2026-11-23 --to 2026-11-22",
    "identify sample --reorder-window-ms 501",
    "identify sample --no-store --model none --region XX",
    "identify sample --no-store --model none --country-code x",
    "identify sample --no-store --model none --keep-calls some",
    "identify sample --no-store --model none --keep-voice",
    "models --roll-back x.onnx",
    "models --roll-back --json",
    "verdicts --nothing",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "junk.txt").write_text("junk")
    (tmp_path / "folder").mkdir()
    (tmp_path / "sample").symlink_to(SAMPLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", FAILURES)
def test_what_cannot_be_done_is_one_line_and_exit_code_4(here, line, capsys):
    if line.startswith(("export", "dataset")):
        pytest.importorskip("onnx")
    assert main(line.split()) == 4
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("callprint: ")
    assert "Traceback" not in told


@pytest.mark.parametrize("line", WRONG_USAGE)
def test_wrong_usage_is_exit_code_2(here, line, capsys):
    try:
        code = main(line.split())
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert capsys.readouterr().err


def test_an_option_that_there_is_not_shows_the_usage_of_its_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["verdicts", "--adress", "192.0.2.1"])
    err = capsys.readouterr().err
    assert "usage: callprint verdicts" in err
    assert "unrecognized arguments: --adress" in err


def test_an_output_that_cannot_be_written_names_its_file(here, capsys):
    pytest.importorskip("onnx")
    assert main(["export", "--precision", "float16", "--out", "/proc/x.onnx"]) == 4
    assert "callprint: /proc/" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "dataset build --data data --out junk.txt/x.npz",
        "dataset label sample --out junk.txt/site",
        "dataset label sample --out junk.txt",
        "evaluate --data data --out junk.txt/x.md",
        "train data --out junk.txt/x.onnx",
    ],
)
def test_a_place_that_takes_nothing_is_noticed_before_anything_is_read(here, line, capsys, monkeypatch):
    if line.startswith("train"):
        pytest.importorskip("torch")

    def read(*_arguments):
        pytest.fail("read for minutes before it was noticed")

    for reader in ("build_dataset", "load_dataset", "capture_candidates"):
        monkeypatch.setattr(f"callprint.cli.dataset.{reader}", read)
    (here / "data").mkdir()
    assert main(line.split()) == 4
    assert "junk.txt" in capsys.readouterr().err
    assert sorted(path.name for path in here.iterdir()) == ["data", "folder", "junk.txt", "sample"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"callprint {command}" in capsys.readouterr().out


def test_interrupted_while_it_waits(here):
    """A pipe that gives nothing: Ctrl-C ends the program with 130 and a line."""
    command = [sys.executable, "-m", "callprint", "identify", "-", "--no-store", "--model", "none"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        # A shell's background jobs ignore it, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - nothing else runs there
    ) as process:
        process.stdin.write(
            SAMPLE.read_bytes()[:700_000]
        )  # more than a pipe holds: it reads, and waits for more
        process.stdin.flush()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        error = process.stderr.read()
        process.stdin.close()
    assert process.returncode == 130
    assert b"interrupted" in error.splitlines()[-1]
    assert b"Traceback" not in error


def test_compilation_is_never_silent(here):
    """A command of which nothing was compiled before says so, once, before it waits."""
    environment = {**ENVIRONMENT, "NUMBA_CACHE_DIR": str(here / "cache")}
    script = (
        "import sys; from callprint.machine_code import keeping; from callprint.cli import main;"
        "sys.argv = ['callprint', 'identify', '--no-store', '--model', 'none', 'none.pcap']; code = main();"
        "from callprint.core.ground.loads import be16; import numpy as np;"
        "be16(np.zeros(4, np.uint8), 0); be16(np.zeros(4, np.int8), 0); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert done.stderr.count("compiling for this processor") == 1
