"""FrameSerializer.java, compiled as it is: it reads what Python writes, and refuses what is no frame."""

import os
import random
import struct
import subprocess
from pathlib import Path

import pytest
from cluster_fixtures import ROOT

from callprint.services import jars
from callprint.topology.frames import Frame, encode_message

pytestmark = pytest.mark.services

JAVA = ROOT / "topologies" / "java" / "callprint" / "FrameSerializer.java"
HARNESS = Path(__file__).parent / "java" / "TryFrames.java"


@pytest.fixture
def answers(layout, tmp_path):
    """Return a function that gives FrameSerializer's answers to what components send."""
    storm = jars.resolve(jars.STORM_WORKER, layout.jars)
    classes = os.pathsep.join([f"{storm}/*", str(tmp_path)])
    subprocess.run(["javac", "-d", str(tmp_path), "-cp", classes, str(JAVA), str(HARNESS)], check=True)

    def ask(sent):
        given = struct.pack(">I", len(sent)) + b"".join(struct.pack(">I", len(one)) + one for one in sent)
        java = subprocess.run(
            ["java", "-cp", classes, "TryFrames"], input=given, capture_output=True, check=True
        )
        found, at = [], 0
        while at < len(java.stdout):
            (length,) = struct.unpack_from(">I", java.stdout, at + 1)
            found.append((java.stdout[at : at + 1], java.stdout[at + 5 : at + 5 + length]))
            at += 5 + length
        return found

    return ask


def some_values(chance):
    texts = ["", "text", "Grüße \U0001f4de", "x" * 70_000]
    some = (
        None,
        chance.getrandbits(63),
        -1,
        0.5,
        chance.choice(texts),
        chance.randbytes(chance.randrange(300)),
    )
    return [chance.choice(some) for _ in range(chance.randrange(9))]


def emits(chance, count):
    for number in range(count):
        yield {
            **{"command": "emit", "id": f"{number}", "tuple": some_values(chance)},
            **{"stream": "flows", "anchors": ["1", "-2"], "need_task_ids": False},
        }


def test_tuples_come_back_from_java_as_they_were_sent(answers):
    messages = list(emits(random.Random(1), 300))
    found = answers([b"".join(encode_message(message)) for message in messages])
    for message, (outcome, frame) in zip(messages, found, strict=True):
        assert outcome == b"M"
        assert Frame(frame[4:]).message() == {
            **{"id": message["id"], "comp": "emit", "stream": "flows", "task": 0},
            "tuple": message["tuple"],
        }


def test_what_is_no_frame_is_refused_and_nothing_worse(answers):
    chance = random.Random(2)
    hostile = [
        b"",
        b"\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\x7f\xff\xff\xffE",
        b'{"command": "ack"}\nend\n',
    ]
    for message in emits(chance, 300):
        frame = bytearray(b"".join(encode_message(message)))
        hostile.append(bytes(frame[: chance.randrange(len(frame))]))
        frame[chance.randrange(4, min(len(frame), 60))] ^= 1 << chance.randrange(8)
        hostile.append(bytes(frame))
    for kind in b"EAFSJHX":
        for _ in range(200):
            body = bytes([kind]) + chance.randbytes(chance.randrange(60))
            hostile.append(struct.pack(">I", len(body)) + body)
    outcomes = [outcome for outcome, _ in answers(hostile)]
    assert len(outcomes) == len(hostile)
    assert set(outcomes) == {b"M", b"R"}
    assert outcomes[:6] == [b"R"] * 6
