"""Messages, the console and the project, for all commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harness.project.config import Config

UNWRAPPED = 100_000
"""Columns of an output that is not a terminal: programs read whole lines, and a viewer wraps them itself."""


def print_error(message: str) -> None:
    """Print each line of the message to standard error, marked `error:`."""
    _print_marked("error", "red", message)


def print_note(message: str) -> None:
    """Print each line of the message to standard error, marked `note:`."""
    _print_marked("note", "yellow", message)


def print_warning(message: str) -> None:
    """Print each line of the message to standard error, marked `warning:`."""
    _print_marked("warning", "yellow", message)


def _print_marked(mark: str, colour: str, message: str) -> None:
    from harness.core.formatting import visible

    for line in message.splitlines():
        typer.secho(f"{mark}: ", err=True, nl=False, fg=colour)
        typer.echo(visible(line), err=True)


def console() -> Console:
    """Standard output with the terminal's colours and width. Without a terminal, no line is wrapped."""
    from rich.console import Console

    plain = Console(highlight=False)
    return plain if plain.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=UNWRAPPED)


def load_project() -> Config:
    """The project of the current folder, with all backends checked."""
    from harness import backends
    from harness.project import config

    project = config.load()
    backends.check(project)
    return project
