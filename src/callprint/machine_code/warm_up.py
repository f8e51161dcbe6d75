"""Everything compiled that a capture needs, by name, to be compiled (or loaded) ahead of the first packet."""

from collections.abc import Callable

import numpy as np

from callprint.core import capture, dissect
from callprint.core.calls.facts import CALL
from callprint.core.calls.packet_index import SPAN, PacketIndex, hashes_of
from callprint.core.capture import bpf
from callprint.core.declared.evidence_texts import declared_in
from callprint.core.fingerprint.fingerprint import fingerprints
from callprint.core.flow import engine
from callprint.core.ground.pieces import copy_pieces
from callprint.core.identify.evidence_tables import logs_by_headers
from callprint.core.identify.features import features
from callprint.core.identify.k_matrix import k_matrices
from callprint.core.packets import PACKET
from callprint.core.relay import packet_shipping, shipping
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.own_detector import OwnDetector
from callprint.core.spam.sightings import Sightings
from callprint.declared_names import shipped_names


def _identification() -> None:
    nothing = np.zeros(0, np.uint8), np.zeros((0, 2), np.int64)
    features(*nothing)
    k_matrices(*nothing, 2)
    declared_in(nothing[0], np.zeros((1, 2), np.int64), shipped_names())
    fingerprints(nothing[0], np.zeros((1, 2), np.int64))
    logs_by_headers(*nothing)


def _calls() -> None:
    call, step, now_ns = np.zeros(1, CALL), np.zeros(1, np.int64), [0]
    detector, vector = OwnDetector(), np.full((1, FEATURE_COUNT), np.nan)
    CallHistory(capacity=16).play(call, step, step - 1, vector)
    seen = Sightings(16).play(call, step)
    detector.judge_calls(call, vector, np.ones(1, np.bool_), now_ns, seen)


def _keeping() -> None:
    one, span = np.ones(1, np.int64), np.zeros(1, SPAN)
    copy_pieces(np.zeros(2, np.uint8), one, np.zeros(2, np.uint8), one, one)
    PacketIndex.of(np.zeros(1, PACKET)).find(span, hashes_of(span))


def _shipping() -> None:
    shipping.warm_up()
    packet_shipping.warm_up()


STEPS: dict[str, Callable[[], None]] = {
    "capture formats": capture.warm_up,
    "packet filters": bpf.warm_up,
    "dissection": dissect.warm_up,
    "flow engine": engine.warm_up,
    "identification features": _identification,
    "calls": _calls,
    "kept packets": _keeping,
    "wire format": _shipping,
}
