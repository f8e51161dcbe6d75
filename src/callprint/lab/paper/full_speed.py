"""How fast networks judge flows, on the processor and on CUDA: the graph alone, and through the identify bolt's code.

The flows are those of a packed file with a packet every 20 ms, repeated as often as a batch needs. What the bolt does
between a flow's evidence and its verdict is measured by calling what it calls: byte images or features, the network,
the rule of confidence, in slices that keep Storm alive.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from callprint.core.evidence import EVIDENCE_RTP
from callprint.core.identify.card import (
    INPUT_FEATURES,
    INPUT_MATRIX,
    MATRIX_COLUMNS,
    ModelCard,
    ModelInput,
    Policy,
)
from callprint.inference import DEFAULT_MODEL, OnnxIdentifier, load_model
from callprint.lab.identification.processor import processor
from callprint.lab.paper.full import full_procedures
from callprint.lab.paper.full_section import SPEED
from callprint.topology.pacing import PacedIdentifier
from callprint.topology.steady_identifier import SteadyIdentifier
from callprint.training.dataset import RTP_HEADER
from callprint.training.export import sha256
from callprint.training.paper.networks import ALEXNET
from callprint.training.paper.packed import PackedFlows

BATCHES = (1, 32, 256, 1024)
TIMED_K = (4, 10, 20)
LOGGED_PACKETS = 100
PACKET_NS = 20_000_000
LEAST_RUNS, LEAST_S, LONGEST_S = 3, 0.2, 10.0
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True, slots=True)
class Timed:
    """A network that is timed."""

    name: str
    card: ModelCard
    graph: bytes


def _best_s(run: Callable[[], object]) -> float:
    # After one run that is not counted: CUDA chooses its kernels then.
    begin = time.perf_counter()
    run()
    first_s = time.perf_counter() - begin
    if first_s > LONGEST_S:
        return first_s
    taken: list[float] = []
    while len(taken) < LEAST_RUNS or sum(taken) < LEAST_S:
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def evidence_of(packed: PackedFlows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return evidence (bytes,) uint8 and spans (count, 2) of the first packets of flows that have enough."""
    starts = np.cumsum(packed.packets) - packed.packets
    enough = np.flatnonzero(packed.packets >= min(LOGGED_PACKETS, int(packed.packets.max())))[:count]
    rows = packed.rows()
    logs = []
    for flow in enough:
        log = bytearray()
        for i in range(min(LOGGED_PACKETS, int(packed.packets[flow]))):
            packet = int(starts[flow]) + i
            size = RTP_HEADER + int(packed.sizes[packed.payload[packet]])
            log += (
                (i * PACKET_NS).to_bytes(8, "little") + size.to_bytes(2, "little") + bytes([EVIDENCE_RTP, 0])
            )
            log += rows[packet, :size].tobytes()
        logs.append(bytes(log))
    ends = np.cumsum([len(log) for log in logs])
    spans = np.column_stack([ends - [len(log) for log in logs], ends]).astype(np.int64)
    return np.frombuffer(b"".join(logs), np.uint8), np.resize(spans, (count, 2))


def timed_networks(packed: PackedFlows, cache: Path) -> list[Timed]:
    """Return the shipped compact network, and the AlexNets of TIMED_K as far as they are trained."""
    found = [Timed("compact", load_model(DEFAULT_MODEL).card, DEFAULT_MODEL.read_bytes())]
    classes = tuple(str(name) for name in packed.classes)
    for procedure in full_procedures():
        file = cache / procedure.name / "network.onnx"
        k = procedure.k
        if procedure.kind != ALEXNET or k not in TIMED_K or not file.exists():
            continue
        graph = file.read_bytes()
        card = ModelCard(
            name=procedure.name,
            version="1",
            classes=classes,
            engines=classes,
            input=ModelInput(INPUT_MATRIX, MATRIX_COLUMNS, 0, k, k),
            checkpoints=(k,),
            policy=Policy(0.9, ((k, 1.0),), ()),
            onnx_file=file.name,
            onnx_sha256=sha256(graph),
            training={},
            accuracy={},
        )
        found.append(Timed(f"{procedure.kind}, k = {k}", card, graph))
    return found


def _rows(timed: Timed, provider: str, evidence: np.ndarray, spans: np.ndarray) -> list[str]:
    form = timed.card.input
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(timed.graph, options, providers=[provider])
    identifier = OnnxIdentifier(timed.card, timed.graph, providers=[provider])
    bolt = PacedIdentifier(SteadyIdentifier(identifier), lambda: None)
    shape = (form.columns,) if form.kind == INPUT_FEATURES else (1, form.maximum_packets, form.columns)
    given = {node.name for node in session.get_outputs()}
    outputs = [name for name in ("logits", "novelty") if name in given]
    alone, whole = [], []
    for batch in BATCHES:
        values = np.zeros((batch, *shape), np.float32)
        # The paper's networks give deep features as well, which no verdict needs.
        alone_s = _best_s(lambda values=values: session.run(outputs, {form.kind: values}))  # type: ignore[misc]
        whole_s = _best_s(lambda batch=batch: bolt.identify(evidence, spans[:batch]))  # type: ignore[misc]
        alone.append(f"{1e3 * alone_s:.2f} ms, {batch / alone_s:,.0f}")
        whole.append(f"{1e3 * whole_s:.2f} ms, {batch / whole_s:,.0f}")
    on = session.get_providers()[0].removesuffix("ExecutionProvider")
    return [
        f"| {timed.name} | {on} | {what} | {' | '.join(cells)} |"
        for what, cells in (("alone", alone), ("bolt", whole))
    ]


def measure_speed(packed: PackedFlows, cache: Path, results: Path, say: Callable[[str], None]) -> None:
    """Time every network on everything that there is, and write a table into the results."""
    evidence, spans = evidence_of(packed, max(BATCHES))
    providers = [name for name in (CPU, CUDA) if name in onnxruntime.get_available_providers()]
    lines = []
    for timed in timed_networks(packed, cache):
        for provider in providers:
            say(f"{timed.name}: {provider}")
            lines += _rows(timed, provider, evidence, spans)
    head = "| network | on | measured | " + " | ".join(f"{batch:,} flows" for batch in BATCHES) + " |"
    text = (
        "### Speed of inference\n\nMilliseconds for a batch, and flows each second; one thread of "
        f"{processor()}, and CUDA where there is a GPU; best of several runs, wall-clock time. *Alone* is the graph on "
        "rows in memory, *bolt* goes from evidence to verdicts as the identify bolt does.\n\n"
        + "\n".join([head, "|" + "---|" * (3 + len(BATCHES)), *lines])
        + "\n"
    )
    results.mkdir(parents=True, exist_ok=True)
    (results / SPEED).write_text(text, encoding="utf-8")
