"""docs/batch.md shows existing commands and options, and the figures of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from harness.cli.batch import SHOWN
from harness.runner.batch import MAX_BYTES, MAX_REQUESTS, openai_api
from harness.runner.batch.cell_batch import GIVE_UP_AFTER_S

from ...support.cli import Terminal

PAGE = (Path(__file__).parents[3] / "docs/batch.md").read_text(encoding="utf-8")


def test_documented_commands_and_options_exist(harness: Terminal) -> None:
    lines = [line for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("harness ")]
    assert len(commands) == 6
    for _, *words in commands:
        command = words[:2] if words[0] == "batch" else words[:1]
        ended = harness(*command, "--help")
        assert ended.code == 0, words
        assert all(re.search(rf"(?<!\S){word}(?!\w)", ended.out) for word in words if word.startswith("-")), words


def test_documented_figures_are_those_of_the_code() -> None:
    assert f"{MAX_REQUESTS:,} requests and {MAX_BYTES // 1_000_000} MB" in PAGE
    assert GIVE_UP_AFTER_S == 3600
    assert "tried for an hour" in PAGE
    assert f"(the first {SHOWN};" in PAGE
    assert f"more than {openai_api.MAX_BYTES // 10**9} GB" in PAGE
