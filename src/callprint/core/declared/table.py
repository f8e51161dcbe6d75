"""The table of declared names: from the texts that programs write about themselves to names.

A pattern is the beginning of a text, not a regular expression, so that any text is matched in linear time. Texts come
from strangers: they are bounded, and nothing of them leaves this module but a version of harmless characters.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from callprint.core.declared.name import Declared, declared_in_verdict
from callprint.core.ground.changed import changed
from callprint.core.ground.errors import ConfigError
from callprint.core.verdict import DECLARED_BY, H323, REASON_CONTRADICTED, SDP, STUN, UNKNOWN, Verdict

MAXIMUM_TEXT = 256
"""Bytes or characters of a text that are looked at."""
_KEPT_ANSWERS = 4096  # texts repeat: a site has a few dozen of them

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_VERSION = r"\d[0-9A-Za-z.+~_-]{0,31}"
_VERSION_NEXT = re.compile(
    rf"[ /_(:-]{{1,3}}(?:v\.?|rv?|release |version )?({_VERSION})", re.ASCII | re.IGNORECASE
)
_DOTTED = rf"((?=\d{{1,9}}\.\d){_VERSION})"
_VERSION_AT_ONCE = re.compile(_DOTTED, re.ASCII)
_VERSION_LATER = re.compile(rf"(?<![0-9A-Za-z.])(?:v\.?)?{_DOTTED}", re.ASCII | re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+", re.ASCII)


class _Pattern(NamedTuple):
    """The beginning of a text, or of any word of it."""

    begin: str  # in lower case
    inside: bool  # it may begin any word
    open_end: bool  # letters may follow

    @classmethod
    def of(cls, text: str) -> "_Pattern":
        begin = text.removeprefix("*").removesuffix("*").lower()
        return cls(begin, text.startswith("*"), text.endswith("*") or not begin[-1:].isalpha())

    def end_at(self, text: str, start: int) -> int:
        """Return where the pattern ends in a text in lower case; 0: it does not fit there."""
        end = start + len(self.begin)
        fits = text.startswith(self.begin, start) and (self.open_end or not text[end : end + 1].isalpha())
        return end if fits else 0


class _Patterns:
    """Patterns by their first character, so that few are looked at."""

    def __init__(self) -> None:
        self._names: dict[_Pattern, str] = {}
        self._by_first: defaultdict[str, list[_Pattern]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, text: str, name: str) -> bool:
        """Add a pattern; False when it is empty, or of another name already."""
        pattern = _Pattern.of(text)
        if not pattern.begin or self._names.setdefault(pattern, name) != name:
            return False
        self._by_first[pattern.begin[0]].append(pattern)
        return True

    def declared(self, text: str, by: str) -> Declared | None:
        """Return what the longest pattern that fits says."""
        text = text[:MAXIMUM_TEXT].strip()
        lower = text.lower() if text.isascii() else text.encode("ascii", "replace").decode().lower()
        starts = {0, *(word.start() for word in _WORD.finditer(lower))}
        fitting = (
            (len(pattern.begin), pattern.end_at(lower, start), pattern)
            for start in starts
            for pattern in self._by_first.get(lower[start : start + 1], ())
            if pattern.inside or start == 0
        )
        _, end, pattern = max((each for each in fitting if each[1]), default=(0, 0, None))
        if pattern is None:
            return None
        return Declared(self._names[pattern], _version(text, end), by)


def _version(text: str, end: int) -> str | None:
    """Return the version in a text behind the name that ends at `end`.

    A number without a dot next to the name may be a model or an edition: one with a dot counts before it, unless that
    is in brackets, where other components stand.
    """
    found = _VERSION_AT_ONCE.match(text, end) or _VERSION_NEXT.match(text, end)
    if found is None:
        found = _VERSION_LATER.search(text, end)
    elif "." not in found.group(1):
        bracket = text.find("(", found.end())
        found = _VERSION_LATER.search(text, end, bracket if bracket >= 0 else len(text)) or found
    return found.group(1).rstrip(".-_~+") if found else None


class NameTable:
    """The patterns of all products. Immutable."""

    def __init__(
        self,
        engines: Mapping[str, Mapping[str, Any]] | None = None,
        applications: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Take the tables of declared_names.toml; without them nothing is ever declared.

        Raises ConfigError when a name, pattern or key is none, or two entries claim the same.
        """
        self._texts, self._origins, self._sessions, self._realms = (_Patterns() for _ in range(4))
        self._patterns = {
            "texts": self._texts,
            "origins": self._origins,
            "sessions": self._sessions,
            "realms": self._realms,
        }
        self._attributes: dict[int, str] = {}
        self._manufacturers: dict[str, str] = {}
        self._engines = frozenset(engines or {})
        self._engine_of: dict[str, str] = {}  # applications whose engine is known
        self._libraries: set[str] = set()
        self._of_program: dict[str, str] = {}  # by the names of their files
        self._runs: dict[str, frozenset[str]] = {}  # what products are made of, or run in
        for name, entry in (engines or {}).items():
            self._add(name, entry)
        for name, entry in (applications or {}).items():
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{name!r} in the table of declared names is no name of an application")
            if "engine" in entry:
                self._engine_of[name] = str(entry["engine"])
            if entry.get("library"):
                self._libraries.add(name)
            self._of_program.update((str(program), name) for program in entry.get("programs", ()))
            if "runs" in entry:
                self._runs[name] = frozenset(map(str, entry["runs"]))
            self._add(name, entry)
        self.names = frozenset((*(engines or {}), *(applications or {})))
        self.attributes = frozenset(self._attributes)  # types of STUN attributes that name a product
        self._answer = lru_cache(_KEPT_ANSWERS)(self._texts.declared)

    def __bool__(self) -> bool:
        """Return whether anything can be declared."""
        return bool(any(self._patterns.values()) or self._attributes or self._manufacturers)

    def declared(self, text: str, by: str) -> Declared | None:
        """Return what a text says, None when no pattern fits it. by: what holds the text, one of DECLARED_BY."""
        return self._answer(text[:MAXIMUM_TEXT], by)

    def by_origin(self, user: str) -> Declared | None:
        """Return what the user name in o= of SDP says."""
        return self._origins.declared(user, SDP)

    def by_session(self, name: str) -> Declared | None:
        """Return what the session name in s= of SDP says."""
        return self._sessions.declared(name, SDP)

    def by_realm(self, realm: str) -> Declared | None:
        """Return what the realm of a TURN server says about its users."""
        return self._realms.declared(realm, STUN)

    def by_attribute(self, attribute: int) -> Declared | None:
        """Return what it says that a STUN message has an attribute of this type."""
        name = self._attributes.get(attribute)
        return None if name is None else Declared(name, None, STUN)

    def by_product(self, product: str, version: str) -> Declared | None:
        """Return what an H.323 endpoint says that names product and version apart."""
        declared = self.declared(product, H323)
        return (
            None if declared is None else declared._replace(version=_version(f" {version[:MAXIMUM_TEXT]}", 0))
        )

    def by_manufacturer(self, number: str) -> Declared | None:
        """Return what the number of a manufacturer of H.323 says: country-extension-code, H.221 annex A."""
        name = self._manufacturers.get(number)
        return None if name is None else Declared(name, None, H323)

    def chosen(self, declared: Iterable[Declared | None]) -> Declared | None:
        """Return the name that counts: a product before an engine, and of several the one said nearest to the media.

        What the sender says in the media session itself is nearer than what signalling says about it. Where the name
        comes without a version, one said elsewhere about the same application is taken.
        """
        found = sorted(
            (each for each in declared if each is not None),
            key=lambda each: (each.application in self._engines, DECLARED_BY.index(each.by)),
        )
        if not found:
            return None
        first = found[0]
        versions = (each.version for each in found if each.application == first.application and each.version)
        return first._replace(version=next(versions, None))

    def declare(self, verdict: Verdict, declared: Declared) -> Verdict:
        """Return a verdict with one more declared name; the same verdict when that changes nothing.

        A sure name that the declared one contradicts is withdrawn.
        """
        before = declared_in_verdict(verdict)
        after = self.chosen((before, declared))
        if after is None or after == before:
            return verdict
        sure = verdict.application if verdict.reason != REASON_CONTRADICTED else verdict.best_application
        if sure is None or sure == UNKNOWN:
            judged, reason = UNKNOWN, verdict.reason
        elif self._contradicts(after.application, sure):
            judged, reason = UNKNOWN, REASON_CONTRADICTED
        else:
            judged, reason = sure, None
        return changed(
            verdict,
            application=judged,
            reason=reason,
            declared_application=after.application,
            declared_version=after.version,
            declared_by=after.by,
        )

    def by_program(self, program: str) -> str | None:
        """Return the application that a program is by the name of its file, None when the table does not say it."""
        return self._of_program.get(program)

    def engine_of(self, name: str) -> str | None:
        """Return the media stack of an application, None when the table does not know it."""
        return self._engine_of.get(name)

    def is_stack(self, name: str) -> bool:
        """Return whether a name is that of a media stack and of no application."""
        return name in self._engines and name not in self._engine_of

    def _contradicts(self, declared: str, application: str) -> bool:
        """Return whether a declared name rules an application out: an engine rules out those with another engine.

        An application that is a library, with the name of its engine, is in the products that are built on it.
        """
        if declared in self._engines:
            return self._engine_of.get(application, declared) != declared
        if (
            self._engine_of.get(application) == self._engine_of.get(declared)
            and application in self._libraries
        ):
            return False
        return application != declared and application not in self._runs.get(declared, ())

    def _add(self, name: str, entry: Mapping[str, Any]) -> None:
        keys = {"engine", "library", "programs", "runs", "attributes", "manufacturers", *self._patterns}
        unknown = set(entry) - keys
        if unknown:
            raise ConfigError(f"{name!r}, a declared name, has a key {min(unknown)!r}")
        for key, patterns in self._patterns.items():
            for text in entry.get(key, ()):
                if not patterns.add(text, name):
                    raise ConfigError(f"{text!r} of {name!r} is empty or of another name, too")
        for attribute in entry.get("attributes", ()):
            if self._attributes.setdefault(int(attribute), name) != name:
                raise ConfigError(f"STUN attribute {attribute:#x} is declared twice")
        for number in entry.get("manufacturers", ()):
            if self._manufacturers.setdefault(str(number), name) != name:
                raise ConfigError(f"manufacturer {number} is declared twice")


NO_NAMES = NameTable()
"""Nothing is declared: for evaluation, which is about the network alone."""
