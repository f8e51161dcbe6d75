"""Packed flows on the device that trains: windows are drawn there, and cut out of the packets when they are needed."""

from dataclasses import dataclass

import numpy as np
import torch

from callprint.core.identify.card import MATRIX_COLUMNS
from callprint.training.classes import TRAINING_SPLIT
from callprint.training.examine import LEAST_PACKETS
from callprint.training.paper.cells import EXAMINED_SPLITS
from callprint.training.paper.networks import PaperNetwork
from callprint.training.paper.packed import PackedFlows
from callprint.training.paper.windows import TRAINING_SHARE

EXAMINED_BYTES = 64 << 20  # of images that a network examines at a time


@dataclass(frozen=True, slots=True)
class DeviceFlows:
    """The packets of all flows, and where each flow begins."""

    rows: torch.Tensor  # (packets, 256) uint8
    start: torch.Tensor  # (flows,) int64
    packets: torch.Tensor  # (flows,) int64
    target: torch.Tensor  # (flows,) int64
    split: np.ndarray  # (flows,) unicode

    @classmethod
    def of(cls, packed: PackedFlows, device: torch.device) -> "DeviceFlows":
        """Bring packed flows to a device."""
        columns = (
            packed.rows(),
            np.cumsum(packed.packets) - packed.packets,
            packed.packets.astype(np.int64),
            packed.target.astype(np.int64),
        )
        return cls(*(torch.from_numpy(column).to(device) for column in columns), split=packed.split)

    def of_split(self, split: str, least_packets: int) -> torch.Tensor:
        """Return the flows (n,) int64 of a split that have as many packets."""
        chosen = torch.from_numpy(self.split == split).to(self.rows.device)
        return torch.nonzero(chosen & (self.packets >= least_packets)).flatten()


@dataclass(frozen=True, slots=True)
class DeviceWindows:
    """Windows of k packets: the first packet of each, and the flow that it belongs to."""

    flows: DeviceFlows
    k: int
    flow: torch.Tensor  # (n,) int64
    first: torch.Tensor  # (n,) int64, among all packets

    @property
    def count(self) -> int:
        """How many windows there are."""
        return len(self.flow)

    def part(self, chosen: torch.Tensor) -> "DeviceWindows":
        """Return some of the windows."""
        return DeviceWindows(self.flows, self.k, self.flow[chosen], self.first[chosen])

    def batch(self, part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images (n, 1, k, 256) float32 in [0, 1] and classes (n,) of the windows `part`."""
        packets = self.first[part, None] + torch.arange(self.k, device=self.first.device)
        images = self.flows.rows[packets].float() / 255.0
        return images[:, None], self.flows.target[self.flow[part]]


def draw_windows(flows: DeviceFlows, chosen: torch.Tensor, k: int, random: torch.Generator) -> DeviceWindows:
    """Return the windows of the flows `chosen`, each a random step in [1, k] after the one before."""
    packets = flows.packets[chosen]
    longest = int(packets.max()) if len(chosen) else 0
    steps = torch.randint(1, k + 1, (len(chosen), longest), generator=random, device=random.device)
    first = steps.cumsum(1) - steps[:, :1]
    fits = first + k <= packets[:, None]
    row = torch.nonzero(fits)[:, 0]
    return DeviceWindows(flows, k, chosen[row], flows.start[chosen][row] + first[fits])


def at_most(windows: DeviceWindows, most: int, random: torch.Generator) -> DeviceWindows:
    """Return at most as many windows of each flow, drawn at random."""
    shuffled = windows.part(torch.randperm(windows.count, generator=random, device=random.device))
    order = torch.argsort(shuffled.flow, stable=True)
    flow = shuffled.flow[order]
    _names, counts = torch.unique_consecutive(flow, return_counts=True)
    place = torch.arange(len(flow), device=flow.device) - torch.repeat_interleave(
        counts.cumsum(0) - counts, counts
    )
    return shuffled.part(order[place < most])


def first_windows(flows: DeviceFlows, chosen: torch.Tensor, k: int) -> DeviceWindows:
    """Return the first k packets of each flow."""
    return DeviceWindows(flows, k, chosen, flows.start[chosen])


def leaky_split(flows: DeviceFlows, k: int, seed: int) -> tuple[DeviceWindows, DeviceWindows]:
    """Return the windows of dataset1 that train and that validate, split at random as the paper does."""
    random = torch.Generator(flows.rows.device).manual_seed(seed)
    windows = draw_windows(flows, flows.of_split(TRAINING_SPLIT, LEAST_PACKETS), k, random)
    order = torch.randperm(windows.count, generator=random, device=random.device)
    training = int(TRAINING_SHARE * windows.count)
    return windows.part(order[:training]), windows.part(order[training:])


def examined_windows(
    flows: DeviceFlows, k: int, of_flow: int, seed: int
) -> dict[str, tuple[DeviceWindows, DeviceWindows]]:
    """Return of each split that examines at most `of_flow` windows of a flow, and every flow's first k packets."""
    random = torch.Generator(flows.rows.device).manual_seed(seed)
    found = {}
    for split in EXAMINED_SPLITS:
        chosen = flows.of_split(split, max(LEAST_PACKETS, k))
        if len(chosen):
            drawn = at_most(draw_windows(flows, chosen, k, random), of_flow, random)
            found[split] = (drawn, first_windows(flows, chosen, k))
    return found


def right_of(network: PaperNetwork, windows: DeviceWindows) -> int:
    """Return how many windows a network on their device names right, in float32."""
    step = max(1, EXAMINED_BYTES // (4 * windows.k * MATRIX_COLUMNS))
    right = 0
    numbers = torch.arange(windows.count, device=windows.flow.device)
    with torch.no_grad():
        for start in range(0, windows.count, step):
            images, wanted = windows.batch(numbers[start : start + step])
            right += int((network(images).argmax(1) == wanted).sum())
    return right
