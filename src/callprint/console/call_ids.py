"""What calls are called in addresses: the time they began and a keyed digest, which tells nobody their Call-ID.

Gateways make Call-IDs of numbers, and addresses are kept in histories, logs and bookmarks of people who may not see
numbers. The key lies in the console's folder, so an address stays good when the console is started again.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from callprint.core.call import CallRecord
from callprint.core.ground.errors import ConfigError
from callprint.owner_only import make_folder, owner_only
from callprint.stores import CallQuery, VerdictStore

KEY_BYTES = 32
_DIGEST_BYTES = 18
_ID = re.compile(r"(-?\d{1,19})~([\w-]{24})", re.ASCII)
_MOST_AT_ONCE = 10_000
"""Calls that began in the same nanosecond and are compared: a clock may be coarse."""


class CallIds:
    """The ids of one console."""

    def __init__(self, path: Path) -> None:
        """Take the file of the key, which is made when it is first needed."""
        self._path = path

    def of(self, call: CallRecord) -> str:
        """Return a call's id, which a URL takes as it is. Raises ConfigError when the key cannot be read or made."""
        text = "\0".join((call.call_id, call.from_tag, str(call.started_ns)))
        digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"{call.started_ns}~{base64.urlsafe_b64encode(digest[:_DIGEST_BYTES]).decode()}"

    def find(self, store: VerdictStore, text: str) -> CallRecord | None:
        """Return the last row of the call of an id, None where there is none."""
        started_ns = began_of(text)
        if started_ns is None:
            return None
        asked = CallQuery(since_ns=started_ns, until_ns=started_ns + 1, limit=_MOST_AT_ONCE)
        return next((call for call in store.calls(asked) if self.of(call) == text), None)

    def place(self, store: VerdictStore, text: str) -> tuple[int, str, str] | None:
        """Return where in a list, as `CallQuery.after` takes it, the call of an id stands; None where there is none."""
        call = self.find(store, text)
        return (call.started_ns, call.call_id, call.from_tag) if call else None

    @cached_property
    def _key(self) -> bytes:
        with suppress(FileExistsError):
            self._make()
        try:
            key = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be read: {error.strerror}") from error
        if len(key) != KEY_BYTES:
            raise ConfigError(f"{self._path} is no key of call ids: delete it, and a new one is made")
        return key

    def _make(self) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            make_folder(self._path.parent)
            fresh.unlink(missing_ok=True)
            with open(fresh, "xb", opener=owner_only) as stream:
                stream.write(secrets.token_bytes(KEY_BYTES))
            try:
                os.link(
                    fresh, self._path
                )  # unlike a rename it never replaces the key that another console made
            finally:
                fresh.unlink()
        except FileExistsError:
            raise
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}") from error


def began_of(text: str) -> int | None:
    """Return when the call of an id began, None for what is no id."""
    found = _ID.fullmatch(text)
    began_ns = int(found[1]) if found else 1 << 63
    return began_ns if -(1 << 63) <= began_ns < (1 << 63) - 1 else None
