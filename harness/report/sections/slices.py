"""The same rates over the cases of each tag."""

from __future__ import annotations

from typing import Any

from harness.report.data import EvalReport

ORDER = 50
TITLE = "Slices"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Rows grouped by tag, all cases first; in a group a row per cell that has such cases."""
    by_cell = [(cell.name, dict(cell.summary.by_tag)) for cell in report.cells]
    tags = sorted({tag for _, by_tag in by_cell for tag in by_tag})
    if not tags:
        return None
    everything = [(cell.name, cell.summary.accuracy) for cell in report.cells]
    slices = [(tag, [(name, by_tag[tag]) for name, by_tag in by_cell if tag in by_tag]) for tag in tags]
    return {"rows": [("all cases", everything), *slices]}
