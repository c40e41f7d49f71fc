"""Tool calls: right tools, right arguments, missed and false calls, confused tools."""

from __future__ import annotations

from typing import Any

from harness.analysis.metrics.tool_calling import ToolScore, call_tools
from harness.core.plugins import task_capabilities
from harness.report.model import EvalReport

ORDER = 40
TITLE = "Tool calls"

_LISTED = 12


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row per cell, rows by tool, and the most frequent confusions of each cell."""
    if "tools" not in task_capabilities(report.task).sections:
        return None
    cells = [
        (cell.name, strict, lenient)
        for cell in report.cells
        if (strict := call_tools(cell.results)) and (lenient := call_tools(cell.results, lenient=True))
    ]
    if not cells:
        return None
    tools: dict[str, list[tuple[str, ToolScore, int]]] = {}
    for name, strict, lenient in cells:
        strict_right = {score.name: score.right for score in strict.per_tool}
        for score in lenient.per_tool:
            tools.setdefault(score.name, []).append((name, score, strict_right.get(score.name, 0)))
    return {
        "cells": cells,
        "tools": sorted(tools.items()),
        "confusions": [(name, lenient.confusions[:_LISTED]) for name, _, lenient in cells if lenient.confusions],
        "listed": _LISTED,
    }
