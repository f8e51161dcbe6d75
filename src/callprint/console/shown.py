"""Values as a page shows them: text from outside made printable, times, shares; keys of flows and calls in URLs."""

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from callprint.core.call import CallRecord
from callprint.core.ground.fields import NamedField
from callprint.core.verdict import FlowKey
from callprint.output.console import endpoint, printable

DASH = "–"
LONGEST_ID = 4_000
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


def call_id(call: CallRecord) -> str:
    """Return a call's identity as a part of a URL."""
    text = json.dumps([call.call_id, call.from_tag, call.started_ns])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def call_of(text: str) -> tuple[str, str, int] | None:
    """Return the identity that a part of a URL stands for."""
    if len(text) > LONGEST_ID:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair: no store takes it
    except (ValueError, RecursionError):
        return None
    match found:
        case [str(call), str(tag), int(started_ns)] if -(1 << 63) <= started_ns < 1 << 63:
            return call, tag, started_ns
    return None


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
    return number[:kept] + "•" * 5 + tail


def masked_values(values: Mapping[str, Any], numbers: tuple[str, ...]) -> dict[str, Any]:
    """Return the values with the numbers of people masked, also where another text (a Call-ID) holds one of them."""
    people = [value for name in numbers if isinstance(value := values.get(name), str)]
    # What a gateway makes a Call-ID of: the number without its plus sign, the user without the host.
    parts = sorted({each.lstrip("+").partition("@")[0] for each in people} - {"", "anonymous"}, key=len)
    parts = [each for each in reversed(parts) if len(each) >= SHORTEST_NUMBER]

    def text(value: str) -> str:
        for part in parts:
            if part in value:
                value = value.replace(part, masked(part))
        return value

    return {
        name: (masked(value) if name in numbers else text(value)) if isinstance(value, str) else value
        for name, value in values.items()
    }
