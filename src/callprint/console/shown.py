"""Values as a page shows them: text from outside made printable, times, shares; keys of flows and calls in URLs."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from callprint.core.ground.fields import NamedField
from callprint.core.verdict import FlowKey
from callprint.output.console import endpoint, printable

DASH = "–"
LONGEST_ID = 400
HIDDEN = "•••••"
IDENTIFIERS = ("call_id", "from_tag")  # of which gateways and telephones make what they like
FREE_TEXTS = ("reason", "caller_user_agent", "callee_user_agent")
_LONG_NUMBER = re.compile(r"\d{7,}")
SHORTEST_NUMBER = 4  # shorter ones stand by chance in any text


def flow_id(flow: FlowKey) -> str:
    """Return a flow's key as a part of a URL."""
    return "~".join(map(str, flow))


def flow_of(text: str) -> FlowKey | None:
    """Return the key that a part of a URL stands for."""
    parts = text.split("~")
    try:
        source, source_port, destination, destination_port, ssrc, first_ns = parts
        numbers = [int(part) for part in (source_port, destination_port, ssrc, first_ns)]
    except ValueError:
        return None
    if not all(0 <= number < 1 << bits for number, bits in zip(numbers, (16, 16, 32, 62), strict=True)):
        return None
    return FlowKey(source, numbers[0], destination, *numbers[1:])


def moment(time_ns: Any, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time in UTC, a dash for none or one that no calendar has."""
    if not isinstance(time_ns, int):
        return DASH
    try:
        return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return str(time_ns)


def clock(time_ns: Any) -> str:
    """Return the time of day in UTC."""
    return moment(time_ns, "%H:%M:%S")


def span(since_ns: int | None, until_ns: int | None) -> str:
    """Return how long something took: "340 ms", "4.2 s", "3 min 10 s"."""
    if since_ns is None or until_ns is None:
        return DASH
    seconds = (until_ns - since_ns) / 1e9
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def percent(value: Any, decimals: int = 0) -> str:
    """Return a share in percent."""
    return DASH if value is None else f"{100 * value:.{decimals}f}%"


def count(value: Any) -> str:
    """Return a number with its thousands apart."""
    return DASH if value is None else f"{value:,}"


def ends(source: str, source_port: int, destination: str, destination_port: int) -> str:
    """Return "source → destination"."""
    return f"{endpoint(source, source_port)} → {endpoint(destination, destination_port)}"


def field_text(field: NamedField, value: Any) -> str:
    """Return what a field holds, for people."""
    if value is None or value == field.about.absent:
        text = DASH if value is None or value == "" else str(value)
    elif field.is_time:
        text = moment(value, "%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        decimals = 3 if field.about.decimals is None else min(field.about.decimals, 4)
        text = f"{value:,.{decimals}f}" if math.isfinite(value) else DASH
    elif isinstance(value, StrEnum):
        text = str(value)
    elif isinstance(value, int):
        text = str(value) if field.name.endswith(("port", "ssrc", "type")) else f"{value:,}"
    else:
        text = printable(str(value))
    unit = field.unit if not field.is_time and text != DASH else ""
    return f"{text} {unit}" if unit else text


def masked(number: str) -> str:
    """Return a number of which only what it begins and ends with is left."""
    if number in ("", "anonymous"):
        return number
    kept = 3 if number.startswith("+") else 1
    tail = number[-2:] if "@" not in number and len(number) > kept + 4 else ""
    return number[:kept] + HIDDEN + tail


def masked_values(values: Mapping[str, Any], numbers: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of a call without its Call-ID, and with the numbers of people masked, in other texts, too."""
    people = [value for name in numbers if isinstance(value := values.get(name), str)]
    # What gateways write elsewhere: the number without its plus sign, the user without the host.
    parts = sorted({each.lstrip("+").partition("@")[0] for each in people} - {"", "anonymous"}, key=len)
    parts = [each for each in reversed(parts) if len(each) >= SHORTEST_NUMBER]

    def text(value: str) -> str:
        for part in parts:
            if part in value:
                value = value.replace(part, masked(part))
        return value

    def seen(name: str, value: str) -> str:
        if name in numbers:
            return masked(value)
        if name in IDENTIFIERS:
            return HIDDEN
        return without_numbers(text(value)) if name in FREE_TEXTS else text(value)

    return {
        name: seen(name, value) if isinstance(value, str) and value else value
        for name, value in values.items()
    }


def without_numbers(text: str) -> str:
    """Return a text that a stranger wrote without what may be somebody's number."""
    return _LONG_NUMBER.sub(HIDDEN, text)
