"""Prompt portability: does a prompt that works on GPT-4o work on your local model?

The names below are the public ones. They are imported on first use, so that `import harness` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import run
    from harness.contracts.label.contract import LabelContract
    from harness.contracts.read import read
    from harness.core.errors import HarnessError
    from harness.core.types import Case, Message, Reading, Request, Response, Result, Run
    from harness.report import CellReport, Report, build, write

_HOMES = {
    "run": "harness.api",
    "LabelContract": "harness.contracts.label.contract",
    "HarnessError": "harness.core.errors",
    "read": "harness.contracts.read",
    "CellReport": "harness.report",
    "Report": "harness.report",
    "build": "harness.report",
    "write": "harness.report",
    "Case": "harness.core.types",
    "Message": "harness.core.types",
    "Reading": "harness.core.types",
    "Request": "harness.core.types",
    "Response": "harness.core.types",
    "Result": "harness.core.types",
    "Run": "harness.core.types",
}

__all__ = [
    "Case",
    "CellReport",
    "HarnessError",
    "LabelContract",
    "Message",
    "Reading",
    "Report",
    "Request",
    "Response",
    "Result",
    "Run",
    "build",
    "read",
    "run",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'harness' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
