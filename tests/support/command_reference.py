"""Generate `docs/commands.md` from the commands and their help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from harness.cli import app
from harness.cli._commands import discover

INTRODUCTION = """\
# Commands

Every command, argument and option. `harness COMMAND --help` shows the same text.

This page is generated: `pytest tests/cli/test_help.py --update-snapshots`.
"""


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Yield full name and click command of each command, without groups that only hold subcommands."""
    for name, command in group.commands.items():
        is_group = hasattr(command, "commands")
        if not is_group or command.invoke_without_command:
            yield " ".join((*path, name)), command
        if is_group:
            yield from commands(command, *path, name)


def command_reference() -> str:
    """Return the page as Markdown."""
    root: Any = get_command(app)
    parts = [INTRODUCTION]
    heading = ""
    for entry in discover():
        if entry.heading != heading:
            heading = entry.heading
            parts.append(f"## {heading}\n")
        command = root.commands[entry.name]
        if hasattr(command, "commands"):
            parts.append(f"### harness {entry.name}\n\n{_text(command.help)}\n")
            parts += [_section(name, each, level=4) for name, each in commands(command, entry.name)]
        else:
            parts.append(_section(entry.name, command, level=3))
    return "\n".join(parts)


def _section(name: str, command: Any, *, level: int) -> str:
    lines = [f"{'#' * level} harness {name}", "", _text(command.help), ""]
    rows = [f"| {_names(p)} | {p.help.replace('|', chr(92) + '|')} |" for p in command.params if p.name != "help"]
    return "\n".join([*lines, *(["| argument or option | meaning |", "|---|---|", *rows, ""] if rows else [])])


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name).strip('[]').upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _text(text: str | None) -> str:
    return inspect.cleandoc(text or "")
