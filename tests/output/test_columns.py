"""Lines and tables: all text is there, nothing is too wide, ports stay whole."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from callprint.output.columns import Column, Lines, cell, column_table, folded, joined, plain
from callprint.output.console import endpoint, printable

names = st.text(max_size=30).map(printable)


def text_of(line) -> str:
    return "".join(text for text, _ in line)


def shown(lines: Lines, width: int = 200) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(lines)
    return console.file.getvalue().splitlines()


@given(texts=st.lists(names, max_size=4), width=st.integers(2, 60))
def test_folding_keeps_every_letter_and_the_width(texts, width):
    line = joined(*(plain(text, style) for text, style in zip(texts, ("", "bold", "dim", ""), strict=False)))
    pieces = list(folded(line, width))
    assert all(cell_len(text_of(piece)) <= width for piece in pieces)
    assert "".join(map(text_of, pieces)).replace(" ", "") == text_of(line).replace(" ", "")


@given(address=st.ip_addresses().map(str), port=st.integers(1, 65535), width=st.integers(6, 60))
def test_no_port_is_broken_at_any_width(address, port, width):
    pieces = [text_of(piece) for piece in folded(plain(f"→ {endpoint(address, port)}"), width)]
    assert pieces[-1].endswith(f":{port}")


@pytest.mark.parametrize("width", [24, 30])
def test_ipv6_addresses_are_broken_after_a_colon_and_an_arrow_never_stands_alone(width):
    pieces = [
        text_of(piece) for piece in folded(plain("→ [2001:db8:ffff:ffff:ffff:ffff:ffff:20]:65534"), width)
    ]
    assert pieces[0].startswith("→ [2001:db8:ffff:")
    assert all(piece.endswith(":") for piece in pieces[:-1])


def test_a_table_that_fits_has_its_natural_width():
    columns = (Column("name"), Column("count", right=True))
    lines = shown(
        column_table(columns, [(cell("one", "bold"), cell("1")), (cell("three"), cell("1,000"))], 40)
    )
    assert lines == ["name   count", "────────────", "one        1", "three  1,000"]


def test_a_table_that_does_not_fit_is_made_narrower_or_refused():
    columns = (Column("what"), Column("count", right=True))
    rows = [(cell("several words in one cell"), cell("1"))]
    assert column_table(columns, rows, 20) is None
    lines = shown(column_table(columns, rows, 20, narrow=True))
    assert max(map(len, lines)) <= 20
    assert re.sub(r"\s+", " ", " ".join(lines[2:])) == "several words 1 in one cell"
    assert column_table(columns, rows, 12, narrow=True) is None, "a word would be broken"
