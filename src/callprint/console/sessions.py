"""Who may come in: sessions, the one-time link, tokens against forged requests, limits. Time is an argument."""

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import IntEnum

SESSION_S = 12 * 3600.0
MOST_SESSIONS = 1_000
MOST_CLIENTS = 10_000


class Role(IntEnum):
    """What a user may do; each may do what those before may."""

    VIEWER = 1  # looks; numbers are masked
    ANALYST = 2  # votes, names unknown flows, sees numbers
    ADMINISTRATOR = 3  # reads the log of who looked at what


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has come in."""

    name: str
    role: Role
    secret: str = field(default="", repr=False)  # a digest of what lets in: sessions end when that is another

    def may(self, role: Role) -> bool:
        """Return whether the user has this role or a higher one."""
        return self.role >= role


@dataclass(slots=True)
class Session:
    """A browser that has come in."""

    user: User
    csrf: str
    ends_at_s: float


class Sessions:
    """The sessions of this process; they end with it. The oldest make room for new ones."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._link: str | None = None

    def make_link(self) -> str:
        """Return the key of a link that lets one browser in, once. An earlier one ends."""
        self._link = secrets.token_urlsafe(32)
        return self._link

    def take_link(self, key: str) -> bool:
        """Return whether this is the key of the link; from then on it is none."""
        if self._link is None or not hmac.compare_digest(self._link.encode(), key.encode()):
            return False
        self._link = None
        return True

    def begin(self, user: User, now_s: float) -> str:
        """Begin a session and return the secret that its cookie holds."""
        cookie = secrets.token_urlsafe(32)
        self._sessions[cookie] = Session(user, self.csrf_of(cookie), now_s + SESSION_S)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return cookie

    def csrf_of(self, name: str) -> str:
        """Return the token that a form of this browser, or of a user whom a proxy names, must hold."""
        return hmac.new(self._secret, name.encode(), hashlib.sha256).hexdigest()

    def get(self, cookie: str, now_s: float) -> Session | None:
        """Return the session of a cookie, None when there is none or it has ended."""
        session = self._sessions.get(cookie)
        if session is None or session.ends_at_s < now_s:
            self._sessions.pop(cookie, None)
            return None
        return session

    def end(self, cookie: str) -> None:
        """End a session; none is no error."""
        self._sessions.pop(cookie, None)


class RateLimit:
    """A bucket of `most` requests for each client, filled again within `within_s`.

    A client is an address; of IPv6 a network of 64 bits, since whoever has one address there has all of them.
    """

    def __init__(self, most: int, within_s: float) -> None:
        self._most = most
        self._per_s = most / within_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now_s: float) -> bool:
        """Return whether the client may do one more."""
        client = _network_of(client)
        left, at_s = self._buckets.pop(client, (float(self._most), now_s))
        left = min(float(self._most), left + (now_s - at_s) * self._per_s)
        allowed = left >= 1.0
        self._buckets[client] = (left - 1.0 if allowed else left, now_s)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return allowed


def _network_of(address: str) -> str:
    """Return the network that an address stands for; what is no address stands for itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((found, 64), strict=False))
