"""Writes what derives from the list of fields: the JSON schemas, and the tables of fields in docs/use/json.md.

    python tools/field_lists.py

A test holds the files against what this would write (tests/output/test_field_lists.py).
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from callprint.core.call import ENDED_STATES, CallState, Phase
from callprint.core.ground.fields import NamedField, fields_of
from callprint.core.spam.features import FEATURES
from callprint.core.verdict import RUNNING, UNKNOWN, FlowKey
from callprint.output import call_json, json_lines

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "src" / "callprint" / "schemas"
PAGE = ROOT / "docs" / "use" / "json.md"

JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
WORDS = {**JSON_TYPES, str: "text", tuple[FlowKey, ...]: "list", tuple[float, ...]: "object"}
"""Types as people call them."""

PROMISE = (
    "Fields are never removed or given another meaning within a major version; new ones may come, so readers "
    "ignore what they do not know."
)
TIME = " Nanoseconds since the epoch, packet time; larger than 2^53, so parse it as a 64-bit integer."
Schema = dict[str, Any]


def value_schema(field: NamedField, *, nullable: bool) -> Schema:
    """Return what the values of a field are like."""
    if isinstance(field.type, type) and issubclass(field.type, StrEnum):
        return {"enum": [*field.type, *([None] if nullable else [])]}
    if "enum" in field.limits:
        return {"enum": [*field.limits["enum"], *([None] if nullable else [])]}
    name = JSON_TYPES[field.type]
    least = {"minimum": 0} if field.type in (int, float) and not field.is_time else {}
    return {"type": [name, "null"] if nullable else name, **least, **field.limits}


def described(field: NamedField, schema: Schema) -> Schema:
    """Return the schema of a field with its meaning."""
    return {"description": field.about.meaning + (TIME if field.is_time else ""), **schema}


def object_schema(kind: str, other: str, title: str, description: str, properties: Schema) -> Schema:
    """Return the schema of one of the two kinds of objects in a stream."""
    apart = {"type": {"description": f"Tells {kind}s from {other}s in one stream.", "const": kind}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:callprint:schema:{kind}",
        "title": title,
        "description": f"{description} {PROMISE}",
        **strict_object({**apart, **properties}),
    }


def strict_object(properties: Schema) -> Schema:
    """Return the schema of an object with exactly these keys."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def is_optional(field: NamedField) -> bool:
    """Return whether a field of a flow or call object may be null."""
    return field.optional or field.name in json_lines.STATISTICS


def rule(condition: Schema, then: Schema, otherwise: Schema | None = None) -> Schema:
    """Return a rule on properties: where the condition holds, `then` does, else what is said `otherwise`."""
    parts = {"if": condition, "then": {"properties": then}}
    return parts if otherwise is None else {**parts, "else": {"properties": otherwise}}


def flow_schema() -> Schema:
    """Return the schema of a flow object."""
    fields = json_lines.FIELDS
    ended = [field for field in fields if field.name in json_lines.STATISTICS and not field.optional]
    return {
        **object_schema(
            "flow",
            "call",
            "A flow and its last verdict",
            "One line of `callprint identify --json` and `callprint verdicts --json`.",
            {
                field.name: described(field, value_schema(field, nullable=is_optional(field)))
                for field in fields
            },
        ),
        "allOf": [
            rule(
                {"properties": {"application": {"const": UNKNOWN}}},
                {"reason": {"type": "string"}},
                {"reason": {"type": "null"}, "best_application": {"type": "string"}},
            ),
            rule(
                {"not": {"properties": {"ended": {"const": RUNNING}}}},
                {field.name: {"type": ["number", "string"]} for field in ended},
            ),
        ],
    }


def call_schema() -> Schema:
    """Return the schema of a call object."""
    keys = {"type": "array", "items": {"$ref": "#/$defs/flow"}}
    number = {"type": ["number", "null"]}
    features = strict_object({each.column: {"description": each.definition, **number} for each in FEATURES})
    special = {tuple[FlowKey, ...]: keys, tuple[float, ...]: {**features, "type": ["object", "null"]}}
    over = [state for state in CallState if state in ENDED_STATES]
    return {
        **object_schema(
            "call",
            "flow",
            "A call in one phase",
            "One line of `callprint calls --json`, and the calls in `callprint identify --json`.",
            {
                field.name: described(
                    field, special.get(field.type) or value_schema(field, nullable=field.optional)
                )
                for field in call_json.FIELDS
            },
        ),
        "allOf": [
            rule(
                {"properties": {"phase": {"const": Phase.END}}},
                {"ended_ns": {"type": "integer"}, "ended_by": {"type": "string"}, "state": {"enum": over}},
                {
                    "ended_ns": {"type": "null"},
                    "ended_by": {"type": "null"},
                    "state": {"const": CallState.CALLING},
                },
            ),
            rule({"properties": {"spam_score": {"type": "number"}}}, {"spam": {"type": "boolean"}}),
        ],
        "$defs": {
            "flow": strict_object(
                {field.name: value_schema(field, nullable=False) for field in fields_of(FlowKey)}
            )
        },
    }


def field_table(fields: tuple[NamedField, ...]) -> str:
    """Return fields as a Markdown table."""
    rows = ["| field | type | known from | if not known | meaning |", "|---|---|---|---|---|"]
    for field in fields:
        kind = ", ".join(filter(None, (WORDS.get(field.type, "text"), field.unit)))
        absent = "`null`" if is_optional(field) else ""
        if field.about.absent is not None:
            absent = f"`{field.about.absent}`" if field.about.absent != "" else "empty"
        rows.append(f"| `{field.name}` | {kind} | {field.about.known} | {absent} | {field.about.meaning} |")
    return "\n".join(rows)


def with_table(page: str, name: str, table: str) -> str:
    """Return a page with the table between its markers."""
    begin, end = f"<!-- {name} fields, by tools/field_lists.py -->\n", f"\n<!-- end of {name} fields -->"
    before, rest = page.split(begin)
    return before + begin + table + end + rest.partition(end)[2]


def generated() -> dict[Path, str]:
    """Return the text of each file."""
    page = PAGE.read_text()
    for name, fields in (("flow", json_lines.FIELDS), ("call", call_json.FIELDS)):
        page = with_table(page, name, field_table(fields))
    schemas = {"flow": flow_schema(), "call": call_schema()}
    return {
        PAGE: page,
        **{
            SCHEMAS / f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
            for name, schema in schemas.items()
        },
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
