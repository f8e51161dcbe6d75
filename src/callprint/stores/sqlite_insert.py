"""Rows into a table of the SQLite store, given as columns.

Python's sqlite3 hands over a number or a text at once, but looks for an adapter for None or a truth value, which takes
ten times as long: half of the time in which a row was stored. So columns without any value are left out of the
statement, where NULL, the default of all of them, is the same, and truth values are written as numbers.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from callprint.stores.columns import insert_statement, is_empty


def insert(
    connection: sqlite3.Connection,
    table: str,
    names: Sequence[str],
    cells: Sequence[Sequence[Any]],
    ending: str,
    flags: Collection[str] = (),
) -> int:
    """Insert rows and return how many were changed. cells: one column for each of `names`; flags: truth values.

    ending: what the statement does about rows that are there.
    """
    given = [
        (name, list(map(_number, column)) if name in flags else column)
        for name, column in zip(names, cells, strict=True)
        if not is_empty(column)
    ]
    if not given:
        return 0
    statement = f"{insert_statement(table, [name for name, _ in given])} {ending}"
    return connection.executemany(statement, zip(*(column for _, column in given), strict=True)).rowcount


def _number(flag: Any) -> int | None:
    return None if flag is None else +flag
