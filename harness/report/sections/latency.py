"""Latency and length of replies."""

from __future__ import annotations

from typing import Any

from harness.report.charts import COLOURS, dash_of, distributions
from harness.report.model import CellReport, EvalReport

ORDER = 60
TITLE = "Latency and tokens"
PICTURES = "latency and tokens"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Figures per cell, and both distributions as one chart."""
    if not any(cell.summary.answered for cell in report.cells):
        return None
    latencies = [(cell.name, _latencies(cell)) for cell in report.cells]
    tokens = [(cell.name, _tokens(cell)) for cell in report.cells]
    panels = [("seconds per call", latencies), ("tokens per reply", tokens)]
    shown = [(title, series) for title, series in panels if any(len(values) > 1 for _, values in series)]
    charts = [(title, distributions(report.name, title, series)) for title, series in shown]
    lines = [(cell.name, place % COLOURS, dash_of(place)) for place, cell in enumerate(report.cells)]
    return {"cells": report.cells, "charts": [(title, svg) for title, svg in charts if svg], "lines": lines}


def _latencies(cell: CellReport) -> list[float]:
    answered = (r.response.latency_s for r in cell.results if r.response.error is None)
    return [value for value in answered if value is not None]


def _tokens(cell: CellReport) -> list[float]:
    answered = (r.response.completion_tokens for r in cell.results if r.response.error is None)
    return [float(value) for value in answered if value is not None]
