"""`--help`: headings, examples that can be typed, and the command reference in docs/commands.md."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer.main

from harness import cli
from harness.cli import app
from harness.cli._commands import HEADINGS, discover

from ..support.cli import Terminal
from ..support.command_reference import command_reference, commands
from ..support.snapshot import HINT, Snapshot

WIDTH = 76
"""Width of a code block in a terminal of 80 columns."""

REFERENCE = Path(__file__).parents[2] / "docs" / "commands.md"
SLOW = ("openai", "pydantic", "sqlalchemy", "numpy", "jinja2", "asyncio")

ROOT: Any = typer.main.get_command(app)
COMMANDS = dict(commands(ROOT))


def examples(command: Any) -> list[str]:
    """The lines below `Examples:`."""
    text = inspect.cleandoc(command.help or "").partition("Examples:\n\n")[2].split("\n\n")[0]
    return [line.strip() for line in text.splitlines()]


def test_each_command_has_a_heading_and_a_place() -> None:
    found = discover()
    assert sorted(command.name for command in found) == sorted(ROOT.commands)
    assert {command.heading for command in found} == set(HEADINGS)
    assert len({(command.heading, command.order) for command in found}) == len(found)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_can_be_typed(name: str) -> None:
    shown = examples(COMMANDS[name])
    assert shown, f"harness {name} --help shows no example"
    for line in shown:
        assert len(line) <= WIDTH, line
        for part in re.split(r" (?:\||&&|>) ", line):  # as a shell does
            if part.startswith("harness "):
                parse(ROOT, shlex.split(part, comments=True)[1:])


def parse(group: Any, words: list[str]) -> None:
    """Parse a command with its options. Click raises an error for an unknown word."""
    command = group.commands[words[0]]
    if hasattr(command, "commands") and words[1:2] and words[1] in command.commands:
        parse(command, words[1:])
    else:
        command.make_context(words[0], words[1:], parent=None)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_keep_their_lines_at_80_columns(name: str, harness: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = [line.strip() for line in harness(*name.split(), "--help").out.splitlines()]
    assert [line for line in examples(COMMANDS[name]) if line not in shown] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_argument_and_option_has_a_help_text(name: str) -> None:
    for parameter in COMMANDS[name].params:
        assert parameter.help, (name, parameter.name)


def test_command_reference_is_current(request: pytest.FixtureRequest) -> None:
    text = command_reference()
    if request.config.getoption("--update-snapshots"):
        REFERENCE.write_text(text, encoding="utf-8")
    assert text == REFERENCE.read_text(encoding="utf-8"), HINT


def test_help_screens(harness: Terminal, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    masks = {r"Usage: .*harness ": "Usage: harness "}  # the program's name depends on how it was started
    snapshot("help", harness("--help").out, masks)
    snapshot("run_help", harness("run", "--help").out, masks)


def test_version_option_prints_the_version(harness: Terminal) -> None:
    assert harness("--version").out.strip() == version("prompt-portability-harness")


def test_command_line_imports_no_slow_library() -> None:
    code = f"import sys, harness.cli; print([m for m in {SLOW} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_examples_stay_a_block_in_every_help() -> None:
    """Typer dedents a help whose only other paragraph is `Examples:`, and then joins the examples to one line."""
    joined = []
    for path in sorted(Path(cli.__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            text = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
            paragraphs = [part for part in text.split("\n\n")[1:] if not part.startswith(" ")]
            if paragraphs == ["Examples:"]:
                joined.append(f"{path.name}:{node.name}")
    assert joined == []
