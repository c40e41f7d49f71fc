"""What several commands need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.project import run_options

if TYPE_CHECKING:
    from rich.console import Console

    from harness.project.config import Config


def option(name: str, *flags: str) -> Any:
    """The command-line option for a field of `RunOptions`, with its help, environment variable and lower bound."""
    (declared,) = (each for each in run_options.options() if each.name == name)
    return typer.Option(
        *flags,
        envvar=run_options.variable(name),
        help=declared.metadata["doc"],
        min=declared.metadata["at_least"],
    )


Output = Annotated[list[Path] | None, option("output", "--output", "-o")]
Backends = Annotated[list[str] | None, option("backend", "--backend", "-b")]
Cache = Annotated[bool | None, option("cache", "--cache/--no-cache")]
Jobs = Annotated[int | None, option("jobs", "--jobs", "-j")]
Resume = Annotated[bool, option("resume", "--resume")]
Quiet = Annotated[bool, option("quiet", "--quiet", "-q")]


def complain(message: str, word: str = "error") -> None:
    """A message on standard error, safe to print whatever a file or a server put into it."""
    from harness.core.formatting import visible

    for line in message.splitlines():
        typer.secho(f"{word}: ", err=True, nl=False, fg="red" if word == "error" else "yellow")
        typer.echo(visible(line), err=True)


def note(message: str) -> None:
    """A line that the user should know of."""
    complain(message, "note")


def console() -> Console:
    """Standard output; colour and width of the terminal, none elsewhere."""
    from rich.console import Console

    plain = Console(highlight=False)
    return plain if plain.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=100)


def load_project() -> Config:
    """The project that the user stands in, all its backends checked."""
    from harness import backends
    from harness.project import config

    project = config.load()
    backends.check(project)
    return project
