"""One JSON object per line, one line per case and cell, with the keys `case_rows.COLUMNS` and full replies."""

from __future__ import annotations

from harness.report.case_rows import rows
from harness.report.formats.json import dumps
from harness.report.model import Report


def render(report: Report) -> str:
    """Render the lines."""
    return "".join(f"{dumps(row)}\n" for row in rows(report.runs))
