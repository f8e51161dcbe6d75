"""Names of models: one name with its version means one network, wherever models stand side by side."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import LONGEST_CARD, card_text
from callprint.stores.base import RegisteredModel, VerdictStore

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

LONGEST_NAME = 64


def checked_name(text: str) -> str:
    """Return the name of a model. Raises ModelError unless people can read it."""
    if not 0 < len(text) <= LONGEST_NAME or not text.isprintable() or text != text.strip():
        raise ModelError(f"a model's name has 1 to {LONGEST_NAME} printable characters, unlike {text!r:.80}")
    return text


def registration(identifier: "OnnxIdentifier", now_ns: int) -> RegisteredModel:
    """Return what the store lists about a model that will give verdicts."""
    card = identifier.card
    return RegisteredModel(identifier.name, card.onnx_sha256, card_text(card), now_ns)


def put_into_use(store: VerdictStore, identifier: "OnnxIdentifier", now_ns: int) -> None:
    """Register a model with the store that will keep its verdicts.

    Raises ModelError when another network of the same name gave verdicts there, and StoreError.
    """
    model = registration(identifier, now_ns)
    known = {each.digest for each in store.models() if each.name == model.name}
    if known and model.digest not in known:
        raise ModelError(
            f"{identifier.card.onnx_file} is called {model.name!r}, and so is another network whose verdicts are in "
            f"{store.url}: give it another name or version in its card (`name`, `version`), train with --name or "
            "--model-version, or use another store"
        )
    if not known:
        store.put_model(model)


def check_free(out: Path, name: str, version: str) -> None:
    """Raise ModelError when a model beside `out`, of another file, has this name and version already."""
    for card in sorted(out.parent.glob("*.json")):
        if card != out.with_suffix(".json") and _called(card) == (name, version):
            raise ModelError(
                f"{card.with_suffix('.onnx')} is called {f'{name} {version}'!r} already: give the new network another "
                "--name or --model-version"
            )


def _called(card: Path) -> tuple[object, object]:
    """Return name and version that a card gives, of whatever version; of any other file (None, None)."""
    try:
        with card.open("rb") as stream:
            table = json.loads(stream.read(LONGEST_CARD + 1))
    except (OSError, ValueError, RecursionError):
        return None, None
    return (table.get("name"), table.get("version")) if isinstance(table, dict) else (None, None)
