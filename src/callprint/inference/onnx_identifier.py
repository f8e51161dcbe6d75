"""A network in ONNX Runtime as an `Identifier`, checked against its card before it is used.

The graph is data from outside: its digest must be the card's, its inputs and outputs must have the shapes that
the card implies, and it must be self-contained (no external data files).
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime

from callprint.core.flow.layout import NO_APPLICATION
from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import INPUT_FEATURES, ModelCard, parse_card
from callprint.core.identify.decision import SURE, Decisions, decide
from callprint.core.identify.evidence_tables import logs_by_headers
from callprint.core.identify.feature_row import group_columns
from callprint.core.identify.features import features, packet_counts
from callprint.core.identify.k_matrix import k_matrices
from callprint.inference.graph_check import check_graph, float_constant
from callprint.inference.two_parts import TwoParts
from callprint.model_files import read_card_text

LARGEST_MODEL = 2 << 30  # bytes
FEATURE_BATCH = 4096  # evidence logs for one run of the network: bounds memory
MEAN = "mean"  # the constant that a network of features subtracts, as training/export.py names it
MATRIX_BATCH_BYTES = 32 << 20  # k-matrices for one run
PARTS_PAY = 5_000
"""Logs judged before the network is cut in two: that takes 40 ms, and saves some 8 us for each that is not named."""
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""What may run a network, by ONNX Runtime's names: the first one that there is."""


