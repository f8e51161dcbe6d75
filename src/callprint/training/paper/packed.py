"""What the paper's networks see of a dataset, in one small file: every packet once, no image of a window.

A window is k packets in a row, and neighbouring windows share most of theirs, so packets with the place of each flow
take a hundredth of the room of all windows' images. Equal payloads, such as silence and the same test voice in another
call, are kept once.
"""

import lzma
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from callprint.core.ground.errors import DatasetError
from callprint.core.identify.card import MATRIX_COLUMNS
from callprint.core.identify.k_matrix import k_matrices
from callprint.training.classes import TRAINING_SPLIT, classes_of, training_flows
from callprint.training.dataset import RTP_HEADER, WHOLE_FLOW_PACKETS, Dataset, digest_of_arrays
from callprint.training.paper.cells import EXAMINED_SPLITS

FLOWS_AT_A_TIME = 32  # bounds memory: a flow is a megabyte of float32
PACKETS_AT_A_TIME = 1 << 16


@dataclass(frozen=True, slots=True)
class PackedFlows:
    """RTP packets of labelled flows, as far as a byte image shows them."""

    classes: np.ndarray  # names, unicode
    split: np.ndarray  # (flows,) unicode
    target: np.ndarray  # (flows,) int64: class, -1 for an application that does not train
    packets: np.ndarray  # (flows,) int64: how many, in the order of the flows
    headers: np.ndarray  # (packets, 12) uint8
    payload: np.ndarray  # (packets,) int32: which payload each has
    sizes: np.ndarray  # (payloads,) uint8: bytes of each, without the zeros at its end
    payloads: np.ndarray  # (bytes,) uint8, one after the other

    @property
    def digest(self) -> str:
        """SHA-256 over everything: names the data in results and states."""
        return digest_of_arrays(self)

    def rows(self) -> np.ndarray:
        """Return every packet as a row of an image, (packets, 256) uint8."""
        rows = np.zeros((len(self.headers), MATRIX_COLUMNS), np.uint8)
        rows[:, :RTP_HEADER] = self.headers
        starts = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        for first in range(0, len(rows), PACKETS_AT_A_TIME):
            payload = self.payload[first : first + PACKETS_AT_A_TIME]
            sizes = self.sizes[payload].astype(np.int64)
            row = np.repeat(np.arange(len(payload)), sizes)
            column = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            rows[first + row, RTP_HEADER + column] = self.payloads[np.repeat(starts[payload], sizes) + column]
        return rows


def pack_flows(dataset: Dataset, examined_packets: int = WHOLE_FLOW_PACKETS) -> PackedFlows:
    """Return what trains and examines the paper's networks, of flows that examine the first `examined_packets`.

    Raises DatasetError when nothing trains.
    """
    training = training_flows(dataset)
    classes, _engines, target = classes_of(dataset, training)
    flows = np.concatenate([training, *(dataset.of_split(split) for split in EXAMINED_SPLITS)])
    numbers: dict[bytes, int] = {}
    headers: list[np.ndarray] = []
    payload: list[int] = []
    packets: list[np.ndarray] = []
    for start in range(0, len(flows), FLOWS_AT_A_TIME):
        images, filled = k_matrices(
            dataset.buffer, dataset.spans[flows[start : start + FLOWS_AT_A_TIME]], WHOLE_FLOW_PACKETS
        )
        trains = np.isin(flows[start : start + FLOWS_AT_A_TIME], training)
        filled = np.where(trains, filled, np.minimum(filled, examined_packets))
        packets.append(filled)
        for image, count in zip(images, filled, strict=True):
            rows = np.rint(image[:count] * 255.0).astype(np.uint8)
            headers.append(rows[:, :RTP_HEADER])
            bodies = (row.tobytes().rstrip(b"\0") for row in rows[:, RTP_HEADER:])
            payload.extend(numbers.setdefault(body, len(numbers)) for body in bodies)
    return PackedFlows(
        classes=np.array(classes),
        split=dataset.split[flows],
        target=target[flows],
        packets=np.concatenate(packets),
        headers=np.concatenate(headers),
        payload=np.array(payload, np.int32),
        sizes=np.array([len(body) for body in numbers], np.uint8),
        payloads=np.frombuffer(b"".join(numbers), np.uint8),
    )


def save_packed(packed: PackedFlows, path: Path) -> None:
    """Write one file, an .npz whose members are compressed with LZMA: whole, or not at all."""
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_LZMA) as archive:
        for field in fields(PackedFlows):
            values = getattr(packed, field.name)
            # Headers by column: what a column holds in one packet it holds in the next, or one more.
            values = np.asfortranarray(values) if field.name == "headers" else values
            with archive.open(f"{field.name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
    partial.replace(path)


def load_packed(path: Path) -> PackedFlows:
    """Read what `save_packed` wrote. Raises DatasetError when it is something else."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            columns = {field.name: stored[field.name] for field in fields(PackedFlows)}
    except KeyError as error:
        raise DatasetError(f"{path}: {error.args[0]}") from None
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or 'not a file of packed flows'}") from error
    except (ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, lzma.LZMAError) as error:
        raise DatasetError(f"{path}: not a file of packed flows: {error}") from None
    packed = PackedFlows(**columns)
    if not _fits(packed):
        raise DatasetError(f"{path}: not a file of packed flows: its columns do not fit each other")
    return packed


def _fits(packed: PackedFlows) -> bool:
    kinds = {"classes": "U", "split": "U"} | dict.fromkeys(("target", "packets", "payload"), "i")
    for field in fields(PackedFlows):
        values = getattr(packed, field.name)
        if values.ndim != 1 + (field.name == "headers") or values.dtype.kind != kinds.get(field.name, "u"):
            return False
    flows, packets = len(packed.split), len(packed.headers)
    return bool(
        len(packed.target) == len(packed.packets) == flows > 0
        and TRAINING_SPLIT in packed.split
        and packed.headers.shape[1] == RTP_HEADER
        and (packed.packets >= 0).all()
        and packed.packets.sum() == packets == len(packed.payload)
        and ((packed.payload >= 0) & (packed.payload < len(packed.sizes))).all()
        and packed.sizes.max(initial=0) <= MATRIX_COLUMNS - RTP_HEADER
        and packed.sizes.sum(dtype=np.int64) == len(packed.payloads)
        and ((packed.target >= -1) & (packed.target < len(packed.classes))).all()
        and (packed.target[packed.split == TRAINING_SPLIT] >= 0).all()
    )
