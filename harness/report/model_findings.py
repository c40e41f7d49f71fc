"""Findings of an unattended run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingStatus(StrEnum):
    """FAILED and PASSED are proven. UNDECIDED needs attention. NOTED is information."""

    FAILED = "failed"
    UNDECIDED = "undecided"
    PASSED = "passed"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line that starts with the eval and the cell."""

    status: FindingStatus
    text: str
