"""A valid model card, for tests that damage it."""

import json
from typing import Any

from callprint.core.identify.card import (
    INPUT_FEATURES,
    HeaderPolicy,
    ModelCard,
    ModelInput,
    Policy,
    card_text,
)
from callprint.core.identify.feature_list import FEATURE_VERSION
from callprint.core.identify.feature_row import FEATURE_NAMES, GROUPS
from callprint.core.identify.reference import FeatureBins, Limit, Reference

CARD = ModelCard(
    name="compact",
    version="1",
    classes=("one", "two", "three"),
    engines=("x", "x", "y"),
    input=ModelInput(INPUT_FEATURES, len(FEATURE_NAMES), FEATURE_VERSION, 2, 100),
    checkpoints=(10, 100),
    policy=Policy(0.9, ((2, 1.5), (10, 1.0)), ((2, 3.0),)),
    onnx_file="compact.onnx",
    onnx_sha256="0" * 64,
    training={"flows": 3},
    accuracy={},
    reference=Reference(
        confidence=(0, 0, 0, 0, 0, 0, 1, 1, 1),
        outcomes=(2, 1, 0),
        applications=(1, 1, 1),
        features=tuple(FeatureBins((0.5,), (1, 2)) for _ in FEATURE_NAMES),
        limits=(Limit(50, (0.1, 0.1, 0.2, 0.3)), Limit(100, (0.1, 0.1, 0.1, 0.2))),
    ),
    headers=HeaderPolicy(Policy(0.95, ((2, 1.2),), ((2, 2.5),)), 10, tuple(0.5 for _ in GROUPS["payload"])),
)


def card_table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(card_text(CARD))
    return table
