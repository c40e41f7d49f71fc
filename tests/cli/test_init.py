"""`harness init`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.cli import Terminal


def test_init_creates_a_valid_project(harness: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = harness("init", str(tmp_path / "new"))
    assert ended.code == 0
    assert "harness run -o reports/first.html" in ended.out
    monkeypatch.chdir(tmp_path / "new")
    assert harness("datasets", "validate").code == 0
    assert harness("prompts", "check").code == 0
