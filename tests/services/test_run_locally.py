"""`sparse run` on Storm 2.8, as docs/operate/cluster.md tells it: the topology in one process, on a capture."""

import os
import signal
import subprocess
import sys
import time

import pytest
from cluster_fixtures import ROOT, agent_command, identifier

from callprint.services.comparison import compare, embedded
from callprint.services.layout import HOST
from callprint.stores import open_store

SAMPLE = ROOT / "samples" / "applications.pcapng"
TIMEOUT_S = 200.0


@pytest.mark.services
def test_the_topology_runs_in_one_process_and_tells_the_same(start, layout, model, tmp_path):
    from callprint.messaging.settings import KafkaSettings  # noqa: PLC0415 - the extra `cluster`
    from callprint.messaging.topics import create_topics  # noqa: PLC0415

    start("kafka")
    brokers = f"{HOST}:{layout.kafka}"
    names = {key: f"run-{key}-{time.time_ns()}" for key in ("media", "signaling", "feedback", "dead_letter")}
    topics = (names["media"], names["signaling"], names["dead_letter"])
    create_topics(KafkaSettings((brokers,)), 2, 1, topics, names["feedback"])
    url = f"sqlite:{tmp_path / 'verdicts.sqlite'}"
    command = [sys.executable, "-m", "callprint.services.run", "--time", str(int(TIMEOUT_S))]
    command += ["-o", f'callprint.kafka.brokers=["{brokers}"]', "-o", f"callprint.store={url}"]
    command += ["-o", f"callprint.model={model}"]
    for key, name in names.items():
        command += ["-o", f"callprint.{key}_topic={name}"]
    environment = {
        **os.environ,
        "CALLPRINT_CLUSTER_HOME": str(tmp_path / "home"),
        "CALLPRINT_CLUSTER_JARS": str(layout.jars),
    }
    agent = agent_command([SAMPLE], brokers, tmp_path / "s", names["media"], names["signaling"])
    subprocess.run(agent, cwd=ROOT, check=True)
    expected = embedded([SAMPLE], identifier(model))
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline_s = time.monotonic() + TIMEOUT_S
        difference = None
        while difference is None or not difference.none:
            assert process.poll() is None, (tmp_path / "said").read_text()
            if time.monotonic() > deadline_s:
                log = tmp_path / "home" / "logs" / "run.log"
                pytest.fail(f"{difference and difference.text()}\n{log.read_text()[-3000:]}")
            time.sleep(1)
            if (tmp_path / "verdicts.sqlite").exists():
                with open_store(url) as store:
                    difference = compare(store, expected)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
