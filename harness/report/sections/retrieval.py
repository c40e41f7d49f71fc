"""Searching with the vectors: how much of what is relevant was found, how far up, and where the search failed."""

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
    """A row per cell, the same by tag, and for each cell the queries that were answered worst."""
    if "retrieval" not in task_capabilities(report.task).sections:
        return None
    cells = [(cell, found) for cell in report.cells if (found := retrieve(cell.results))]
    if not cells:
        return None
    by_name = [(cell.name, found) for cell, found in cells]
    return {
        "names": list(dict.fromkeys(name for _, found in by_name for name in found.means)),
        "cells": [(cell.name, cell.summary, found) for cell, found in cells],
        "tags": [
            (tag, [(name, found.by_tag[tag]) for name, found in by_name if tag in found.by_tag])
            for tag in sorted({tag for _, found in by_name for tag in found.by_tag})
        ],
        "worst": [(name, _misses(found)) for name, found in by_name if found.worst],
    }


def _misses(found: RetrievalMetrics) -> list[tuple[str, str, str, int | None]]:
    """(query, passage found first, first relevant passage, its place)."""

    def shown(inputs: Any) -> str:
        return one_line(str(inputs.get("title") or inputs.get("text", "")), _QUERY)

    return [(shown(m.query.inputs), shown(m.top.inputs), shown(m.wanted.inputs), m.place) for m in found.worst]
