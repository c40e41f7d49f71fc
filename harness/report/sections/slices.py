"""Rates by tag, and by source of labels if there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis.metrics.summary import Accuracy
from harness.report.model import EvalReport

ORDER = 50
TITLE = "Slices"

FEWEST = 5
"""Fewer cases say nothing about a slice."""


def context(report: EvalReport) -> dict[str, Any] | None:
    """Rows of all cases, then by tag, then by source of labels; one per cell that has such cases."""
    all_tags = _grouped([(cell.name, dict(cell.summary.by_tag)) for cell in report.cells])
    tags = [(tag, rows) for tag, rows in all_tags if max(a.strict.n for _, a in rows) >= FEWEST]
    small = [tag for tag, _ in all_tags if tag not in dict(tags)]
    sources = _grouped([(cell.name, dict(cell.summary.by_label_source)) for cell in report.cells])
    has_sources = len(sources) > 1
    if not tags and not has_sources:
        return None
    named = f"Not shown, with fewer than {FEWEST} cases: {', '.join(small)}." if small else ""
    everything = [(cell.name, cell.summary.accuracy) for cell in report.cells]
    by_source = [(f"labels by {source}", rows) for source, rows in sources] if has_sources else []
    return {"rows": [("all cases", everything), *tags, *by_source], "several_sources": has_sources, "small": named}


def _grouped(cells: Sequence[tuple[str, Mapping[str, Accuracy]]]) -> list[tuple[str, list[tuple[str, Accuracy]]]]:
    names = sorted({name for _, slices in cells for name in slices})
    return [(name, [(cell, slices[name]) for cell, slices in cells if name in slices]) for name in names]
