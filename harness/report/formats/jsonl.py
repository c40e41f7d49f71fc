"""One JSON object a line, one line per case and cell; the keys are `rows.COLUMNS`. Replies are whole."""

from __future__ import annotations

from harness.report.case_rows import rows
from harness.report.formats.json import dumps
from harness.report.model import Report


def render(report: Report) -> str:
    """The lines."""
    return "".join(f"{dumps(row)}\n" for row in rows(report.runs))
