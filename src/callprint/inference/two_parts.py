"""A network in ONNX Runtime that is run in two parts (graph_parts.py): novelty where somebody asks for it."""

from collections.abc import Callable

import numpy as np
import onnxruntime

from callprint.core.ground.errors import ModelError
from callprint.inference.graph_parts import parts


class TwoParts:
    """Logits of all rows, novelty of some; both are those of the whole network."""

    def __init__(
        self, graph: bytes, opened: Callable[[bytes], onnxruntime.InferenceSession], form: str, columns: int
    ) -> None:
        """Cut and load. form, columns: name and width of the input. Raises ModelError for what cannot be cut."""
        found = parts(graph, "logits", "novelty")
        if found is None:
            raise ModelError("nothing to cut")
        self._form = form
        self._takes = found.takes
        self._gives = ["logits", *found.handed_on]
        self._first, self._second = opened(found.first), opened(found.second)
        handed = self.logits(np.zeros((2, columns), np.float32))[1]
        self.novelty(handed, np.arange(2))  # what cannot run must not be found out later

    def logits(self, rows: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return logits, (n, classes) float32, and what `novelty` is to be given; rows: (n, columns) float32."""
        try:
            found = self._first.run(self._gives, {self._form: rows})
        except Exception as error:  # ONNX Runtime has no base class for what a graph can do to it
            raise ModelError(f"the network cannot run: {error}") from error
        given = {self._form: rows, **dict(zip(self._gives, found, strict=True))}
        return found[0], {name: given[name] for name in self._takes}

    def novelty(self, handed: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Return the novelty of some rows, (m,) float32; rows: (m,) int64, their indices."""
        try:
            found: list[np.ndarray] = self._second.run(
                ["novelty"], {name: values[rows] for name, values in handed.items()}
            )
        except Exception as error:  # as above
            raise ModelError(f"the network cannot run: {error}") from error
        if found[0].shape != rows.shape:
            raise ModelError(f"the network gives novelty of shape {found[0].shape} for {len(rows)} flows")
        return found[0]
