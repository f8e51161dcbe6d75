"""Which windows an epoch trains on, and which views of a flow an evaluation looks at."""

from dataclasses import dataclass

import numpy as np

from callprint.core.identify.features import features
from callprint.training.dataset import Dataset
from callprint.training.header_windows import header_windows
from callprint.training.windows import Windows, cut_windows

PAPER_K = (2, 4, 6, 8, 10, 20, 40, 100)
HORIZON = 100
RENEGOTIATED_SHARE = 0.7  # of the windows that train
LONG = 60  # packets of a window nearly as long as a final verdict's


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a flow: what an early, a final or a late-started verdict sees of it."""

    name: str
    first: int  # first RTP packet
    packets: int
    tail: bool  # RTCP counts for a while after the last packet
    renegotiated: bool = False  # varied as if another peer had answered
    handshake: bool = True  # whether a view that begins with the flow has the handshake before it
    headers: bool = False  # whether the capture has cut every packet behind its RTP header


EARLY = View("first 10 packets", 0, 10, False)
FINAL = View("horizon", 0, HORIZON, True)
MIDFLOW = View("from the 150th packet", 150, HORIZON, True)
EARLY_MEDIA = View("first 10 packets, no handshake", 0, 10, False, handshake=False)
FINAL_MEDIA = View("horizon, no handshake", 0, HORIZON, True, handshake=False)
VIEWS = (EARLY, FINAL, EARLY_MEDIA, FINAL_MEDIA, MIDFLOW)


@dataclass(frozen=True, slots=True)
class Rows:
    """Feature rows of windows."""

    features: np.ndarray  # (n, F) float32
    flow: np.ndarray  # (n,) int64, index into the dataset
    packets: np.ndarray  # (n,) int64


def view_windows(dataset: Dataset, flows: np.ndarray, view: View) -> Windows:
    """Return one view of each flow, as the flow engine would cut it."""
    windows = cut_windows(
        dataset.buffer,
        dataset.spans,
        flows,
        view.first,
        view.packets,
        tail=view.tail,
        lead=True,
        handshake=view.handshake,
        augment=view.renegotiated,
        seed=view.packets,
    )
    return header_windows(windows) if view.headers else windows


def view_rows(dataset: Dataset, flows: np.ndarray, view: View) -> Rows:
    """Return the features of one view of each flow."""
    windows = view_windows(dataset, flows, view)
    return Rows(features(windows.buffer, windows.spans, HORIZON), windows.flow, windows.packets)


def training_rows(
    dataset: Dataset, flows: np.ndarray, per_flow: int, seed: int, augmented: float = RENEGOTIATED_SHARE
) -> Rows:
    """Draw windows for one epoch.

    Somewhat less than half begin at the flow's start, a tenth shortly after it, the others anywhere: consecutive
    windows of k are a random step in [1, k] apart (the paper, section III), so over epochs they begin everywhere with
    equal chance. Half of these are long: a flow that is seen late shows itself in many packets, if at all.
    `augmented` is the share that is renegotiated. Long windows mostly keep the RTCP behind them, as final verdicts do.
    """
    rng = np.random.default_rng(seed)
    flow = np.repeat(flows, per_flow)
    count = len(flow)
    where = rng.random(count)
    at_start, anywhere = where < 0.45, where >= 0.55
    chosen = rng.choice(np.array([*PAPER_K, 10, 20, 40, 100, 100, 100]), count)
    packets = np.where(rng.random(count) < 0.6, chosen, rng.integers(2, HORIZON + 1, count))
    long = anywhere & (rng.random(count) < 0.5)
    packets = np.where(long, rng.integers(LONG, HORIZON + 1, count), packets)
    room = np.maximum(1, dataset.packets[flow] - np.minimum(packets, dataset.packets[flow] - 1))
    placed = np.floor(rng.random(count) * room)
    late = np.minimum(rng.integers(1, 6, count), room - 1)  # the first packets were lost, or not yet captured
    first = np.where(at_start, 0, np.where(anywhere, placed, late)).astype(np.int64)
    tail = np.where(packets >= LONG, rng.random(count) < 0.85, rng.random(count) < 0.15)
    windows = cut_windows(
        dataset.buffer,
        dataset.spans,
        flow,
        first,
        packets,
        tail=tail,
        lead=rng.random(count) < 0.7,
        augment=rng.random(count) < augmented,
        seed=int(rng.integers(2**31)),
    )
    kept = windows.packets >= 2
    return Rows(
        features(windows.buffer, windows.spans, HORIZON)[kept], windows.flow[kept], windows.packets[kept]
    )
