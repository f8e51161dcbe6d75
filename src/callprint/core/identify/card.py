"""The model card: what a network was made from and what it can judge. Data from outside, so everything is checked.

Whatever the text, `parse_card` returns a card whose fields agree with each other or raises ModelError naming the
field.
"""

import hashlib
import json
import math
from dataclasses import astuple, dataclass
from typing import Any

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card_fields import LONGEST_TEXT, fail, get, number, text_of, whole_number
from callprint.core.identify.evidence_tables import MAXIMUM_RTP
from callprint.core.identify.feature_list import FEATURE_VERSION
from callprint.core.identify.feature_row import FEATURE_NAMES, GROUPS
from callprint.core.identify.reference import Reference
from callprint.core.identify.reference_text import read_reference, reference_table

CARD_FORMAT = 1
INPUT_FEATURES = "features"  # (n, columns) float32 rows, core/identify/feature_row.py
INPUT_MATRIX = "k_matrix"  # (n, 1, k, 256) float32 images of core/identify/k_matrix.py
MATRIX_COLUMNS = 256

LONGEST_CARD = 1 << 20  # bytes of JSON text
MOST_CLASSES = 4096


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What the network reads."""

    kind: str  # INPUT_FEATURES or INPUT_MATRIX
    columns: int  # features, or bytes of each packet
    feature_version: int  # FEATURE_VERSION of the columns; 0 for a k-matrix
    minimum_packets: int  # a flow with fewer RTP packets is not judged
    maximum_packets: int  # later RTP packets are not looked at; for a k-matrix both are k


Steps = tuple[tuple[int, float], ...]
"""A value by number of packets: (from this many on, value), in rising order."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How scores become a verdict."""

    threshold: float  # lowest calibrated confidence of a sure verdict
    temperatures: Steps  # of the softmax
    novelty_thresholds: Steps  # the highest novelty score of a known application; may be empty
    engine_novelty_thresholds: Steps = ()  # of a known engine; empty: those of an application
    sure_packets: int = 0  # no verdict on fewer RTP packets is sure


