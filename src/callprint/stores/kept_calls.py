"""Packets of calls that are kept: a folder, by default beside the SQLite store, one file a call (ADR 0015).

A file is written under another name and renamed, so that there is no half of one. Files of calls that end together are
synced together; what a power failure leaves half-written in between is refused when it is read. Each file is bound to
its call: by a digest at its end, or, with a key, by AES-256-GCM, which nobody without the key can do anew.
"""

import contextlib
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.core.call import CallRecord
from callprint.core.ground.errors import ConfigError, StoreError
from callprint.owner_only import make_folder, owner_only
from callprint.stores.base import VerdictStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_VARIABLE = "CALLPRINT_KEY_FILE"
KEPT_VARIABLE = "CALLPRINT_KEPT_CALLS"
KEY_BYTES = 32
MAGIC = b"callprint kept 1"
LARGEST_FILE = 4 << 30
NEAR_NS = 1_000_000_000
"""Two captures of a call, by an agent and by `callprint identify` beside it, may date its first packet so far apart."""

PLAIN, ENCRYPTED = ".pcapng", ".pcapng.enc"
_BEGAN = re.compile(r"~(-?\d{1,19})\.pcapng(?:\.enc)?\Z", re.ASCII)
_NONCE = 12
_SEAL_TYPE = 0x8CA11E02  # reserved for local use, as BLOCK_TYPE of core/calls/kept.py
_SEAL_BYTES = 12 + 32
_SYNCED_AT_ONCE = 16
_DAY_S = 86_400
_LISTED_EVERY = 1_000  # calls that are kept: another process may keep calls in the same folder
_ABANDONED_AFTER_S = 3_600  # a file that was being written when its process died


@dataclass(frozen=True, slots=True)
class KeptLimits:
    """How much is kept: of more the oldest goes. Days are those of the wall clock."""

    calls: int = 10_000
    mebibytes: int = 2_048
    days: int = 30


def read_key(path: str | Path | None) -> bytes | None:
    """Return the key in a file, None where no file is named. Raises ConfigError unless it holds 32 bytes."""
    if not path:
        return None
    try:
        with Path(path).expanduser().open("rb") as stream:
            key = stream.read(KEY_BYTES + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: `~name` without such a user
        raise ConfigError(f"key file {path}: {getattr(error, 'strerror', error)}") from error
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"key file {path} must hold {KEY_BYTES} random bytes: `head -c {KEY_BYTES} /dev/urandom > FILE` makes one"
        )
    return key


def folder_beside(store: VerdictStore) -> Path | None:
    """Return the folder for the packets of a store's calls, which need not exist; None: the store is no file."""
    scheme, _, path = store.url.partition(":")
    return Path(path + ".calls") if scheme == "sqlite" else None


