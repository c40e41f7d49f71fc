"""The same rates over the cases of each tag, and of each source of labels where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis.metrics.summary import Accuracy
from harness.report.model import EvalReport

ORDER = 50
TITLE = "Slices"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Rows grouped by tag, all cases first, then by who labelled; in a group a row per cell that has such cases."""
    tags = _grouped([(cell.name, dict(cell.summary.by_tag)) for cell in report.cells])
    sources = _grouped([(cell.name, dict(cell.summary.by_label_source)) for cell in report.cells])
    several = len(sources) > 1
    if not tags and not several:
        return None
    everything = [(cell.name, cell.summary.accuracy) for cell in report.cells]
    by_source = [(f"labels by {source}", rows) for source, rows in sources] if several else []
    return {"rows": [("all cases", everything), *tags, *by_source], "several_sources": several}


def _grouped(cells: Sequence[tuple[str, Mapping[str, Accuracy]]]) -> list[tuple[str, list[tuple[str, Accuracy]]]]:
    names = sorted({name for _, slices in cells for name in slices})
    return [(name, [(cell, slices[name]) for cell, slices in cells if name in slices]) for name in names]