@dataclass(frozen=True, slots=True)
class HeaderPolicy:
    """How flows are judged of which only headers are looked at, since payloads are too long or cut."""

    policy: Policy
    minimum_packets: int  # a flow with fewer RTP packets is not judged
    payload: tuple[float, ...]  # what stands in the feature columns of payloads: their means in training


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A checked card. `training` and `accuracy` are facts for people, kept as they were written."""

    name: str
    version: str
    classes: tuple[str, ...]
    engines: tuple[str, ...]  # the media stack of each class
    input: ModelInput
    checkpoints: tuple[int, ...]  # every k of provisional verdicts whose accuracy was measured
    policy: Policy
    onnx_file: str
    onnx_sha256: str
    training: dict[str, Any]
    accuracy: dict[str, Any]
    reference: Reference | None = None  # what drift is measured against; None: it cannot be measured
    headers: HeaderPolicy | None = None  # None: flows of headers alone are not judged

    @property
    def digest(self) -> str:
        """What tells this model from every other, whatever their names: 16 hex digits.

        Of all that a verdict depends on: the network, and how its scores become an answer.
        """
        policy = self.policy
        decides: tuple[Any, ...] = (
            self.onnx_sha256,
            self.classes,
            astuple(self.input),
            self.checkpoints,
            (policy.threshold, policy.temperatures, policy.novelty_thresholds),
        )
        if policy.engine_novelty_thresholds or policy.sure_packets:  # cards of earlier releases have neither
            decides += (self.engines, policy.engine_novelty_thresholds, policy.sure_packets)
        if self.headers is not None:  # nor headers, and keep the digest that they have always had
            decides += astuple(self.headers)
        return hashlib.sha256(repr(decides).encode()).hexdigest()[:16]


def _names(table: Any, field: str) -> tuple[str, ...]:
    values = get(table, field)
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_CLASSES:
        raise fail(field, f"is not a list of 1 to {MOST_CLASSES} names")
    return tuple(text_of({field: value}, field) for value in values)


def _steps(table: Any, field: str, least: float, most: float) -> Steps:
    return _checked_steps(get(table, field), field, least, most)


def _checked_steps(values: Any, field: str, least: float, most: float) -> Steps:
    if not isinstance(values, list) or len(values) > MAXIMUM_RTP:
        raise fail(field, "is not a list of [packets, number] pairs")
    steps = []
    for pair in values:
        if not isinstance(pair, list) or len(pair) != 2:
            raise fail(field, "is not a list of [packets, number] pairs")
        steps.append((whole_number(pair[0], field, 1, MAXIMUM_RTP), number(pair[1], field, least, most)))
    if [packets for packets, _ in steps] != sorted({packets for packets, _ in steps}):
        raise fail(field, "is not in rising order of packets")
    return tuple(steps)


def _input(table: Any) -> ModelInput:
    kind = text_of(get(table, "input"), "input.kind")
    section = table["input"]
    least = whole_number(get(section, "input.minimum_packets"), "input.minimum_packets", 1, MAXIMUM_RTP)
    most = whole_number(get(section, "input.maximum_packets"), "input.maximum_packets", least, MAXIMUM_RTP)
    columns = whole_number(get(section, "input.columns"), "input.columns", 1, 1 << 16)
    version = whole_number(get(section, "input.feature_version"), "input.feature_version", 0, 1 << 16)
    if kind == INPUT_FEATURES:
        if version != FEATURE_VERSION or columns != len(FEATURE_NAMES):
            raise fail(
                "input",
                f"is feature version {version} with {columns} columns; this program computes version "
                f"{FEATURE_VERSION} with {len(FEATURE_NAMES)}: use a model of this release or train a new one",
            )
    elif kind == INPUT_MATRIX:
        if columns != MATRIX_COLUMNS or least != most or version != 0:
            raise fail("input", f"is not a k-matrix of {MATRIX_COLUMNS} columns with one k")
    else:
        raise fail("input.kind", f"is neither {INPUT_FEATURES} nor {INPUT_MATRIX}")
    return ModelInput(kind, columns, version, least, most)


def _policy(table: Any, field: str) -> Policy:
    section = get(table, field)
    policy = Policy(
        threshold=number(get(section, f"{field}.threshold"), f"{field}.threshold", 0.0, 1.0),
        temperatures=_steps(section, f"{field}.temperatures", 0.01, 100.0),
        novelty_thresholds=_steps(section, f"{field}.novelty_thresholds", -1e9, 1e9),
        engine_novelty_thresholds=_checked_steps(
            section.get("engine_novelty_thresholds", []), f"{field}.engine_novelty_thresholds", -1e9, 1e9
        ),
        sure_packets=whole_number(section.get("sure_packets", 0), f"{field}.sure_packets", 0, MAXIMUM_RTP),
    )
    if not policy.temperatures:
        raise fail(f"{field}.temperatures", "is empty")
    return policy


def _headers(table: dict[str, Any], form: ModelInput) -> HeaderPolicy | None:
    if table.get("headers") is None:
        return None
    if form.kind != INPUT_FEATURES:
        raise fail("headers", f"is not for a network over {form.kind}")
    policy = _policy(table, "headers")
    least = get(table["headers"], "headers.minimum_packets")
    payload = get(table["headers"], "headers.payload")
    columns = len(GROUPS["payload"])
    if not isinstance(payload, list) or len(payload) != columns:
        raise fail("headers.payload", f"is not a list of {columns} numbers")
    return HeaderPolicy(
        policy,
        whole_number(least, "headers.minimum_packets", form.minimum_packets, form.maximum_packets),
        tuple(number(value, "headers.payload", -1e9, 1e9) for value in payload),
    )


def _facts(table: Any, field: str) -> dict[str, Any]:
    value = get(table, field)
    if not isinstance(value, dict):
        raise fail(field, "is not a JSON object")
    try:
        json.dumps(value, ensure_ascii=False).encode()  # as stores and files will hold it
    except UnicodeEncodeError:
        raise fail(field, "holds half a surrogate pair") from None
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits:.20} is more than a number can be")
    return value


def parse_card(text: str) -> ModelCard:
    """Return the checked card. Raises ModelError that says what is wrong with it."""
    if len(text) > LONGEST_CARD:
        raise ModelError(f"model card: longer than {LONGEST_CARD} bytes")
    try:
        table = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model card: not JSON: {str(error)[:LONGEST_TEXT]}") from None
    whole_number(get(table, "format"), "format", CARD_FORMAT, CARD_FORMAT)
    classes = _names(table, "classes")
    engines = _names(table, "engines")
    if len(set(classes)) != len(classes):
        raise fail("classes", "names a class twice")
    if len(engines) != len(classes):
        raise fail("engines", f"has {len(engines)} entries for {len(classes)} classes")
    form = _input(table)
    checkpoints = get(table, "checkpoints")
    if not isinstance(checkpoints, list) or not checkpoints:
        raise fail("checkpoints", "is not a list of packet counts")
    steps = tuple(
        whole_number(k, "checkpoints", form.minimum_packets, form.maximum_packets) for k in checkpoints
    )
    if list(steps) != sorted(set(steps)):
        raise fail("checkpoints", "is not in rising order")
    onnx = get(table, "onnx")
    file = text_of(onnx, "onnx.file")
    digest = text_of(onnx, "onnx.sha256")
    if "/" in file or "\\" in file or file.startswith("."):
        raise fail("onnx.file", "is not a plain file name")
    if len(digest) != 64 or not all(character in "0123456789abcdef" for character in digest):
        raise fail("onnx.sha256", "is not a SHA-256 digest in hexadecimal")
    return ModelCard(
        name=text_of(table, "name"),
        version=text_of(table, "version"),
        classes=classes,
        engines=engines,
        input=form,
        checkpoints=steps,
        policy=_policy(table, "policy"),
        onnx_file=file,
        onnx_sha256=digest,
        training=_facts(table, "training"),
        accuracy=_facts(table, "accuracy"),
        reference=read_reference(
            table.get("reference"),
            len(classes),
            form.columns if form.kind == INPUT_FEATURES else 0,
        ),
        headers=_headers(table, form),
    )


def _policy_table(policy: Policy) -> dict[str, Any]:
    return {
        "threshold": policy.threshold,
        "temperatures": [list(step) for step in policy.temperatures],
        "novelty_thresholds": [list(step) for step in policy.novelty_thresholds],
        "engine_novelty_thresholds": [list(step) for step in policy.engine_novelty_thresholds],
        "sure_packets": policy.sure_packets,
    }


def card_text(card: ModelCard) -> str:
    """Return the JSON text of a card: the inverse of `parse_card`."""
    table: dict[str, Any] = {
        "format": CARD_FORMAT,
        "name": card.name,
        "version": card.version,
        "classes": list(card.classes),
        "engines": list(card.engines),
        "input": {
            "kind": card.input.kind,
            "columns": card.input.columns,
            "feature_version": card.input.feature_version,
            "minimum_packets": card.input.minimum_packets,
            "maximum_packets": card.input.maximum_packets,
        },
        "checkpoints": list(card.checkpoints),
        "policy": _policy_table(card.policy),
        "onnx": {"file": card.onnx_file, "sha256": card.onnx_sha256},
        "training": card.training,
        "accuracy": card.accuracy,
    }
    if card.headers is not None:
        table["headers"] = _policy_table(card.headers.policy) | {
            "minimum_packets": card.headers.minimum_packets,
            "payload": list(card.headers.payload),
        }
    text = json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False)
    if card.reference is not None:
        # Thousands of numbers that only programs read: on one line, so that people can read the rest.
        reference = json.dumps(reference_table(card.reference), separators=(",", ":"), allow_nan=False)
        text = f'{text.removesuffix("}").rstrip()},\n "reference": {reference}\n}}'
    return text + "\n"
