"""`harness datasets validate`, `stats` and `show`."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.project import Project


def test_validate_stats_and_show(harness: Terminal, served: Project) -> None:
    assert "tickets: 6 cases valid" in harness("datasets", "validate").out
    assert "test: 4" in harness("datasets", "stats").out
    assert "The billing page crashes" in harness("datasets", "show", "tickets").out
    assert "expected  technical" in harness("datasets", "show", "tickets", "t-2").out
