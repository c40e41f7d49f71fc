"""Findings of an unattended run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingStatus(StrEnum):
    """FAILED and PASSED are proven, UNDECIDED is a question that must be answered, NOTED is only worth a line."""

    FAILED = "failed"
    UNDECIDED = "undecided"
    PASSED = "passed"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them. `text` begins with the eval and the cell, and is the whole story on one line."""

    standing: FindingStatus
    text: str
