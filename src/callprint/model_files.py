"""The models at hand, by their cards: found and checked without ONNX Runtime."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import LONGEST_CARD, ModelCard, parse_card

SHIPPED = next(
    (
        folder
        for folder in (
            Path(__file__).with_name("shipped_models"),
            Path(__file__).resolve().parents[2] / "models",
        )
        if folder.is_dir()
    ),
    Path("models"),
)
"""The models that come with callprint: in a wheel inside the package, else beside `src/` in the clone."""
DEFAULT_MODEL = SHIPPED / "compact.onnx"
"""The network that is used where none is named."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A network on disk with its card."""

    path: Path
    card: ModelCard
    intact: bool  # the file is the one that the card describes


def models_at(paths: Iterable[Path]) -> Iterator[ModelFile | ModelError]:
    """Give the models in folders, and those named by their files (.onnx or .json); an error for a bad card.

    A JSON file in a folder that has no network beside it is passed over.
    """
    for path in paths:
        if path.is_dir():
            for card in sorted(path.glob("*.json")):
                if card.with_suffix(".onnx").is_file():
                    yield _one(card)
        else:
            yield _one(path.with_suffix(".json"))


def read_card_text(card_path: Path) -> str:
    """Return the text of a card, or more of it than `parse_card` takes. Raises ModelError when it cannot be read."""
    try:
        with card_path.open("rb") as stream:
            return stream.read(4 * LONGEST_CARD).decode("utf-8")
    except OSError as error:
        raise ModelError(
            f"no model card {card_path}: {error.strerror} (it lies beside the network, {card_path.stem}.onnx)"
        ) from error
    except UnicodeDecodeError:
        raise ModelError(f"model card {card_path} is not UTF-8 text") from None


def _one(card_path: Path) -> ModelFile | ModelError:
    try:
        text = read_card_text(card_path)
    except ModelError as error:
        return error
    try:
        card = parse_card(text)
    except ModelError as error:
        return ModelError(f"{card_path}: {error}")
    path = card_path.with_name(card.onnx_file)
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        digest = ""
    return ModelFile(path, card, digest == card.onnx_sha256)
