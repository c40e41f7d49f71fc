"""A table for a terminal of any width that never cuts a figure.

On a narrow terminal, it gives way in this order:

1. headings take two lines;
2. names fold into at most three lines: at a space, else after `_`, `/` or a hyphen, or before `@`;
3. the first column, the name of the row, gets a line of its own;
4. each row becomes a block: its name, and below it every heading with its figure.

Names come from files and replies: nothing is read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.text import Text

from harness.core.formatting import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_GAP = 2
_INDENT = 2
_MOST_LINES = 3
"""Most lines of a folded name; one less if the first column has its own line. Otherwise a block is easier to read."""

_BETWEEN = " · "
_WORDS = re.compile(r"(?<= )(?=[^\d ])")
"""Preferred places to fold a text. Not before a number: `connection 3` belongs together."""

_PARTS = re.compile(r"(?<=[_/])(?=.)|(?=@)|(?<=\w-)(?=\w)")
"""Places to fold a word that is too long for its line."""


class TerminalTable:
    """Rows under headings, for rich to print."""

    def __init__(
        self,
        *headings: str,
        names: Sequence[str],
        left: Sequence[str] = (),
        show_header: bool = True,
        indent: int = 0,
    ) -> None:
        """`names`: headings of columns that may fold. Other columns are figures, right-aligned unless in `left`."""
        self._indent = " " * indent
        self._headings = headings
        self._folds = [heading in names for heading in headings]
        self._left = [heading in {*names, *left} for heading in headings]
        self._show_header = show_header
        self._rows: list[list[Text]] = []

    def add(self, *cells: str | Text) -> None:
        """Add a row. A `Text` keeps its style."""
        texts = [cell if isinstance(cell, Text) else Text(cell) for cell in cells]
        self._rows.append([Text(" ".join(visible(cell.plain).splitlines()), style=cell.style) for cell in texts])

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield lines that fit the width."""
        lines = self._lines(options.max_width - len(self._indent))
        yield from (Text.assemble(self._indent, line) for line in lines) if self._indent else lines

    def _lines(self, room: int) -> Iterator[Text]:
        columns = range(len(self._headings))
        if widths := self._widths(columns, room, _MOST_LINES):
            yield from self._table(columns, widths)
        elif widths := self._widths(columns[1:], room - _INDENT, _MOST_LINES - 1):
            yield from self._table(columns[1:], widths, own_line=room)
        else:
            for row in self._rows:
                yield from self._block(row, room)

    def _widths(self, columns: Sequence[int], room: int, lines: int) -> dict[int, int] | None:
        """Width of each column; `None` if the table does not fit."""
        room -= _GAP * (len(columns) - 1)
        heads = {i: self._headings[i] if self._show_header else "" for i in columns}
        bodies = {i: max((cell_len(row[i].plain) for row in self._rows), default=0) for i in columns}
        widths = {i: max(bodies[i], cell_len(heads[i])) for i in columns}
        if sum(widths.values()) <= room:
            return widths
        least = {i: narrowest([heads[i]], 2) for i in columns}
        widths = {i: max(bodies[i], least[i]) for i in columns}
        for i in columns:
            if self._folds[i]:
                least[i] = max(least[i], narrowest([row[i].plain for row in self._rows], lines))
        while sum(widths.values()) > room:
            shrinkable = [i for i in columns if self._folds[i] and widths[i] > least[i]]
            if not shrinkable:
                return None
            widths[max(shrinkable, key=widths.__getitem__)] -= 1
        for i in columns:  # folded words rarely fill a line, so drop the remaining gap
            texts = [heads[i], *(row[i].plain for row in self._rows)]
            widths[i] = max(cell_len(line) for text in texts for line in folded(text, widths[i]))
        return widths

    def _table(self, columns: Sequence[int], widths: dict[int, int], own_line: int = 0) -> Iterator[Text]:
        """Yield headings and rows. `own_line`: the width of a first column on its own line; 0 for none."""
        if self._show_header:
            heads = [Text(heading, style="dim") for heading in self._headings]
            if own_line:
                yield _line(heads[0].plain, "dim")
            yield from self._row(heads, columns, widths, _INDENT if own_line else 0)
        for row in self._rows:
            if own_line:
                yield from (_line(part, row[0].style) for part in folded(row[0].plain, own_line))
            yield from self._row(row, columns, widths, _INDENT if own_line else 0)

    def _row(self, row: Sequence[Text], columns: Sequence[int], widths: dict[int, int], indent: int) -> Iterator[Text]:
        cells = {i: folded(row[i].plain, widths[i]) for i in columns}
        for number in range(max(map(len, cells.values()), default=0)):
            line = _line(" " * indent)
            for i in columns:
                part = cells[i][number] if number < len(cells[i]) else ""
                space = " " * (widths[i] - cell_len(part))
                line.append("" if i == columns[0] else " " * _GAP)
                line.append(part + space if self._left[i] else space + part, row[i].style)
            line.rstrip()
            yield line

    def _block(self, row: Sequence[Text], room: int) -> Iterator[Text]:
        """Yield the name of a row, and its headings and figures below."""
        yield from (_line(part, row[0].style) for part in folded(row[0].plain, room))
        line = ""
        for heading, cell in zip(self._headings[1:], row[1:], strict=True):
            part = f"{heading if self._show_header else ''} {cell.plain.strip()}".strip() if cell.plain.strip() else ""
            if line and part and cell_len(line + _BETWEEN + part) > room - _INDENT:
                yield from _indented(f"{line}{_BETWEEN.rstrip()}", room)
                line = part
            else:
                line = _BETWEEN.join(filter(None, (line, part)))
        yield from _indented(line, room)


def folded(text: str, width: int) -> list[str]:
    """Fold a text into lines of at most `width` columns. Words break only if they are longer."""
    lines = [""]
    for word in _WORDS.split(text):
        for piece in [word] if cell_len(word.rstrip()) <= width else _PARTS.split(word):
            if cell_len((lines[-1] + piece).rstrip()) <= width:
                lines[-1] += piece
            elif cell_len(piece.rstrip()) <= width:
                lines.append(piece)
            else:
                lines += chop_cells(piece.rstrip(), max(1, width))
    return [line.rstrip() for line in lines if line.strip()] or [""]


def narrowest(texts: Sequence[str], lines: int) -> int:
    """The least width at which each text takes at most `lines` lines without a broken word."""
    words = (word for text in texts for word in _WORDS.split(text))
    width = max((cell_len(piece.rstrip()) for word in words for piece in _PARTS.split(word)), default=0)
    while any(len(folded(text, width)) > lines for text in texts):
        width += 1
    return width


def _indented(text: str, room: int) -> Iterator[Text]:
    if text:
        yield from (_line(" " * _INDENT + part) for part in folded(text, room - _INDENT))


def _line(text: str, style: object = "") -> Text:
    return Text(text, style=str(style), no_wrap=True, overflow="ignore")
