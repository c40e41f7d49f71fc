"""A table for spreadsheets, one row per case and cell; the columns are `case_rows.COLUMNS`.

Lists are joined by spaces, `None` is an empty cell, and other values that are not text are JSON. Text that a
spreadsheet would run as a formula gets a leading apostrophe. Control and invisible characters are spelled out. Text is
cut at the longest cell of a spreadsheet. JSONL has the original text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from harness.core.formatting import value_text, visible
from harness.report.case_rows import COLUMNS, rows
from harness.report.model import Report

CELL_LIMIT = 32_767
"""Longest cell of Excel and LibreOffice, in characters."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def render(report: Report) -> str:
    """Render the table with its header."""
    return table(COLUMNS, (row.values() for row in rows(report.runs)))


def table(header: Iterable[str], body: Iterable[Iterable[Any]]) -> str:
    """Render values as CSV that no spreadsheet runs as a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in body)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = " ".join(value)
    text = visible(value_text(value))
    if isinstance(value, str) and text.startswith(_FORMULA):
        text = "'" + text
    if len(text) <= CELL_LIMIT:
        return text
    note = f" [cut: {len(text):,} characters in total]"
    return text[: CELL_LIMIT - len(note)] + note
