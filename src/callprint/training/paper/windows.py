"""The paper's windows as byte images: k consecutive packets, the next window a random step in [1, k] later."""

import hashlib
from dataclasses import dataclass

import numpy as np

from callprint.core.identify.card import MATRIX_COLUMNS
from callprint.core.identify.k_matrix import k_matrices
from callprint.training.dataset import Dataset
from callprint.training.windows import cut_windows

DIGEST_PACKETS = 10
CHUNK = 2048  # windows cut at a time: bounds memory
TRAINING_SHARE = 0.8  # the paper, section VIII-A: 80 % of the windows train, 20 % validate


@dataclass(frozen=True, slots=True)
class Images:
    """Windows of one k as bytes; `flow` is the index of each window's flow in the dataset."""

    images: np.ndarray  # (n, k, 256) uint8
    flow: np.ndarray  # (n,) int64

    def part(self, chosen: np.ndarray) -> "Images":
        """Return the windows `chosen`, (m,) int64."""
        return Images(self.images[chosen], self.flow[chosen])


def window_starts(packets: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return the first packets (n,) int64 of a flow's windows, each a random step in [1, k] after the one before."""
    steps = rng.integers(1, k + 1, max(0, packets - k))
    starts = np.cumsum(np.r_[0, steps])
    return starts[starts + k <= packets]


def cut_images(dataset: Dataset, flow: np.ndarray, first: np.ndarray, k: int) -> Images:
    """Return the image of k packets from `first` on of each flow, both (n,) int64, without windows that do not fit."""
    images = np.zeros((len(flow), k, MATRIX_COLUMNS), np.uint8)
    filled = np.zeros(len(flow), np.int64)
    for start in range(0, len(flow), CHUNK):
        part = slice(start, start + CHUNK)
        windows = cut_windows(dataset.buffer, dataset.spans, flow[part], first[part], k)
        matrices, filled[part] = k_matrices(windows.buffer, windows.spans, k)
        images[part] = np.rint(matrices * 255.0).astype(np.uint8)
    whole = filled == k
    return Images(images[whole], flow[whole])


def images_digest(dataset: Dataset) -> str:
    """Return the SHA-256 of what the networks here can see: labels, and the first packets of every flow.

    RTCP and handshakes are not in byte images: when they change, no network has to be trained again.
    """
    total = hashlib.sha256()
    for column in (dataset.application, dataset.split, dataset.packets):
        total.update(np.ascontiguousarray(column).tobytes())
    flows = np.arange(len(dataset.packets))
    total.update(first_windows(dataset, flows, DIGEST_PACKETS).images.tobytes())
    return total.hexdigest()


def as_input(images: np.ndarray) -> np.ndarray:
    """Return images (n, k, 256) uint8 as a network takes them: (n, 1, k, 256) float32 in [0, 1]."""
    scaled: np.ndarray = images[:, np.newaxis].astype(np.float32) / np.float32(255.0)
    return scaled


def _of_each_class(classes: np.ndarray, most: int | None) -> np.ndarray:
    # Indices of at most `most` windows of each class, in their order.
    if most is None:
        return np.arange(len(classes))
    chosen = [np.flatnonzero(classes == each)[:most] for each in np.unique(classes)]
    return np.sort(np.concatenate(chosen))


def leaky_windows(
    dataset: Dataset,
    flows: np.ndarray,
    target: np.ndarray,
    k: int,
    most: tuple[int | None, int | None],
    seed: int,
) -> tuple[Images, Images]:
    """Return training and validation windows as the paper splits them: at random, so calls lie on both sides.

    `most`: of each class that train, and that validate; None: all. target: (flows of the dataset,) class.
    """
    rng = np.random.default_rng(seed)
    starts = [window_starts(int(dataset.packets[index]), k, rng) for index in flows]
    flow = np.repeat(flows, [len(of_flow) for of_flow in starts])
    first = np.concatenate(starts)
    order = rng.permutation(len(flow))
    seen, unseen = np.split(order, [int(TRAINING_SHARE * len(order))])
    seen = seen[_of_each_class(target[flow[seen]], most[0])]
    unseen = unseen[_of_each_class(target[flow[unseen]], most[1])]
    return cut_images(dataset, flow[seen], first[seen], k), cut_images(
        dataset, flow[unseen], first[unseen], k
    )


def windows_by_flow(dataset: Dataset, flows: np.ndarray, k: int, most: int, seed: int) -> Images:
    """Return at most `most` windows of each flow, drawn from its random steps."""
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(window_starts(int(dataset.packets[index]), k, rng))[:most] for index in flows]
    flow = np.repeat(flows, [len(of_flow) for of_flow in drawn])
    return cut_images(dataset, flow, np.concatenate(drawn), k)


def first_windows(dataset: Dataset, flows: np.ndarray, k: int) -> Images:
    """Return the first k packets of each flow that has as many: what the paper judges a pending flow by."""
    return cut_images(dataset, flows, np.zeros(len(flows), np.int64), k)
