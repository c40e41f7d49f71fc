"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.core.types import Decoding

Evals = Annotated[list[str] | None, typer.Argument(help="Names or paths of evals; all of them if none is named.")]


class DecodingName(StrEnum):
    """What `--decoding` takes. Typer makes no choice of a `Literal` in a list."""

    value: Decoding
    FREE = "free"
    CONSTRAINED = "constrained"


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
