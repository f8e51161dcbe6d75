"""Exemplars of a network: feature rows of its training calls, so that it can learn more without forgetting these.

Features only: no payload, no address, no time of day, and nothing that leads back to a call but a number. They belong
to one network, by the digest of its file. The file is data from outside: nothing is unpickled, every size is checked
before it is read, and whatever the bytes, `load_exemplars` returns exemplars that fit or raises ModelError.
"""

import tokenize
import zipfile
import zlib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO

import numpy as np

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import ModelCard
from callprint.core.identify.feature_list import FEATURE_VERSION
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.training.sampling import View

FORMAT = 1
MOST_ROWS = 200_000
MOST_OF_A_CLASS = 2_000  # rows that stay where an application is added to again and again
DIGEST_CHARACTERS = 64
MOST_STEPS = 127
LARGEST_VALUE = 1e30  # of a feature
LARGEST_HEADER = 256  # bytes of the text that says what an array holds
_ROW_TYPES = {
    "target": np.dtype("<u2"),
    "call": np.dtype("<u4"),
    "seen": np.dtype("u1"),
    "packets": np.dtype("u1"),
    "first": np.dtype("<u2"),
    "renegotiated": np.dtype("?"),
    "headers": np.dtype("?"),
}
_CODES = np.dtype(
    "i1"
)  # features in 255 steps of their scale; what lies beyond, the network does not tell apart either
_SCALE = np.dtype("<f4")
_PACKETS = FEATURE_NAMES.index(
    "packets_log2"
)  # kept exactly: it decides which space of novelty measures a row


_DAMAGE = (
    ValueError,
    KeyError,
    EOFError,
    NotImplementedError,  # a kind of archive that zipfile does not know
    RuntimeError,  # encrypted
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,  # in the text that says what an array holds
    tokenize.TokenError,
)


@dataclass(frozen=True, slots=True)
class Exemplars:
    """Rows of n windows; arrays of (n,) unless said otherwise."""

    network: str  # SHA-256 of the network's file, 64 hex digits
    features: np.ndarray  # (n, F) float32
    target: np.ndarray  # int64, class of the network
    call: np.ndarray  # int64: windows of one call have one number
    seen: np.ndarray  # int64, RTP packets in the window
    packets: np.ndarray  # int64, k of the view; 0: drawn as training draws windows
    first: np.ndarray  # int64, first RTP packet of the view
    renegotiated: np.ndarray  # bool
    headers: np.ndarray  # bool: judged by headers alone

    def chosen(self, rows: np.ndarray) -> "Exemplars":
        """Return some of the rows; rows: indices or (n,) bool."""
        return Exemplars(
            self.network,
            *(getattr(self, field.name)[rows] for field in fields(self) if field.name != "network"),
        )

    def of_view(self, view: View) -> np.ndarray:
        """Return which rows show flows as a view does, (n,) bool."""
        found: np.ndarray = (
            (self.packets == view.packets)
            & (self.first == view.first)
            & (self.renegotiated == view.renegotiated)
            & (self.headers == view.headers)
        )
        return found


def exemplars_path(network: Path) -> Path:
    """Return where a network's exemplars lie: `NAME-exemplars.npz` beside `NAME.onnx`."""
    return network.with_name(f"{network.stem}-exemplars.npz")


def join_exemplars(before: Exemplars, more: Exemplars) -> Exemplars:
    """Return the exemplars of the network of `more`; the calls of both have numbers of their own.

    Of a class that has too many, as many stay as a file may hold.
    """
    apart = replace(more, call=more.call + before.call.max(initial=-1) + 1)
    both = Exemplars(
        more.network,
        *(
            np.concatenate([getattr(before, field.name), getattr(apart, field.name)])
            for field in fields(Exemplars)
            if field.name != "network"
        ),
    )
    return both.chosen(_bounded(both.target))


def _bounded(target: np.ndarray) -> np.ndarray:
    """Return which rows stay, ascending: of a class at most MOST_OF_A_CLASS, drawn; together at most MOST_ROWS."""
    rng = np.random.default_rng(1)
    classes = np.unique(target)
    most = min(MOST_OF_A_CLASS, MOST_ROWS // max(len(classes), 1))
    drawn = [rng.permutation(np.flatnonzero(target == each))[:most] for each in classes]
    rows: np.ndarray = np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)
    return rows


