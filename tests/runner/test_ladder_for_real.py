"""The ladder of this repository with the real model: four files, real replies, and the section of the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ..backends.local.test_quantize import with_model
from ..support.cli import Terminal

ROOT = Path(__file__).parents[2]
pytestmark = [*with_model, pytest.mark.slow]


def test_every_step_is_run_and_judged_against_the_first(
    harness: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "real"
    for name in ("harness.toml", "evals/ticket_triage.toml", "prompts", "datasets/ticket_triage"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    monkeypatch.chdir(folder)
    ended = harness("run", "ticket_triage", "--ladder", "smollm2", "--limit", "4", "-o", "x.json", "-o", "x.html")
    assert ended.code == 0, ended.err
    (found,) = json.loads(Path("x.json").read_text())["evals"][0]["ladders"]
    assert [step["label"] for step in found["steps"]] == [
        *("F16 from Q4_1", "Q8_0 from Q4_1", "Q4_K_M from Q4_1", "Q2_K from Q4_1")
    ]
    assert all(step["model_bytes"] and step["prompt_s"] and step["tokens_per_s"] for step in found["steps"])
    assert [step["comparison"] is None for step in found["steps"]] == [True, False, False, False]
    assert "Quantization ladder" in Path("x.html").read_text()
