"""What several commands need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harness.project.config import Config

Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output", "-o", envvar="HARNESS_OUTPUT", help="Write a report: .html .json .jsonl .csv .md; repeatable."
    ),
]

Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend",
        "-b",
        envvar="HARNESS_BACKEND",
        help="A backend of harness.toml, replay:RUN or replay:FILE.jsonl; repeatable.",
    ),
]
Cache = Annotated[
    bool | None,
    typer.Option(
        "--cache/--no-cache", envvar="HARNESS_CACHE", help="Take earlier answers of the same model from the store."
    ),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, envvar="HARNESS_JOBS", help="Requests at once per backend.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", envvar="HARNESS_RESUME", help="Go on with what was interrupted, and ask again what failed."
    ),
]


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
