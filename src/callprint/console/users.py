"""Users of the console in a file: argon2 hashes of passwords, SHA-256 of tokens, a role each; and the audit log."""

import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from callprint.console.sessions import Role, User
from callprint.core.ground.errors import ConfigError
from callprint.owner_only import make_folder, owner_only

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
SHORTEST_PASSWORD = 10
TOKEN_PREFIX = "cpt_"
LONGEST_LOG = 64 << 20  # bytes of the audit log; then it becomes .1, and the one before that goes

_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash(
    "nobody has this password"
)  # so that an unknown name takes as long as a wrong password


@dataclass(frozen=True, slots=True)
class Account:
    """What the file holds of a user."""

    role: str  # name of a Role, in lower case
    password: str = ""  # argon2; empty: none
    token: str = ""  # SHA-256 in hex; empty: none


class Users:
    """The users in one file; without a file there are none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int] | None = None
        self._accounts: dict[str, Account] = {}

    def accounts(self) -> dict[str, Account]:
        """Return the users by name, as the file has them now. Raises ConfigError when it is damaged."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return {}
        state = (stat.st_mtime_ns, stat.st_size)
        if state != self._read_at:
            try:
                table = json.loads(self.path.read_text("utf-8"))
                self._accounts = {name: Account(**entry) for name, entry in table.items()}
                for account in self._accounts.values():
                    Role[account.role.upper()]
            except (ValueError, TypeError, AttributeError, KeyError, OSError) as error:
                raise ConfigError(f"{self.path} is no list of users: {error}") from error
            self._read_at = state
        return self._accounts

    def set_password(self, name: str, role: Role, password: str) -> None:
        """Add a user, or give one another password and role. Raises ConfigError for a bad name or password."""
        if len(password) < SHORTEST_PASSWORD:
            raise ConfigError(f"a password has at least {SHORTEST_PASSWORD} characters")
        self._write(name, Account(role.name.lower(), password=_HASHER.hash(password)))

    def set_token(self, name: str, role: Role) -> str:
        """Add a user for scripts, and return the token: it is stored nowhere. Raises ConfigError for a bad name."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        self._write(name, Account(role.name.lower(), token=_digest(token)))
        return token

    def remove(self, name: str) -> None:
        """Take a user out. Raises ConfigError when there is none of this name."""
        if name not in self.accounts():
            raise ConfigError(f"there is no user {name!r}")
        self._write(name, None)

    def by_password(self, name: str, password: str) -> User | None:
        """Return the user with this name and password."""
        account = self.accounts().get(name)
        try:
            _HASHER.verify(account.password if account and account.password else _NOBODY, password)
        except (Argon2Error, InvalidHashError):
            return None
        return _user(name, account) if account and account.password else None

    def by_token(self, token: str) -> User | None:
        """Return the user with this token."""
        digest = _digest(token)
        for name, account in self.accounts().items():
            if account.token and hmac.compare_digest(account.token, digest):
                return _user(name, account)
        return None

    def by_name(self, name: str) -> User | None:
        """Return the user of this name, whom a proxy in front has let in."""
        account = self.accounts().get(name)
        return _user(name, account) if account else None

    def _write(self, name: str, account: Account | None) -> None:
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot name a user: up to 64 letters, digits and . _ @ -, a letter or digit first"
            )
        accounts = dict(self.accounts())
        accounts.pop(name, None)
        if account is not None:
            accounts[name] = account
        text = json.dumps({each: asdict(entry) for each, entry in sorted(accounts.items())}, indent=1)
        try:
            make_folder(self.path.parent)
            fresh = self.path.with_name(self.path.name + ".new")
            fresh.unlink(missing_ok=True)
            with open(fresh, "x", opener=owner_only) as stream:
                stream.write(text)
            fresh.replace(self.path)
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error.strerror}") from error
        self._read_at = None


def _user(name: str, account: Account) -> User:
    return User(name, Role[account.role.upper()], _digest(account.password + account.token))


class AuditLog:
    """Who looked at what, and who did what: JSON Lines, readable by their owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, now_ns: int, user: str, did: str, what: str) -> None:
        """Append a line. Raises ConfigError when it cannot be written: what is not logged must not happen."""
        line = json.dumps({"time_ns": now_ns, "user": user, "did": did, "what": what}) + "\n"
        try:
            make_folder(self.path.parent)
            if self.path.exists() and self.path.stat().st_size > LONGEST_LOG:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
            with open(self.path, "a", opener=owner_only) as stream:
                stream.write(line)
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error.strerror}") from error

    def latest(self, most: int) -> list[dict[str, object]]:
        """Return the last lines, the latest first; what is damaged is left out."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - 400 * most))
                lines = stream.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []
        found = []
        for line in reversed(lines[-most:]):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(entry)
        return found


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
