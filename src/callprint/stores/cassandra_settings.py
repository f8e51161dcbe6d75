"""How to reach a Cassandra keyspace, as a URL and environment variables.

    cassandra://[user@]host[,host...][:port]/keyspace[?option=value&...]

Options: `consistency` (LOCAL_QUORUM), `datacenter`, `tls_ca` (PEM file; turns TLS on), `tls_certificate` and
`tls_key` (for servers that demand one from clients), and, when the keyspace is made, `replication` (as in CREATE
KEYSPACE), `verdict_ttl_days`, `call_ttl_days`, `evidence_ttl_days`. The password is CALLPRINT_CASSANDRA_PASSWORD,
never in the URL: URLs are printed.
"""

import logging
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from callprint.core.ground.errors import StoreError
from callprint.stores.cassandra_schema import DAY_S, SchemaSettings, checked_keyspace

log = logging.getLogger(__name__)

PASSWORD_VARIABLE = "CALLPRINT_CASSANDRA_PASSWORD"
_DAYS = re.compile("[0-9]{1,4}")
_OPTIONS = frozenset({"consistency", "datacenter", "tls_ca", "tls_certificate", "tls_key"})
_SCHEMA_OPTIONS = frozenset({"replication", "verdict_ttl_days", "call_ttl_days", "evidence_ttl_days"})


@dataclass(frozen=True, slots=True)
class CassandraSettings:
    """One keyspace of one cluster."""

    hosts: tuple[str, ...]
    keyspace: str
    port: int = 9042
    user: str | None = None
    consistency: str = "LOCAL_QUORUM"
    datacenter: str | None = None
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    schema: SchemaSettings = field(default_factory=SchemaSettings)

    @classmethod
    def from_url(cls, url: str) -> "CassandraSettings":
        """Read a URL. Raises StoreError that names what is wrong with it."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise StoreError(f"the URL of a Cassandra keyspace does not parse: {error}") from error
        if parts.password is not None:  # before any message quotes the URL
            raise StoreError(f"a password does not belong in a URL: set {PASSWORD_VARIABLE} instead")
        try:
            port = parts.port or 9042
        except ValueError as error:
            raise StoreError(f"{url}: the port is no number below 65536") from error
        if "[" in parts.netloc and "," in parts.netloc:
            raise StoreError(f"{url}: of several hosts none may be an IPv6 address; write their names")
        hosts = tuple(host for host in (parts.hostname or "").split(",") if host)
        if not hosts:
            raise StoreError(f"{url}: no host; write cassandra://HOST[,HOST...]/KEYSPACE")
        options = dict(parse_qsl(parts.query))
        unknown = sorted(options.keys() - _OPTIONS - _SCHEMA_OPTIONS)
        if unknown:
            known = ", ".join(sorted(_OPTIONS | _SCHEMA_OPTIONS))
            raise StoreError(f"{url}: no option {unknown[0]!r}; there are {known}")
        plain = {name: value for name, value in options.items() if name in _OPTIONS}
        _check_tls(url, plain)
        return cls(
            hosts,
            checked_keyspace(parts.path.strip("/") or "callprint"),
            port,
            parts.username and unquote(parts.username),
            schema=_schema_settings(url, options),
            **plain,
        )

    @property
    def url(self) -> str:
        """The URL that opens the same keyspace again, without what matters only when it is made."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        options = {name: getattr(self, name) for name in sorted(_OPTIONS)}
        options = {name: value for name, value in options.items() if value is not None}
        if options.get("consistency") == "LOCAL_QUORUM":
            del options["consistency"]
        query = f"?{urlencode(options)}" if options else ""
        hosts = ",".join(f"[{host}]" if ":" in host else host for host in self.hosts)
        return f"cassandra://{user}{hosts}:{self.port}/{self.keyspace}{query}"

    def password(self) -> str | None:
        """Return the password of `user`. Raises StoreError when there is a user and no password."""
        if self.user is None:
            return None
        password = os.environ.get(PASSWORD_VARIABLE)
        if password is None:
            raise StoreError(f"no password for the Cassandra user {self.user}: set {PASSWORD_VARIABLE}")
        if self.tls_ca is None:
            log.warning(
                "Cassandra without TLS is sent the password of %s in clear text: add ?tls_ca=PEM to the store's URL",
                self.user,
            )
        return password

    def tls(self) -> ssl.SSLContext | None:
        """Return the context that checks the server's certificate and name, None when TLS is off."""
        if self.tls_ca is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_certificate is not None:
                context.load_cert_chain(self.tls_certificate, self.tls_key)
        except OSError as error:
            raise StoreError(f"the TLS files of {self.url} cannot be used: {error}") from error
        return context


def _check_tls(url: str, options: Mapping[str, str]) -> None:
    """Raise StoreError for an option that would do nothing."""
    for name, needed in (("tls_certificate", "tls_ca"), ("tls_key", "tls_certificate")):
        if name in options and needed not in options:
            raise StoreError(f"{url}: {name} does nothing without {needed}")


def _schema_settings(url: str, options: dict[str, str]) -> SchemaSettings:
    defaults = SchemaSettings()
    seconds = {}
    for name in ("verdict_ttl", "call_ttl", "evidence_ttl"):
        days = options.get(f"{name}_days")
        if days is not None and not (_DAYS.fullmatch(days) and 0 < int(days) <= 7300):
            raise StoreError(
                f"{url}: {name}_days must be a whole number of days from 1 to 7300, not {days!r}"
            )
        seconds[f"{name}_s"] = int(days) * DAY_S if days else getattr(defaults, f"{name}_s")
    return SchemaSettings(replication=options.get("replication", defaults.replication), **seconds)