class OnnxIdentifier:
    """Names the applications that sent flows, from their evidence logs, with one network."""

    def __init__(
        self, card: ModelCard, graph: bytes, threads: int = 1, providers: Sequence[str] = PROVIDERS
    ) -> None:
        """Load the network. Raises ModelError when it is damaged or does not fit the card."""
        check_graph(graph, card.onnx_file)
        self.card = card
        self._threads = threads
        self._providers = providers
        self._session = self._opened(graph)
        self._check_shapes()
        form = card.input
        row = (form.columns,) if form.kind == INPUT_FEATURES else (1, form.maximum_packets, form.columns)
        mean = float_constant(graph, MEAN) if form.kind == INPUT_FEATURES else None
        tells = mean is not None and mean.shape == row and bool(np.isfinite(mean).all())
        self.usual_row = mean if tells else None
        """The feature row (F,) that says nothing: the means in training; None when the network does not tell."""
        self._run(np.zeros((2, *row), np.float32))  # what cannot run is refused before anything is read
        self._graph = graph
        self._judged = 0
        self._parts: TwoParts | None = None

    def _opened(self, graph: bytes) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # fatal: an error is raised, and must not be printed besides
        known = onnxruntime.get_available_providers()
        try:
            return onnxruntime.InferenceSession(
                graph, options, providers=[name for name in self._providers if name in known]
            )
        except Exception as error:  # ONNX Runtime has no base class for what a graph can do to it
            raise ModelError(f"{self.card.onnx_file} is not a network for ONNX Runtime: {error}") from error

    def _check_shapes(self) -> None:
        form = self.card.input
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        shape = [form.columns] if form.kind == INPUT_FEATURES else [1, form.maximum_packets, form.columns]
        name = form.kind
        fits = (
            set(inputs) == {name} and list(inputs[name].shape[1:]) == shape and "float" in inputs[name].type
        )
        if not fits:
            sizes = ", ".join(map(str, shape))
            raise ModelError(f"{self.card.onnx_file} does not take (n, {sizes}) float32 named {name}")
        if "logits" not in outputs or list(outputs["logits"].shape[1:]) != [len(self.card.classes)]:
            raise ModelError(
                f"{self.card.onnx_file} does not score the {len(self.card.classes)} classes of its card"
            )
        if self.card.policy.novelty_thresholds and "novelty" not in outputs:
            raise ModelError(f"{self.card.onnx_file} has no novelty score, which its card's policy needs")
        embedding = outputs["embedding"].shape[1:] if "embedding" in outputs else []
        has_one = form.kind == INPUT_FEATURES and len(embedding) == 1 and isinstance(embedding[0], int)
        self._embedding_columns: int = embedding[0] if has_one else 0
        self._outputs = [output for output in ("logits", "novelty") if output in outputs]

    @property
    def name(self) -> str:
        """Name and version, as verdicts hold them."""
        return f"{self.card.name} {self.card.version}"

    @property
    def digest(self) -> str:
        """What tells it from every other model, as verdicts hold it."""
        return self.card.digest

    @property
    def provider(self) -> str:
        """What runs the network, by ONNX Runtime's name."""
        return str(self._session.get_providers()[0])

    @property
    def applications(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.card.classes

    @property
    def engines(self) -> tuple[str, ...]:
        """The engine of each class."""
        return self.card.engines

    @property
    def minimum_k(self) -> int:
        """The fewest RTP packets that it can judge."""
        return self.card.input.minimum_packets

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Every k of provisional verdicts whose accuracy was measured."""
        return self.card.checkpoints

    def scores(self, evidence: np.ndarray, spans: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return logits (n, classes) float32, novelty (n,) float32 and RTP packets looked at (n,) int64.

        Of a log that is judged by headers no packet is looked at unless the card says how.
        """
        spans = np.asarray(spans, np.int64).reshape(-1, 2)
        logits = np.zeros((len(spans), len(self.card.classes)), np.float32)
        novelty = np.zeros(len(spans), np.float32)
        packets = np.zeros(len(spans), np.int64)
        form = self.card.input
        matrix_bytes = 4 * form.maximum_packets * form.columns
        batch = FEATURE_BATCH if form.kind == INPUT_FEATURES else max(1, MATRIX_BATCH_BYTES // matrix_bytes)
        for start in range(0, len(spans), batch):
            part = slice(start, start + batch)
            if form.kind == INPUT_FEATURES:
                rows = self.feature_rows(evidence, spans[part])
                packets[part] = packet_counts(rows)
            else:
                images, packets[part] = k_matrices(evidence, spans[part], form.maximum_packets)
                rows = images[:, np.newaxis]  # (n, 1, k, 256) float32
            if self.card.headers is None:
                packets[part][logs_by_headers(evidence, spans[part])] = 0
            results = self._run(rows)
            logits[part] = results[0]
            if len(results) > 1:
                novelty[part] = results[1]
        return logits, novelty, packets

    def embedding(self, evidence: np.ndarray, spans: np.ndarray) -> np.ndarray:
        """Return the position of each flow among all flows, (n, columns) float32: like lies near like, known or not.

        Raises ModelError when the network has no such output.
        """
        if not self._embedding_columns:
            raise ModelError(
                f"{self.card.onnx_file} has no embedding of flows: train it anew with `callprint train`"
            )
        spans = np.asarray(spans, np.int64).reshape(-1, 2)
        positions = np.zeros((len(spans), self._embedding_columns), np.float32)
        for start in range(0, len(spans), FEATURE_BATCH):
            part = slice(start, start + FEATURE_BATCH)
            rows = self.feature_rows(evidence, spans[part])
            (positions[part],) = self._results(["embedding"], rows)
        return positions

    def feature_rows(self, evidence: np.ndarray, spans: np.ndarray) -> np.ndarray:
        """Return the feature row of each log, (n, F) float32, with what the card says in place of missing payloads."""
        rows = features(evidence, spans, self.card.input.maximum_packets)
        if self.card.headers is not None:
            rows[logs_by_headers(evidence, spans), group_columns("payload")] = self.card.headers.payload
        return rows

    def scores_of_rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return logits (n, classes) float32 and, if the network has one, novelty (n,) float32; rows: of its input."""
        results = self._run(rows)
        return results[0], results[1] if len(results) > 1 else None

    def _run(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return logits and, if there is one, novelty. Raises ModelError unless there is one of each for each row."""
        results = self._results(self._outputs, rows)
        shapes = [(len(rows), len(self.card.classes)), (len(rows),)]
        for name, result, shape in zip(self._outputs, results, shapes, strict=False):
            if result.shape != shape or result.dtype.kind != "f":
                raise ModelError(
                    f"{self.card.onnx_file} gives {name} of shape {result.shape} and type {result.dtype} for "
                    f"{len(rows)} flows, instead of {shape} and float32"
                )
        return results

    def _results(self, outputs: list[str], rows: np.ndarray) -> list[np.ndarray]:
        try:
            results: list[np.ndarray] = self._session.run(outputs, {self.card.input.kind: rows})
        except Exception as error:  # ONNX Runtime has no base class for what a graph can do to it
            raise ModelError(f"{self.card.onnx_file} cannot run: {error}") from error
        return results

    def identify(self, evidence: np.ndarray, spans: np.ndarray) -> Decisions:
        """Judge the logs evidence[spans[i, 0]:spans[i, 1]]; evidence: (bytes,) uint8, spans: (n, 2) int64."""
        spans = np.asarray(spans, np.int64).reshape(-1, 2)
        by_headers = logs_by_headers(evidence, spans)
        before = self._judged
        self._judged += len(spans)
        if before < PARTS_PAY <= self._judged:
            self._parts = self._in_parts()
        if self._parts is None or not len(spans):
            return self._decide(*self.scores(evidence, spans), by_headers)
        found = [
            self._decide_in_parts(self._parts, evidence, spans[start:end], by_headers[start:end])
            for start, end in pairwise([*range(0, len(spans), FEATURE_BATCH), len(spans)])
        ]
        if len(found) == 1:
            return found[0]
        return Decisions(
            *(np.concatenate([getattr(part, name) for part in found]) for name in Decisions.__slots__)
        )

    def _in_parts(self) -> TwoParts | None:
        """Return the network in two parts; None for one that is better run as it is."""
        form = self.card.input
        if form.kind != INPUT_FEATURES or self.provider != "CPUExecutionProvider":
            return None
        try:
            return TwoParts(self._graph, self._opened, form.kind, form.columns)
        except ModelError:
            return None

    def _decide_in_parts(
        self, network: TwoParts, evidence: np.ndarray, spans: np.ndarray, by_headers: np.ndarray
    ) -> Decisions:
        rows = self.feature_rows(evidence, spans)
        packets = self._packets(rows, by_headers)
        logits, handed = network.logits(rows)
        # Where nothing is sure even of a flow that is not novel at all, its novelty changes nothing.
        found = self._decide(logits, np.full(len(rows), -np.inf, np.float32), packets, by_headers)
        of = np.flatnonzero((found.reason == SURE) | (found.engine != NO_APPLICATION))
        if len(of):
            novelty = network.novelty(handed, of)
            _write(found, of, self._decide(logits[of], novelty, packets[of], by_headers[of]))
        return found

    def identify_rows(self, rows: np.ndarray, by_headers: np.ndarray) -> Decisions:
        """Judge what `feature_rows` gave, (n, F) float32; by_headers: (n,) bool, of `logs_by_headers`."""
        packets = self._packets(rows, by_headers)
        logits, *novelty = self._run(np.ascontiguousarray(rows))
        return self._decide(
            logits, novelty[0] if novelty else np.zeros(len(rows), np.float32), packets, by_headers
        )

    def _packets(self, rows: np.ndarray, by_headers: np.ndarray) -> np.ndarray:
        """Return how many packets were looked at; of logs that are judged by headers none unless the card says how."""
        packets = packet_counts(rows)
        if self.card.headers is None:
            packets[by_headers] = 0
        return packets

    def _decide(
        self, logits: np.ndarray, novelty: np.ndarray, packets: np.ndarray, by_headers: np.ndarray
    ) -> Decisions:
        found = decide(self.card.policy, self.engines, self.minimum_k, logits, novelty, packets)
        headers, of = self.card.headers, by_headers
        if headers is not None and of.any():
            least = headers.minimum_packets
            others = decide(headers.policy, self.engines, least, logits[of], novelty[of], packets[of])
            _write(found, of, others)
        return found


def _write(found: Decisions, of: np.ndarray, others: Decisions) -> None:
    """Put other decisions in the place of some, `of`."""
    for name in Decisions.__slots__:
        getattr(found, name)[of] = getattr(others, name)


def card_path(model: Path) -> Path:
    """Return the path of a model file's card: `NAME.json` beside it."""
    return model.with_suffix(".json")


def load_model(path: str | Path, threads: int = 1) -> OnnxIdentifier:
    """Load a network and its card. Raises ModelError when one is missing or damaged, or they do not fit."""
    model = Path(path)
    if model.is_dir():
        raise ModelError(f"{model} is a folder: name a network in it")
    card = parse_card(read_card_text(card_path(model)))
    if card.onnx_file != model.name:
        raise ModelError(f"model card {card_path(model)} is about {card.onnx_file}, not {model.name}")
    try:
        if model.stat().st_size > LARGEST_MODEL:
            raise ModelError(f"{model} is larger than {LARGEST_MODEL} bytes")
        graph = model.read_bytes()
    except OSError as error:
        raise ModelError(f"no model {model}: {error.strerror}") from error
    if hashlib.sha256(graph).hexdigest() != card.onnx_sha256:
        raise ModelError(f"{model} is not the file that its card describes: the SHA-256 digests differ")
    return OnnxIdentifier(card, graph, threads)
