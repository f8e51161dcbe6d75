"""`sparse run` on Storm 2.8, as in docs/operate/cluster.md: the topology in one process, on a capture."""

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
def test_the_topology_runs_in_one_process_and_stores_the_same_rows(start, layout, model, tmp_path):
    from callprint.messaging.settings import KafkaSettings  # noqa: PLC0415 - the extra `cluster`
    from callprint.messaging.topics import TopicNames, create_topics  # noqa: PLC0415
    from callprint.topology.settings import topic_options  # noqa: PLC0415

    start("kafka")
    brokers = f"{HOST}:{layout.kafka}"
    topics = TopicNames(*(f"run-{name}-{time.time_ns()}" for name in TopicNames._fields))
    create_topics(KafkaSettings((brokers,)), 2, 1, topics)
    url = f"sqlite:{tmp_path / 'verdicts.sqlite'}"
    command = [sys.executable, "-m", "callprint.services.run", "--time", str(int(TIMEOUT_S))]
    command += ["-o", f'callprint.kafka.brokers=["{brokers}"]', "-o", f"callprint.store={url}"]
    command += ["-o", f"callprint.model={model}"]
    for key, name in topic_options(topics).items():
        command += ["-o", f"{key}={name}"]
    environment = {
        **os.environ,
        "CALLPRINT_CLUSTER_HOME": str(tmp_path / "home"),
        "CALLPRINT_CLUSTER_JARS": str(layout.jars),
    }
    agent = agent_command([SAMPLE], brokers, tmp_path / "s", topics.media, topics.signalling)
    subprocess.run(agent, cwd=ROOT, check=True)
    expected = embedded([SAMPLE], identifier(model))
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline_s = time.monotonic() + TIMEOUT_S
        difference = None
        while difference is None or not difference.none:
            assert process.poll() is None, (tmp_path / "output").read_text()
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
