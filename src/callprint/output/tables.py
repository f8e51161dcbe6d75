"""Flows and calls as columns: NumPy, and pandas or Arrow where they are installed.

Every field that JSON has, unrounded, by the one list of fields. What is not known is null in pandas and Arrow; in
NumPy, which has no null for most types, it is NaN, None in a column of texts, and -1 in one of whole numbers.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Literal, NamedTuple

import numpy as np

from callprint.core.call import CallRecord
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.fields import NamedField, fields_of, in_order, values_of
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.output.json_lines import Reported

Library = Literal["numpy", "pandas", "arrow"]
"""Where columns go: structured arrays, DataFrames, or Tables of pyarrow."""

FLOW_FIELDS = in_order((*fields_of(Verdict), *fields_of(FlowSummary)))
CALL_FIELDS = in_order(fields_of(CallRecord))

NOT_KNOWN = {int: -1, float: np.nan, bool: -1}
"""What stands for it in NumPy, by the type of the field; a flag that may be unknown is a column of -1, 0 and 1."""


class Tables(NamedTuple):
    """The flows and calls of a run: structured arrays, DataFrames or pyarrow Tables, as was asked for."""

    flows: Any
    calls: Any


def tables(flows: Iterable[Reported], calls: Iterable[CallRecord], library: Library) -> Tables:
    """Return flows and calls as columns. Raises ConfigError where the library is unknown or not installed."""
    makers = {"numpy": _numpy, "pandas": _pandas, "arrow": _arrow}
    if library not in makers:
        raise ConfigError(f"columns are for {', '.join(makers)}, not for {library!r}")
    of_flows = [values_of(flow.verdict) | values_of(flow.summary) for flow in flows]
    of_calls = [values_of(call) for call in calls]
    try:
        return Tables(makers[library](FLOW_FIELDS, of_flows), makers[library](CALL_FIELDS, of_calls))
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"columns for {library} need a package that is not installed: {error.name}"
        ) from error


def _numpy(fields: Sequence[NamedField], rows: list[dict[str, Any]]) -> Any:
    kinds = {int: np.int64, float: np.float64, bool: np.bool_}
    kind_of = {
        field.name: np.int8 if field.type is bool and field.optional else kinds.get(field.type, np.object_)
        for field in fields
    }
    table = np.empty(len(rows), list(kind_of.items()))
    for field in fields:
        unknown = NOT_KNOWN.get(field.type)
        table[field.name] = np.fromiter(
            (unknown if value is None else value for value in _values(field, rows)),
            kind_of[field.name],
            len(rows),
        )
    return table


def _pandas(fields: Sequence[NamedField], rows: list[dict[str, Any]]) -> Any:
    import pandas as pd  # noqa: PLC0415 - an optional library

    kinds = {int: "Int64", float: "float64", bool: "boolean", str: "string"}
    columns = {
        field.name: pd.Series(_values(field, rows), dtype=kinds.get(_plain(field), "object"))
        for field in fields
    }
    return pd.DataFrame(columns)


def _arrow(fields: Sequence[NamedField], rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    key = pa.struct([(field.name, kinds[field.type]) for field in fields_of(FlowKey)])
    kinds |= {tuple[float, ...]: pa.list_(pa.float64()), tuple[FlowKey, ...]: pa.list_(key)}
    return pa.table(
        [pa.array(_values(field, rows, keys=dict), kinds[_plain(field)]) for field in fields],
        names=[field.name for field in fields],
    )


def _plain(field: NamedField) -> Any:
    """Return the type of a field as a library knows it: an enumeration is a text."""
    return str if isinstance(field.type, type) and issubclass(field.type, Enum) else field.type


def _values(field: NamedField, rows: list[dict[str, Any]], keys: type = tuple) -> list[Any]:
    """Return the cells of a column; `keys`: dict gives the keys of flows as dictionaries."""
    values = [row[field.name] for row in rows]
    if _plain(field) is str and field.type is not str:
        return [None if value is None else str(value) for value in values]
    if keys is dict and field.type == tuple[FlowKey, ...]:
        return [[key._asdict() for key in value] for value in values]
    return values
