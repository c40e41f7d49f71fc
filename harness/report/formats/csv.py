"""A table for spreadsheets, one row per case and cell; the columns are `rows.COLUMNS`.

Lists are joined by a space, nothing is an empty cell, values that are not text are JSON. Text that a spreadsheet would
run as a formula gets an apostrophe in front; what would act on a terminal or hide is spelled out. Text is cut where a
spreadsheet's cell ends. JSONL has it as it is.
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
"""Characters that Excel and LibreOffice accept in a cell; Python's csv reader, 131,072."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def render(report: Report) -> str:
    """The table, its header first."""
    return table(COLUMNS, (row.values() for row in rows(report.runs)))


def table(header: Iterable[str], body: Iterable[Iterable[Any]]) -> str:
    """Rows of any values as a table that a spreadsheet shows and does not run."""
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
    note = f" [cut: {len(text):,} characters in all]"
    return text[: CELL_LIMIT - len(note)] + note
