"""`harness init`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.cli import Terminal
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply


def answers(cases: Path) -> Callable[[ReceivedRequest], Reply]:
    """A model that knows the answer to each case."""
    known = {row["inputs"]["text"]: row["expected"] for row in map(json.loads, cases.read_text().splitlines())}
    return lambda asked: Reply(next((label for text, label in known.items() if text in asked.prompt), "OK"))


def test_init_creates_a_valid_project(harness: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = harness("init", str(tmp_path / "new"))
    assert ended.code == 0
    assert "harness run -o reports/first.html" in ended.out
    monkeypatch.chdir(tmp_path / "new")
    assert harness("datasets", "validate").code == 0
    assert harness("prompts", "check").code == 0


def test_commented_gates_of_the_starter_work(
    harness: Terminal, server: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness("init", str(tmp_path / "new"))
    monkeypatch.chdir(tmp_path / "new")
    definition = Path("evals/feedback.toml")
    definition.write_text(re.sub(r"^# ", "", definition.read_text(), flags=re.MULTILINE))
    config = Path("harness.toml")
    of_server = f'provider = "openai"\nbase_url = "{server.base_url}"'
    config.write_text(config.read_text().replace('provider = "llamacpp"', of_server))
    server.answer = answers(Path("datasets/feedback/cases.jsonl"))
    ended = harness("run", "--strict", "--backend", "smollm2", "--variant", "local")
    assert ended.code == 0, ended.err
    assert ended.out.count("passed ") == 2
