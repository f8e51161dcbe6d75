"""Why a flow got its verdict: the network that gave it is asked again about the packets that are kept."""

import hashlib
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from callprint.core.ground.errors import ModelError
from callprint.core.verdict import Verdict
from callprint.model_files import ModelFile, models_at
from callprint.stores.base import UnknownEvidence

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier
    from callprint.inference.explained import Explanation

MOST_KEPT = 500
"""Explanations that are kept in memory."""

GROUP_NAMES = {
    "start": "first numbers",
    "header": "RTP header",
    "type": "payload type",
    "extension": "header extensions",
    "timestamps": "timestamps",
    "sizes": "packet sizes",
    "arrival": "arrival times",
    "payload": "payload bytes",
    "rtcp": "RTCP",
    "clear": "readable RTCP",
    "stun": "STUN",
    "dtls": "DTLS",
}
"""The groups of docs/how/features.md as a page calls them."""


class Why(NamedTuple):
    """An explanation, or in words why there is none."""

    explanation: "Explanation | None"
    problem: str = ""


class Reasons:
    """Explains verdicts with the models at hand. Every network is loaded once; may be asked from several threads."""

    def __init__(self, models: tuple[Path, ...]) -> None:
        """Load nothing yet. `models`: folders or files."""
        self._models = models
        self._loaded: dict[str, OnnxIdentifier] = {}  # by digest
        self._found: OrderedDict[tuple[bytes, str], Why] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def why(self, verdict: Verdict, kept: UnknownEvidence) -> Why:
        """Explain a verdict by the evidence that is kept of its flow."""
        if verdict.model_digest is None:
            return Why(None, "No model looked at this flow, or an older callprint did not note which one.")
        key = (hashlib.sha256(kept.evidence).digest(), verdict.model_digest)
        with self._one_at_a_time:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
            try:
                found = self._explain(verdict.model_digest, verdict.model, kept.evidence)
            except ModelError as error:
                return Why(None, str(error))
            if found.explanation is not None:
                self._found[key] = found
                if len(self._found) > MOST_KEPT:
                    self._found.popitem(last=False)
            return found

    def _explain(self, digest: str, name: str, evidence: bytes) -> Why:
        try:
            # ONNX Runtime is in the extra `cpu`; who only reads a store does without it.
            from callprint.inference.explained import explain  # noqa: PLC0415 - see above
        except ImportError as error:
            return Why(None, f"Probabilities need {error.name}: the extra `cpu` brings it.")
        identifier = self._identifier(digest)
        if identifier is None:
            return Why(
                None, f"The model that gave the verdict, {name} ({digest}), is not among the models here."
            )
        found = explain(identifier, evidence)
        return Why(found, "" if found else "The kept packets are too few or damaged.")

    def _identifier(self, digest: str) -> "OnnxIdentifier | None":
        from callprint.inference import load_model  # noqa: PLC0415 - extra `cpu`

        if digest not in self._loaded:
            for each in models_at(path for path in self._models if path.exists()):
                if isinstance(each, ModelFile) and each.intact and each.card.digest == digest:
                    self._loaded[digest] = load_model(each.path)
                    break
        return self._loaded.get(digest)


reasons_with = lru_cache(4)(Reasons)
"""The one of these models, so that pages and the REST interface share what is loaded."""
