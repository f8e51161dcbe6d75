"""The language of the search box: `application=jami jitter_ms>30 caller~4930`, a bare address, number or name.

What is typed is the query that the URL holds, so a link to a search is a link to its answer.
"""

import argparse
import difflib
import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from callprint.cli.parsers import time_ns
from callprint.console import shown
from callprint.core.call import CallRecord
from callprint.core.ground.fields import NamedField, fields_of, in_order
from callprint.core.verdict import FlowSummary, Verdict
from callprint.stores import CallQuery, VerdictQuery
from callprint.stores.queries import COMPARISONS, CONTAINS, Where

LONGEST = 2_000
_TERM = re.compile(r'([a-z_0-9]+)(!=|<=|>=|=|<|>|~|:)("[^"]*"|\S*)|"([^"]*)"|(\S+)')
_WIDEST = 1 << 63
_NO_DIGITS = "viewers cannot search texts for digits, which may be a number"

FLOW_FIELDS = in_order((*fields_of(Verdict), *fields_of(FlowSummary)))
CALL_FIELDS = in_order(fields_of(CallRecord))
NUMBERS = ("caller", "callee", "claimed_caller", "diverted_by")
"""Fields of a call that hold numbers of people: masked for viewers."""
NOT_FOR_VIEWERS = (*NUMBERS, *shown.IDENTIFIERS)
"""Fields that viewers cannot search, or they would find out what is masked digit by digit."""


MOST_TERMS = 50  # in one search: stores refuse expressions with a thousand


class Search(NamedTuple):
    """What was asked for, and what was not understood."""

    text: str
    where: tuple[Where, ...]
    words: tuple[str, ...]
    errors: tuple[str, ...]


def searchable(fields: Iterable[NamedField]) -> dict[str, NamedField]:
    """Return the fields with one value each, by name."""
    return {field.name: field for field in fields if isinstance(field.type, type)}


def parse(text: str, fields: Mapping[str, NamedField], hidden: tuple[str, ...] = ()) -> Search:
    """Return what a text asks for. It never raises: what makes no sense is said in `errors`."""
    text = text[:LONGEST].strip()
    where, words, errors = [], [], []
    terms = _TERM.findall(text)
    if len(terms) > MOST_TERMS:
        errors.append(f"That is too long: its first {MOST_TERMS} conditions count.")
    for name, sign, value, quoted, word in terms[:MOST_TERMS]:
        comparison = sign.replace(":", "=")
        if not name:
            words.append(quoted or word)
            continue
        if sign == ":" and name not in fields:  # an IPv6 address, a Call-ID
            words.append(f"{name}:{value}")
            continue
        field = fields.get(name)
        if field is None or name in hidden:
            near = difflib.get_close_matches(name, fields, 1)
            errors.append(f"There is no field “{name}”" + (f": “{near[0]}”?" if near else "."))
            continue
        try:
            typed = _typed(field, value.strip('"'), comparison)
        except (ValueError, argparse.ArgumentTypeError) as error:
            errors.append(f"{name}: {error}")
            continue
        if hidden and name in shown.FREE_TEXTS and _has_digit(str(typed)):
            errors.append(f"{name}: {_NO_DIGITS}")
            continue
        where.append(Where(name, comparison, typed))
    return Search(text, tuple(where), tuple(words), tuple(errors))


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _typed(field: NamedField, value: str, comparison: str) -> Any:
    if comparison == CONTAINS:
        return value
    if field.type is bool:
        if value.lower() not in ("yes", "true", "1", "no", "false", "0"):
            raise ValueError(f"“{value}” is neither yes nor no")
        return value.lower() in ("yes", "true", "1")
    if field.type is int:
        number = time_ns(value) if field.is_time and not value.lstrip("-").isdecimal() else _whole(value)
        if not -_WIDEST <= number < _WIDEST:
            raise ValueError(f"“{value}” is too large")
        return number
    if field.type is float:
        share = float(value)
        if not math.isfinite(share):
            raise ValueError(f"“{value}” is not a number to compare with")
        return share
    return value


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"“{value}” is not a whole number") from None


def _taken(where: list[Where], name: str, comparison: str) -> Any:
    """Take the condition `name comparison ...` out of the list and return its value, None without one."""
    for i, each in enumerate(where):
        if each.field == name and each.comparison == comparison:
            return where.pop(i).value
    return None


def flow_query(search: Search, limit: int, after: Any = None) -> tuple[VerdictQuery, tuple[str, ...]]:
    """Return the query for flows, and what was not understood.

    What the stores have an index for goes where it is used; a bare word is an address or part of an application.
    """
    where = list(search.where)
    named: dict[str, Any] = {
        "application": _taken(where, "application", "="),
        "since_ns": _taken(where, "decided_at_ns", ">="),
        "until_ns": _taken(where, "decided_at_ns", "<"),
    }
    errors = list(search.errors)
    for word in search.words:
        address = word.strip("[]")
        try:
            found = str(ipaddress.ip_address(address))
        except ValueError:
            where.append(Where("application", CONTAINS, word))
            continue
        if named.get("address") is not None or "%" in address:
            errors.append("One address at a time; src_ip= and dst_ip= name both ends.")
        named["address"] = found.partition("%")[0]
    return VerdictQuery(**named, where=tuple(where), limit=limit, after=after), tuple(errors)


def call_query(
    search: Search, limit: int, after: Any = None, *, numbers: bool = True
) -> tuple[CallQuery, tuple[str, ...]]:
    """Return the query for calls, and what was not understood. Without `numbers` a bare word is no number."""
    where = list(search.where)
    named: dict[str, Any] = {
        "call_id": _taken(where, "call_id", "="),
        "spam": _taken(where, "spam", "="),
        "since_ns": _taken(where, "started_ns", ">="),
        "until_ns": _taken(where, "started_ns", "<"),
    }
    errors = list(search.errors)
    for word in search.words:
        if "@" in word and numbers:
            named["call_id"] = word
        elif re.fullmatch(r"\+?[0-9]{3,}", word) and numbers:
            named["number"] = word
        elif not numbers and _has_digit(word):
            errors.append(f"“{word}”: {_NO_DIGITS}")
        else:
            where.append(Where("reason", CONTAINS, word))
    return CallQuery(**named, where=tuple(where), limit=limit, after=after), tuple(errors)


def with_term(text: str, name: str, comparison: str, value: str) -> str:
    """Return a search with one more condition."""
    if not name or comparison not in COMPARISONS:
        return text
    value = value.replace('"', "")
    term = (
        f'{name}{comparison}"{value}"'
        if re.search(r"\s", value) or not value
        else f"{name}{comparison}{value}"
    )
    return f"{text} {term}".strip()


def before(text: str, name: str, time_ns: int) -> str:
    """Return a search for what came before a time, in place of an earlier such condition."""
    rest = re.sub(rf"(?<!\S){name}<[0-9]+", "", text).strip()
    return f"{rest} {name}<{time_ns}".strip()
