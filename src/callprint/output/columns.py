"""Tables and texts as plain lines, each measured once, so that a table costs what is shown.

rich's own table measures and wraps every cell several times: 2 ms for a row of ten columns. Here a line is a few
styled texts, and only what is too long for its column is folded: at a space, else anywhere, but never within a port.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions
from rich.segment import Segment

Line = tuple[tuple[str, str], ...]
"""Texts with their styles, side by side."""
Cell = tuple[Line, ...]
"""The lines of a cell, one above the other."""

GAP = 2  # spaces between columns
HEADING = "bold"
ARROW = "→"  # never stands alone at the end of a line
PORT = re.compile(r":[0-9]{1,5}(?=\s|$)")


class Column(NamedTuple):
    """What is true of all cells of a column."""

    heading: str  # one or more lines
    right: bool = False
    narrowest: int | None = None  # how narrow it may be made; None: as its longest word


class Lines:
    """Lines as something that rich prints, one after the other."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yield each line as it is."""
        for line in self._lines:
            for text, style in line:
                yield Segment(text, console.get_style(style) if style else None)
            yield Segment.line()


def plain(text: str, style: str = "") -> Line:
    """Return a line of one text."""
    return ((text, style),)


def cell(text: str, style: str = "") -> Cell:
    """Return a cell of one line of one text."""
    return (((text, style),),)


def length(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def column_table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int, *, narrow: bool = False
) -> Lines | None:
    """Return the table, with a rule under the headings; None if it is wider than `width`.

    With `narrow`, columns are made narrower where that helps, and their texts folded.
    """
    heads = [tuple(plain(line, HEADING) for line in column.heading.split("\n")) for column in columns]
    by_column = list(zip(heads, *rows, strict=True))
    widths = [max(_length(line) for each in cells for line in each) for cells in by_column]
    excess = _total(widths) - width
    if excess > 0:
        if not narrow:
            return None
        least = [
            min(wide, column.narrowest or max(map(_longest_word, cells)))
            for column, wide, cells in zip(columns, widths, by_column, strict=True)
        ]
        if _total(least) > width:
            return None
        while excess > 0:
            widest = max(range(len(widths)), key=lambda i: widths[i] - least[i])
            taken = min(excess, widths[widest] - least[widest])
            widths[widest] -= taken
            excess -= taken
    right = [column.right for column in columns]
    lines = list(_row(heads, widths, right))
    lines.append(plain("─" * _total(widths)))
    for row in rows:
        lines += _row(row, widths, right)
    return Lines(lines)


def one_below_the_other(rows: Iterable[Sequence[Cell]], width: int) -> Iterator[Line]:
    """Yield each cell's lines below those of the cell before it: for a terminal that is too narrow for a table."""
    for row in rows:
        for each in row:
            for line in each:
                yield from folded(line, width)


def folded(line: Line, width: int) -> Iterator[Line]:
    """Yield a line in pieces of at most `width` columns."""
    if _length(line) <= width:
        yield line
        return
    for begin, end in _pieces("".join(text for text, _ in line), max(1, width)):
        yield _cut(line, begin, end)


def print_line(console: Console, line: Line) -> None:
    """Print a line: folded on a terminal, else whole, for programs that search lines."""
    if console.is_terminal:
        console.print(Lines(folded(line, console.width)))
    else:
        console.print(Lines([line]), soft_wrap=True)


def joined(*lines: Line) -> Line:
    """Return lines side by side."""
    return tuple(span for line in lines for span in line)


def _length(line: Line) -> int:
    if len(line) == 1:  # nearly always
        return length(line[0][0])
    return sum(length(text) for text, _ in line)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _longest_word(lines: Cell) -> int:
    return max(
        (length(word) for line in lines for word in "".join(text for text, _ in line).split()), default=0
    )


def _row(cells: Sequence[Cell], widths: Sequence[int], right: Sequence[bool]) -> Iterator[Line]:
    """Yield the lines of a row."""
    fitted = [
        [piece for line in lines for piece in folded(line, width)]
        for lines, width in zip(cells, widths, strict=True)
    ]
    for i in range(max(map(len, fitted))):
        out: list[tuple[str, str]] = []
        spaces = 0  # that are still to be written
        for lines, width, to_the_right in zip(fitted, widths, right, strict=True):
            line = lines[i] if i < len(lines) else ()
            left = width - _length(line)
            if to_the_right:
                spaces, left = spaces + left, 0
            for text, style in line:
                if not text:
                    continue
                padded = " " * spaces + text
                spaces = 0
                if out and out[-1][1] == style:
                    out[-1] = (out[-1][0] + padded, style)
                else:
                    out.append((padded, style))
            spaces += left + GAP
        yield tuple(out)


def _pieces(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where each line of a folded text goes."""
    begin = 0
    while begin < len(text):
        end = _fitting(text, begin, width)
        if end < len(text):
            space = text.rfind(" ", begin, end + 1)
            at_space = space > begin and text[begin:space] != ARROW
            end = space if at_space else _inside_a_word(text, begin, end)
        yield begin, end
        while text[end : end + 1] == " ":
            end += 1
        begin = end


def _fitting(text: str, begin: int, width: int) -> int:
    """Return up to where the text from `begin` on fits into `width` columns; at least one character does."""
    head = text[begin : begin + width]
    following = text[begin + width : begin + width + 1]
    if length(head) == len(head) and length(head + following) == len(head + following):
        return begin + len(head)  # nearly always: no combining mark, nothing wider than a column
    first = chop_cells(text[begin : begin + 4 * width], width)[0]
    return begin + max(1, len(first))


def _inside_a_word(text: str, begin: int, end: int) -> int:
    """Return where to break a word that is too long: an IPv6 address after a colon, and nothing within a port."""
    if text.startswith(f"{ARROW} ", begin):
        begin += len(ARROW) + 1
    stop = text.find(" ", begin)
    word = text[begin : stop if stop >= 0 else None]
    port = PORT.search(word)
    if port is None:
        return end
    before = begin + port.start()
    if end > before:
        return before if before > begin else end
    colon = text.rfind(":", begin, end) + 1 if word[: port.start()].endswith("]") else 0
    return colon if colon > begin else end


def _cut(line: Line, begin: int, end: int) -> Line:
    """Return the part of a line between two characters."""
    out = []
    at = 0
    for text, style in line:
        piece = text[max(0, begin - at) : max(0, end - at)]
        if piece:
            out.append((piece, style))
        at += len(text)
    return tuple(out)
