"""The agent while Kafka is unreachable or, worse, connects but never answers: it starts, never blocks, and spools."""

import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("kafka", reason="the extra `cluster` is not installed")

from callprint.core.ground.errors import ConfigError
from callprint.messaging.settings import KafkaSettings
from capture_agent.__main__ import main
from capture_agent.publisher import Publisher
from capture_agent.spool import Outgoing, Spool

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
IMAGES = ROOT / "models" / "alexnet-k4.onnx"
TOPICS = {"media": 4, "signaling": 4}


@pytest.mark.parametrize("port", ["0", "65536", "sip"])
def test_what_is_no_port_is_refused(port, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["callprint-agent", str(SAMPLE), "--sip-port", port])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert f"'{port}' is no port number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--head", "some", "no number of at least 1"),
        ("--speed", "-1", "no number of at least 0"),
        ("--wait-for-kafka", "nan", "no number of at least 0"),
        ("--statistics-every", "61", "no number from 1 to 60"),
        ("--maximum-flows", "0", "no number of at least 1"),
        ("--reorder-window-ms", "501", "no number from 0 to 500"),
    ],
)
def test_what_is_no_number_is_refused(option, value, says, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["callprint-agent", str(SAMPLE), option, value])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert f"argument {option}: {value!r} is {says}" in capsys.readouterr().err.replace(
        " of milliseconds", ""
    )


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A port whose queue is full: the kernel drops every further SYN, as if the broker's host were dead."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        for _ in range(8):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            waiting.append(client)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for client in waiting:
            client.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def signals_restored() -> Iterator[None]:
    """The agent installs handlers for two signals; restore the old ones."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_no_record_is_delayed_by_a_broker_that_does_not_answer(black_hole, silent, closed, tmp_path):
    publishers = {}
    for name, broker in {"black hole": black_hole, "silent": silent, "closed": closed}.items():
        spool = Spool(tmp_path / name, 1 << 20)
        spool.remember_partitions(TOPICS)
        publishers[name] = Publisher(KafkaSettings((broker,)), spool), spool
        assert [publishers[name][0].partitions(topic, 0.1) for topic in TOPICS] == [4, 4]
    longest_s = dict.fromkeys(publishers, 0.0)
    ends_s = time.monotonic() + 2.5
    while time.monotonic() < ends_s:  # enough for several attempts to connect
        for name, (publisher, _) in publishers.items():
            began_s = time.monotonic()
            publisher.publish(Outgoing("media", 0, b"x" * 100))
            longest_s[name] = max(longest_s[name], time.monotonic() - began_s)
        time.sleep(0.02)
    for name, (publisher, spool) in publishers.items():
        assert longest_s[name] < 0.4, name
        assert publisher.counters.sent == len(spool) > 20, name
        assert publisher.counters.lost == publisher.counters.failed == 0, name
        publisher.close()


def test_unknown_partitions_are_waited_for_and_then_are_an_error(tmp_path, closed):
    publisher = Publisher(KafkaSettings((closed,)), Spool(tmp_path, 1000))
    with pytest.raises(ConfigError, match="not known from an earlier run"):
        publisher.partitions("media", 0.3)


def agent(monkeypatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["callprint-agent", *options])
    return main()


@pytest.mark.usefixtures("signals_restored")
def test_an_agent_starts_without_kafka_and_spools(tmp_path, closed, monkeypatch, capfd):
    spool = Spool(tmp_path, 0)
    spool.remember_partitions(TOPICS)
    spool.close()
    options = ["--wait-for-kafka", "0.1", "--flush-timeout", "0.1"]
    assert agent(monkeypatch, str(SAMPLE), "--brokers", closed, "--spool", str(tmp_path), *options) == 5
    output = capfd.readouterr().err
    assert "is unreachable: records go to the spool" in output
    counters = dict(re.findall(r"(\w+)=(\d+)", output.splitlines()[-1]))
    records = list(tmp_path.glob("1*"))
    assert len(records) == int(counters["spool_records"]) == int(counters["sent"]) > 1
    assert counters["connected"] == "0"


@pytest.mark.usefixtures("signals_restored")
def test_an_agent_that_does_not_know_the_topics_ends_with_an_error(tmp_path, closed, monkeypatch, capfd):
    options = ["--brokers", closed, "--spool", str(tmp_path), "--wait-for-kafka", "0.1"]
    assert agent(monkeypatch, str(SAMPLE), *options) == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith(f"error: no Kafka broker of {closed} answers")


@pytest.mark.usefixtures("signals_restored")
def test_an_agent_that_waits_for_kafka_can_be_interrupted(tmp_path, closed, monkeypatch, capfd):
    monkeypatch.setattr("capture_agent.__main__._learn_topics", lambda *_: signal.raise_signal(signal.SIGINT))
    assert agent(monkeypatch, str(SAMPLE), "--brokers", closed, "--spool", str(tmp_path)) == 130
    assert capfd.readouterr().err.splitlines()[-1] == "interrupted: nothing was captured yet"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--head", "50"], "--head must be all, or at least 100"),
        (["--evidence", "features", "--model", str(IMAGES)], "needs a --model that reads features"),
        (["--model", ""], "--model must name a network"),
        (["--metrics", "x"], "--metrics must be"),
        (["--metrics", "127.0.0.1:70000"], "metrics cannot be served"),
    ],
)
def test_a_wrong_option_is_an_error_in_one_line(options, message, tmp_path, closed, monkeypatch, capfd):
    assert agent(monkeypatch, str(SAMPLE), "--brokers", closed, "--spool", str(tmp_path), *options) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line


AS_NOBODY_WITH_RIGHTS = """
import ctypes, os, sys
from pathlib import Path
from capture_agent.privileges import drop_capabilities
libc = ctypes.CDLL(None, use_errno=True)
assert not drop_capabilities(), "root keeps what it would get back with the next exec"
libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
os.setresuid({user}, {user}, {user})
print(open("/proc/self/status").read().split("CapPrm:")[1].split()[0])
assert drop_capabilities()
for line in open("/proc/self/status"):
    if line.startswith(("CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs")):
        print(line.split()[1])
"""


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_capabilities_are_gone_for_good():
    code = AS_NOBODY_WITH_RIGHTS.format(user=pwd.getpwnam("nobody").pw_uid)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    before, *after, no_new_rights = done.stdout.split()
    assert int(before, 16) != 0
    assert [int(value, 16) for value in after] == [0, 0, 0, 0]
    assert no_new_rights == "1"
