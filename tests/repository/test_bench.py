"""bench/README.md lists every script, and every script prints its help."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
SCRIPTS = sorted(path.relative_to(BENCH).as_posix() for path in BENCH.glob("*/[!_]*.py"))
INDEX = (BENCH / "README.md").read_text(encoding="utf-8")


def test_the_index_lists_every_script_and_no_other() -> None:
    assert sorted(re.findall(r"^\| \[\w+\.py\]\(([\w/]+\.py)\)", INDEX, re.MULTILINE)) == SCRIPTS


def test_every_row_has_question_command_duration_and_figures() -> None:
    rows = [line.split(" | ") for line in INDEX.splitlines() if line.startswith("| [")]
    assert len(rows) == len(SCRIPTS)
    for name, *cells in rows:
        assert len(cells) == 4, name
        assert all(cell.strip(" |") for cell in cells), name
        assert "unknown" not in " ".join(cells).lower(), name


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_prints_its_help(script: str) -> None:
    command = [sys.executable, str(BENCH / script), "--help"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("usage: ")
