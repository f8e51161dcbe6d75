"""Processor time of every step between a capture and the store, on one core, without the services.

It prints the unit costs that docs/operate/scale.md calculates with: microseconds a packet or a flow for the agent, the
spout and each bolt (Storm's and Kafka's own JVMs come on top), and the bytes that cross Kafka.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from traffic import write_calls

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings, FlowEngine
from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import PartJudge, judge_together
from callprint.core.relay.shipping import Shipper
from callprint.core.wire.media import MediaBatch, PartKind, decode_media, encode_media
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.sources import open_captures
from callprint.topology.frames import Frame, encode_message
from callprint.topology.partition_stream import PartitionStream, Ticket

PARTITIONS = 8
TUPLE_HEAD = b"T" + 3 * b"\xff\xff" + bytes(4)
EMIT_HEAD_BYTES = 16  # length, kind, flag, no names, task, no anchors
FLUSH_BATCHES = 4  # capture batches between flushes: an agent flushes every 0.2 s


class Costs:
    """Processor seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Add the time spent inside to `step`."""
        begin = time.process_time()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.process_time() - begin


def ship(paths: list[Path], flows: int, costs: Costs) -> tuple[int, list[list[bytes]]]:
    """Run the agent's path without Kafka; return packets read and the records of each partition."""
    settings = EngineSettings(maximum_flows=2 * flows)
    engine, shipper = FlowEngine(settings), Shipper(1, PARTITIONS, settings.maximum_flows)
    topics: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    packets = 0

    def send(batches: list[tuple[int, MediaBatch]]) -> None:
        for partition, batch in batches:
            topics[partition].append(encode_media(batch))

    for number, (data, records) in enumerate(open_captures(paths)):
        packets += len(records)
        with costs.of("agent: dissect"):
            rows = dissect(data, records)
        drains = engine.process(data, rows)
        while True:
            with costs.of("agent: flow engine"):
                told = next(drains, None)
            if told is None:
                break
            with costs.of("agent: parts and encoding"):
                send(shipper.take(told))
        if number % FLUSH_BATCHES == 0:
            with costs.of("agent: parts and encoding"):
                send(shipper.flush())
    for told in engine.finish():
        with costs.of("agent: parts and encoding"):
            send(shipper.take(told))
    send(shipper.flush())
    return packets, topics


def frame_of(*values: object) -> bytes:
    """Return a tuple as Storm passes it on to the next bolt."""
    emit = b"".join(encode_message({"command": "emit", "tuple": values}))
    return TUPLE_HEAD + emit[EMIT_HEAD_BYTES:]


def received(frame: bytes) -> list[Any]:
    """Return the values of such a tuple."""
    return list(Frame(frame).message()["tuple"])


def work_off(topics: list[list[bytes]], model: Path, together: int, costs: Costs) -> tuple[int, int]:
    """Run the work of spout and bolts; return verdicts and bytes of tuples. `together`: tuples judged at once."""
    identifier = load_model(model)
    verdicts = tuple_bytes = 0
    waiting: list[tuple[PartJudge, bytes]] = []

    def identify() -> list[bytes]:
        """Do the bolt's work on tuples that came within a few milliseconds; return the rows of each."""
        with costs.of("identify_application"):
            work = [(judge, decode_media(received(frame)[0])) for judge, frame in waiting]
            waiting.clear()
            return [
                frame_of(rows_to_text(said.verdicts), rows_to_text(said.summaries))
                for said in judge_together(work)
            ]

    for partition, topic in enumerate(topics):
        stream, assembly, judge = (
            PartitionStream(partition, 0, {}, 1),
            PartitionAssembly(),
            PartJudge(identifier),
        )
        for offset, record in enumerate(topic):
            with costs.of("spout"):
                taken = stream.take(offset, record, 0.0)
                frame = frame_of(record)
            with costs.of("assemble_flows"):
                came = received(frame)[0]
                batch = decode_media(came)
                told = assembly.absorb(batch)
                assembled = frame_of(came if told is batch else encode_media(told))
            waiting.append((judge, assembled))
            said = identify() if len(waiting) == together or offset + 1 == len(topic) else []
            for rows in said:
                with costs.of("store_verdicts, without the store"):
                    first, second = received(rows)
                    verdicts += len(text_to_verdicts(first))
                    text_to_summaries(second)
                tuple_bytes += len(rows)
            with costs.of("spout"):
                assert taken is not None
                stream.acked(Ticket.parse(taken[0].text()))
            tuple_bytes += len(frame) + len(assembled)
    return verdicts, tuple_bytes


def main() -> None:
    """Run captures, or generated calls, through every step and print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "captures",
        nargs="*",
        type=Path,
        help="captures, folders (default: generated calls of unknown senders)",
    )
    parser.add_argument("--flows", type=int, default=2000, help="to generate")
    parser.add_argument(
        "--packets", type=int, default=500, help="packets of each flow: 500 are 10 s of G.711"
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument(
        "--together",
        type=int,
        nargs="+",
        default=[8],
        help="tuples that are judged in one run of the network",
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = chosen.captures
        if not paths:
            paths = [Path(folder) / "calls.pcap"]
            write_calls(paths[0], chosen.flows, chosen.packets)
        for number, together in enumerate([chosen.together[0], *chosen.together]):
            costs = Costs()
            packets, topics = ship(paths, chosen.flows, costs)
            verdicts, tuple_bytes = work_off(topics, chosen.model, together, costs)
            if number:  # a first run loads the compiled code
                print(f"{together} tuples judged together:")
                report(packets, topics, verdicts, tuple_bytes, costs)


def report(packets: int, topics: list[list[bytes]], verdicts: int, tuple_bytes: int, costs: Costs) -> None:
    """Print the results of one run."""
    batches = [decode_media(record) for topic in topics for record in topic]
    flows = sum(int((batch.parts["kind"] == PartKind.END).sum()) for batch in batches)
    heads = sum(len(batch.packets) for batch in batches)
    shipped = sum(len(record) for topic in topics for record in topic)
    print(f"{packets} packets read, {heads} packets shipped, {flows} flows, {verdicts} verdicts")
    print(f"{len(batches)} records, {shipped / flows:.0f} bytes a flow, {tuple_bytes / flows:.0f} in tuples")
    for step, seconds in costs.seconds.items():
        of_agent = step.startswith("agent")
        rate = (packets if of_agent else heads) / seconds
        print(
            f"{step:36} {seconds:7.3f} s  {seconds / flows * 1e6:7.1f} us a flow  "
            f"{rate / 1e3:7.0f} thousand packets {'read' if of_agent else 'shipped'}/s"
        )


if __name__ == "__main__":
    main()
