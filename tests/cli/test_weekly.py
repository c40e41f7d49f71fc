"""`harness weekly`. More in tests/weekly."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.project import Project


def test_quiet_prints_no_progress(harness: Terminal, served: Project) -> None:
    loud, quiet = (harness("weekly", "--date", "2026-11-24", *flag) for flag in ((), ("--quiet",)))
    assert "triage local@fake" in loud.err
    assert (quiet.code, quiet.err) == (loud.code, "")
    assert harness("weekly", "--date", "2026-11-24", "-q").err == ""
