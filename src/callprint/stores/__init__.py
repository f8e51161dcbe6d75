"""Verdict stores: SQLite in one file, Cassandra for a cluster, behind one interface (`base.VerdictStore`)."""

import os
import re
from pathlib import Path

from callprint.core.ground.errors import ConfigError, StoreError
from callprint.stores.base import StoredVerdict, UnknownEvidence, VerdictStore
from callprint.stores.queries import CallQuery, VerdictQuery
from callprint.stores.sqlite import SqliteStore
from callprint.stores.sqlite_evidence import EvidenceLimits

__all__ = [
    "CallQuery",
    "EvidenceLimits",
    "StoredVerdict",
    "UnknownEvidence",
    "VerdictQuery",
    "VerdictStore",
    "data_folder",
    "default_store_url",
    "open_store",
]

STORE_VARIABLE = "CALLPRINT_STORE"
_SCHEME = re.compile("[a-z][a-z0-9+]+")  # of a URL: what begins so is no new file, unless `sqlite:` says so


def data_folder() -> Path:
    """Return the user's data folder of callprint, by the XDG Base Directory specification; it need not exist.

    Raises ConfigError when neither XDG_DATA_HOME nor the system says where the user's files are.
    """
    data_home = os.environ.get("XDG_DATA_HOME", "")
    # The specification: "All paths must be absolute. If [...] relative [...] consider the path invalid".
    if data_home.startswith("/"):
        return Path(data_home) / "callprint"
    try:
        return Path.home() / ".local" / "share" / "callprint"
    except RuntimeError as error:  # as for a user without an entry, in a container
        raise ConfigError("this user has no home directory: set HOME or XDG_DATA_HOME") from error


def default_store_url() -> str:
    """Return the store to use when none is named: CALLPRINT_STORE, else a file in the user's data folder.

    The data folder is in XDG_DATA_HOME, or in ~/.local/share. Raises ConfigError as `data_folder` does.
    """
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return named
    return f"sqlite:{data_folder() / 'verdicts.sqlite'}"


def open_store(
    url: str | None = None, *, create: bool = True, evidence_limits: EvidenceLimits | None = None
) -> VerdictStore:
    """Open the verdict store that `url` names: `sqlite:PATH`, a plain path, or `cassandra://HOST[:PORT]/KEYSPACE`.

    Without a URL it is `default_store_url()`. With `create` false, as a query wants it, a store that does not exist
    is an error and is not made. `evidence_limits`: how much evidence of unknown flows a file keeps; a keyspace has
    a time to live of its own.

    Raises StoreError when the URL has no known form, the store cannot be opened, or its driver is missing; ConfigError
    as `data_folder` does.
    """
    url = url or default_store_url()
    scheme, separator, rest = url.partition(":")
    if scheme == "cassandra":
        return _open_cassandra(url, create=create)
    is_url = scheme == "sqlite" and separator
    if not is_url and (
        rest.startswith("//") or (separator and _SCHEME.fullmatch(scheme) and not Path(url).exists())
    ):
        raise StoreError(
            f"{url}: no such kind of store; use sqlite:PATH, a plain path, or cassandra://HOST/KEYSPACE"
        )
    try:
        path = Path(rest if is_url else url).expanduser()
    except RuntimeError as error:  # `~name` without such a user
        raise StoreError(f"{url}: {error}") from error
    return SqliteStore(path, create=create, evidence_limits=evidence_limits)


def _open_cassandra(url: str, *, create: bool) -> VerdictStore:
    try:
        # The driver is in the extra `cluster`, which a reader of one capture does not install.
        from callprint.stores.cassandra import CassandraStore  # noqa: PLC0415 - see above
    except ImportError as error:
        raise StoreError(
            f"{url} needs the Cassandra driver ({error}); install it with: sh tools/setup.sh cluster, in a clone"
        ) from error
    return CassandraStore.from_url(url, create=create)
