"""Turn saved runs and computed figures into one file: HTML, Markdown, JSON, CSV.

May import analysis, backends (types only) and everything below them.
Never here: model calls, statistics.

    report = build(runs)                    every figure, computed once (model.py)
    write(report, Path("report.html"))      the ending picks the format, one file each in formats/

A section of the page is one file in sections/ and one template of the same name in templates/.
"""

from __future__ import annotations

from harness.report.analyses import Analyses, analyses_of
from harness.report.case_rows import COLUMNS, rows
from harness.report.model import CellReport, EvalReport, JoinedCase, Report, build
from harness.report.write import check_path, endings, write

__all__ = [
    "COLUMNS",
    "Analyses",
    "CellReport",
    "EvalReport",
    "JoinedCase",
    "Report",
    "analyses_of",
    "build",
    "check_path",
    "endings",
    "rows",
    "write",
]
