"""Saved runs in, one file out: HTML, JSON, JSONL, CSV or Markdown. Everything is rebuilt from runs; no model is asked.

    report = build(runs)                    every figure, computed once (data.py)
    write(report, Path("report.html"))      the ending picks the format, one file each in formats/

A section of the page is one file in sections/ and one template of the same name in templates/.
"""

from __future__ import annotations

from harness.report.asked import Asked, asked_by
from harness.report.data import CellReport, EvalReport, JoinedCase, Report, build
from harness.report.output import check_path, endings, write
from harness.report.rows import COLUMNS, rows

__all__ = [
    "COLUMNS",
    "Asked",
    "CellReport",
    "EvalReport",
    "JoinedCase",
    "Report",
    "asked_by",
    "build",
    "check_path",
    "endings",
    "rows",
    "write",
]
