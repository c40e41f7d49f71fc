"""Retrieval: recall and ranks of relevant passages, and the worst queries."""

from __future__ import annotations

from typing import Any

from harness.analysis.metrics.embedding import RetrievalMetrics, retrieve
from harness.core.formatting import one_line
from harness.core.plugins import task_capabilities
from harness.report.model import EvalReport

ORDER = 40
TITLE = "Retrieval"

_QUERY = 160


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row per cell, the same by tag, and the worst queries of each cell."""
    if "retrieval" not in task_capabilities(report.task).sections:
        return None
    cells = [(cell, metrics) for cell in report.cells if (metrics := retrieve(cell.results))]
    if not cells:
        return None
    by_name = [(cell.name, metrics) for cell, metrics in cells]
    return {
        "names": list(dict.fromkeys(name for _, metrics in by_name for name in metrics.means)),
        "cells": [(cell.name, cell.summary, metrics) for cell, metrics in cells],
        "tags": [
            (tag, [(name, metrics.by_tag[tag]) for name, metrics in by_name if tag in metrics.by_tag])
            for tag in sorted({tag for _, metrics in by_name for tag in metrics.by_tag})
        ],
        "worst": [(name, _misses(metrics)) for name, metrics in by_name if metrics.worst],
    }


def _misses(metrics: RetrievalMetrics) -> list[tuple[str, str, str, int | None]]:
    """(query, first result, first relevant passage, its rank)."""

    def shown(inputs: Any) -> str:
        return one_line(str(inputs.get("title") or inputs.get("text", "")), _QUERY)

    return [(shown(m.query.inputs), shown(m.top.inputs), shown(m.wanted.inputs), m.place) for m in metrics.worst]