def save_exemplars(exemplars: Exemplars, mean: np.ndarray, reach: np.ndarray, path: Path) -> None:
    """Write exemplars as .npz, compressed, without pickled objects.

    mean, reach: (F,) float32, of each feature the middle of its scale, and how far the network tells values apart.
    """
    arrays: dict[str, np.ndarray] = {
        name: getattr(exemplars, name).astype(kind) for name, kind in _ROW_TYPES.items()
    }
    step = reach / MOST_STEPS
    codes = np.clip(np.rint((exemplars.features - mean) / step), -MOST_STEPS, MOST_STEPS)
    arrays["features"] = codes.astype(_CODES).T  # one feature of all rows side by side: alike, so they shrink
    arrays["mean"], arrays["step"] = mean.astype(_SCALE), step.astype(_SCALE)
    arrays["version"] = np.array([FORMAT, FEATURE_VERSION], "<u4")
    arrays["network"] = np.frombuffer(exemplars.network.encode("ascii"), np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in sorted(arrays.items()):
            member = zipfile.ZipInfo(f"{name}.npy")  # no time of writing: the same rows give the same file
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w") as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def load_exemplars(path: Path, card: ModelCard) -> Exemplars:
    """Read what `save_exemplars` wrote for the network of a card.

    Raises ModelError when they are missing, damaged, or those of another network.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = _checked(archive, path)
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing: a network learns more only with its exemplars; make them with "
            "`python -m callprint.training.make_exemplars`"
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or 'damaged'}") from None
    except _DAMAGE:
        raise ModelError(f"{path} holds no exemplars, or damaged ones") from None
    if found.network != card.onnx_sha256:
        raise ModelError(f"{path} has the exemplars of another network than {card.onnx_file}")
    if found.target.max(initial=0) >= len(card.classes):
        raise ModelError(f"{path} has exemplars of more applications than {card.onnx_file} knows")
    return found


def _checked(archive: zipfile.ZipFile, path: Path) -> Exemplars:
    version = _read(archive, "version", np.dtype("<u4"), (2,))
    if version.tolist() != [FORMAT, FEATURE_VERSION]:
        raise ModelError(
            f"{path} has format {version[0]} and features {version[1]}; this program reads format {FORMAT} with "
            f"features {FEATURE_VERSION}"
        )
    network = _read(archive, "network", np.dtype("u1"), (DIGEST_CHARACTERS,)).tobytes().decode("ascii")
    rows = {name: _read(archive, name, kind, (None,)) for name, kind in _ROW_TYPES.items()}
    codes = _read(archive, "features", _CODES, (len(FEATURE_NAMES), None))
    mean, step = (_read(archive, name, _SCALE, (len(FEATURE_NAMES),)) for name in ("mean", "step"))
    if {len(each) for each in rows.values()} != {codes.shape[1]}:
        raise ValueError("rows")
    if not (np.abs(mean) < LARGEST_VALUE).all() or not (np.abs(step) < LARGEST_VALUE).all():
        raise ValueError("scale")
    features = np.ascontiguousarray(mean + step * codes.T)  # (n, F) float32
    features[:, _PACKETS] = np.log2(rows["seen"] + np.float32(1))
    flags = {name: rows.pop(name).astype(np.bool_) for name in ("renegotiated", "headers")}
    numbers = {name: values.astype(np.int64) for name, values in rows.items()}
    return Exemplars(network=network, features=features, **numbers, **flags)


def _read(archive: zipfile.ZipFile, name: str, kind: np.dtype, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return one array, whose size is checked before its bytes are read. Raises ValueError or KeyError."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(name)
    with archive.open(member) as stream:
        got = _shape(stream, kind)
        if len(got) != len(shape) or any(
            have > MOST_ROWS if want is None else have != want for have, want in zip(got, shape, strict=True)
        ):
            raise ValueError(name)
        size = int(np.prod(got)) * kind.itemsize
        data = stream.read(size + 1)
    if len(data) != size:
        raise ValueError(name)
    values: np.ndarray = np.frombuffer(data, np.uint8 if kind == np.bool_ else kind).reshape(got)
    return values


def _shape(stream: IO[bytes], kind: np.dtype) -> tuple[int, ...]:
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(version)
    shape, fortran, found = np.lib.format.read_array_header_1_0(stream, max_header_size=LARGEST_HEADER)
    if fortran or found != kind or min(shape, default=0) < 0:
        raise ValueError(found)
    return tuple(shape)
