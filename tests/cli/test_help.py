"""`--help`: every command is under a heading, and shows examples that fit a narrow terminal and are no fiction."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from harness.cli import app
from harness.cli._commands import HEADINGS, discover

WIDTH = 76
"""What is left of 80 columns inside a code block."""


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield " ".join((*path, name)), command


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
def test_examples_can_be_typed_as_they_stand(name: str) -> None:
    shown = examples(COMMANDS[name])
    assert shown or not COMMANDS[name].params, f"harness {name} --help shows no example"
    for line in shown:
        assert len(line) <= WIDTH, line
        for part in re.split(r" (?:\||&&|>) ", line):  # what a shell makes of it
            if part.startswith("harness "):
                parses(ROOT, shlex.split(part, comments=True)[1:])


def parses(group: Any, words: list[str]) -> None:
    """The words are a command and options that it has; raises click's own errors."""
    command = group.commands[words[0]]
    if hasattr(command, "commands") and words[1:2] and words[1] in command.commands:
        parses(command, words[1:])
    else:
        command.make_context(words[0], words[1:], parent=None)
