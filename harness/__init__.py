"""Prompt portability: does a prompt that works on GPT-4o work on your local model?

Public names are imported on first use, so `import harness` is fast. docs/api.md describes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import report
    from harness.analysis.compare import Comparison
    from harness.api import arun, build_report, compare, run
    from harness.contracts.label.contract import LabelContract
    from harness.contracts.read import read
    from harness.core.errors import HarnessError
    from harness.core.types import Case, Message, Reading, Request, Response, Result, Run
    from harness.project.run_options import RunOptions
    from harness.report import CellReport, Report, build, write
    from harness.router import ModelRouter
    from harness.runner.events import RunEvents
    from harness.runner.project import Project

_HOMES = {
    "arun": "harness.api",
    "build": "harness.report",
    "build_report": "harness.api",
    "Case": "harness.core.types",
    "CellReport": "harness.report",
    "compare": "harness.api",
    "Comparison": "harness.analysis.compare",
    "HarnessError": "harness.core.errors",
    "LabelContract": "harness.contracts.label.contract",
    "Message": "harness.core.types",
    "ModelRouter": "harness.router",
    "Project": "harness.runner.project",
    "read": "harness.contracts.read",
    "Reading": "harness.core.types",
    "Report": "harness.report",
    "Request": "harness.core.types",
    "Response": "harness.core.types",
    "Result": "harness.core.types",
    "run": "harness.api",
    "Run": "harness.core.types",
    "RunEvents": "harness.runner.events",
    "RunOptions": "harness.project.run_options",
    "write": "harness.report",
}
"""The module of each public name; `harness.report` is a module itself."""

__all__ = [
    "Case",
    "CellReport",
    "Comparison",
    "HarnessError",
    "LabelContract",
    "Message",
    "ModelRouter",
    "Project",
    "Reading",
    "Report",
    "Request",
    "Response",
    "Result",
    "Run",
    "RunEvents",
    "RunOptions",
    "arun",
    "build",
    "build_report",
    "compare",
    "read",
    "report",
    "run",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "report":
        return importlib.import_module("harness.report")
    if name not in _HOMES:
        msg = f"module 'harness' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
