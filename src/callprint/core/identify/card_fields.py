"""Checked fields of a model card: each function returns the value or raises a ModelError that names the field."""

from typing import Any

from callprint.core.ground.errors import ModelError

LONGEST_TEXT = 200


def fail(field: str, problem: str) -> ModelError:
    """Return the error that names a field."""
    return ModelError(f"model card: {field} {problem}")


def get(table: Any, field: str) -> Any:
    """Return a required field of a JSON object; `field` is its dotted name in the card."""
    if not isinstance(table, dict):
        raise fail(field.rpartition(".")[0] or "the text", "is not a JSON object")
    key = field.rpartition(".")[2]
    if key not in table:
        raise fail(field, "is missing")
    return table[key]


def text_of(table: Any, field: str) -> str:
    """Return a printable text."""
    value = get(table, field)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
        raise fail(field, f"is not a printable text of 1 to {LONGEST_TEXT} characters")
    return value


def whole_number(value: Any, field: str, least: int, most: int) -> int:
    """Return a whole number between two bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise fail(field, f"is not a whole number from {least} to {most}")
    return value


def number(value: Any, field: str, least: float, most: float) -> float:
    """Return a number between two bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise fail(field, f"is not a number from {least} to {most}")
    return float(value)