class KeptCalls:
    """The folder. `forgotten` counts the calls that went since it was opened."""

    def __init__(
        self,
        folder: Path,
        key: bytes | None = None,
        limits: KeptLimits | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """key: 32 bytes. Nothing is made before the first call is kept. Raises ConfigError without `cryptography`."""
        self._folder = folder
        self._cipher = _cipher(key) if key else None
        self._limits = limits or KeptLimits()
        self._now_s = now_s
        self._files: dict[Path, tuple[float, int]] | None = None  # when written, how large: the oldest first
        self._size = 0  # of all of them
        self._until_listed = 0
        self._unsynced: list[Path] = []
        self.forgotten = 0

    @property
    def path(self) -> Path:
        """The folder, which need not exist."""
        return self._folder

    def put(self, call: CallRecord, capture: bytes) -> None:
        """Keep the packets of a call, in place of those that were; `sync` lets them survive a power failure.

        Raises StoreError when they cannot be written, or are more than is kept in all.
        """
        name = self._name(call)
        if self._cipher is None:
            capture += _seal(name, capture)
        else:
            nonce = os.urandom(_NONCE)
            capture = MAGIC + nonce + self._cipher.encrypt(nonce, capture, MAGIC + name.encode())
        target = self._folder / (name + (PLAIN if self._cipher is None else ENCRYPTED))
        if (
            len(capture) > self._limits.mebibytes << 20
        ):  # for which all others would have to go, and then this one
            raise StoreError(f"{target}: larger than the {self._limits.mebibytes} MiB that are kept in all")
        waiting = self._folder / f".{name}.{os.getpid()}"
        try:
            files = self._found()
            self._without(files, target)  # which is replaced
            self._make_room(files, len(capture))
            with open(waiting, "wb", opener=_private) as stream:
                stream.write(capture)
            waiting.replace(target)
            other = self._folder / (name + (ENCRYPTED if self._cipher is None else PLAIN))
            if other in files:  # kept by an earlier run with, or without, a key
                other.unlink(missing_ok=True)
                self._without(files, other)
        except OSError as error:
            with contextlib.suppress(OSError):
                waiting.unlink()
            self._files = None
            raise StoreError(f"{target}: {error.strerror}") from error
        files[target] = self._now_s(), len(capture)
        self._size += len(capture)
        self._unsynced.append(target)

    def sync(self) -> list[StoreError]:
        """Let the disk have what was put since the last time, all of it at once; return what went wrong, file by file.

        A file that the disk did not take is deleted.
        """
        paths, self._unsynced = list(dict.fromkeys(self._unsynced)), []
        if not paths:
            return []
        with ThreadPoolExecutor(
            _SYNCED_AT_ONCE
        ) as pool:  # so that a journalling file system writes once for many
            errors = [
                (path, error) for path, error in zip(paths, pool.map(_sync, paths), strict=True) if error
            ]
        _sync(self._folder)  # the names
        for path, _ in errors:
            with contextlib.suppress(OSError):
                path.unlink()
            self._files = None
        return [StoreError(f"{path}: {error.strerror}") for path, error in errors]

    def has(self, call: CallRecord) -> bool:
        """Return whether packets of a call are kept."""
        return self._file(call) is not None

    def get(self, call: CallRecord, key: Callable[[], bytes | None] = lambda: None) -> bytes | None:
        """Return the capture with the packets of a call, None where there is none.

        key: gives the key where this folder has none and the file is encrypted. Raises ConfigError when the key is
        missing or another one, StoreError when the file is damaged, or another call's.
        """
        path = self._file(call)
        if path is None:
            return None
        try:
            with open(path, "rb", opener=_no_link) as stream:
                if os.fstat(stream.fileno()).st_size > LARGEST_FILE:
                    raise StoreError(f"{path} is larger than callprint writes")
                data = stream.read()
        except FileNotFoundError:
            return None  # another process deleted it just now, as its bounds say
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        name = path.name.partition(".")[0]
        if path.name.endswith(PLAIN):
            capture, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
            if seal != _seal(name, capture):
                raise StoreError(
                    f"{path} is not as it was kept of this call: damaged, cut off, or another call's"
                )
            return capture
        found = None if self._cipher else key()
        cipher = _cipher(found) if found else self._cipher
        if cipher is None:
            raise ConfigError(f"{path} is encrypted: name its key with --key-file or ${KEY_VARIABLE}")
        if not data.startswith(MAGIC) or len(data) < len(MAGIC) + _NONCE:
            raise StoreError(f"{path} is no encrypted file of callprint")
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only with a key

        nonce, sealed = data[len(MAGIC) :][:_NONCE], data[len(MAGIC) + _NONCE :]
        try:
            return cipher.decrypt(nonce, sealed, MAGIC + name.encode())
        except InvalidTag:
            raise ConfigError(f"{path} was encrypted with another key, or is damaged") from None

    def _file(self, call: CallRecord) -> Path | None:
        name = self._name(call)
        found = [self._folder / (name + ending) for ending in (ENCRYPTED, PLAIN)]
        found += self._near(name, call.started_ns)
        return next((path for path in found if _regular(path) is not None), None)

    def _near(self, name: str, started_ns: int) -> list[Path]:
        """Return files of a call that another capture saw begin at nearly the same time, the nearest first."""
        digest = name.partition("~")[0]
        apart = []
        for path in self._folder.glob(f"{digest}~*"):
            found = _BEGAN.search(path.name)
            if found:
                apart.append((abs(int(found[1]) - started_ns), path))
        return [path for away_ns, path in sorted(apart) if away_ns <= NEAR_NS]

    @staticmethod
    def _name(call: CallRecord) -> str:
        """Return the name of a call's file: a digest, because a Call-ID may hold anything, and when the call began."""
        key = "\0".join((call.call_id, call.from_tag))
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{digest}~{call.started_ns}"

    def _found(self) -> dict[Path, tuple[float, int]]:
        if self._files is None or not self._until_listed:
            make_folder(self._folder)
            entries = []
            for path in self._folder.iterdir():
                state = _regular(path)
                if state is None:
                    continue  # a link, a folder, or what another process just deleted
                if path.name.startswith(".") and self._now_s() - state.st_mtime > _ABANDONED_AFTER_S:
                    path.unlink(missing_ok=True)
                elif path.name.endswith((PLAIN, ENCRYPTED)):
                    entries.append((state.st_mtime, state.st_size, path))
            self._files = {path: (written_s, size) for written_s, size, path in sorted(entries)}
            self._size = sum(size for _, size, _ in entries)
            self._until_listed = _LISTED_EVERY
        self._until_listed -= 1
        return self._files

    def _make_room(self, files: dict[Path, tuple[float, int]], needed: int) -> None:
        """Delete what is too old, and the oldest until one more file fits."""
        oldest_s = self._now_s() - self._limits.days * _DAY_S
        while files:
            path, (written_s, _) = next(iter(files.items()))
            fits = needed + self._size <= self._limits.mebibytes << 20 and len(files) < self._limits.calls
            if fits and written_s >= oldest_s:
                return
            path.unlink(missing_ok=True)
            self._without(files, path)
            self.forgotten += 1

    def _without(self, files: dict[Path, tuple[float, int]], path: Path) -> None:
        self._size -= files.pop(path, (0.0, 0))[1]


def _seal(name: str, capture: bytes) -> bytes:
    """Return a block of pcapng with a digest of a call's identity and capture: other programs pass over it."""
    size = _SEAL_BYTES.to_bytes(4, "little")
    digest = hashlib.sha256(MAGIC + name.encode() + capture).digest()
    return _SEAL_TYPE.to_bytes(4, "little") + size + digest + size


def _cipher(key: bytes) -> "AESGCM":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - only with a key
    except ImportError as error:
        raise ConfigError(
            "encryption needs the package cryptography: `sh tools/setup.sh encrypt` in the clone installs it, "
            "`pip install callprint[encrypt]` beside an installed package"
        ) from error
    return AESGCM(key)


def _regular(path: Path) -> os.stat_result | None:
    """Return the state of a file that is one; what a link leads to is none of ours."""
    try:
        state = path.lstat()
    except OSError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def _sync(path: Path) -> OSError | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None  # deleted meanwhile, as the bounds say
    except OSError as error:
        return error
    try:
        os.fsync(descriptor)
    except OSError as error:
        return error
    finally:
        os.close(descriptor)
    return None


def _private(path: str, flags: int) -> int:
    return owner_only(path, flags | os.O_NOFOLLOW)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)
