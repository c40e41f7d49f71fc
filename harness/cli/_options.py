"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.core.types import Decoding

Evals = Annotated[list[str] | None, typer.Argument(help="Names or paths of evals. Default: all evals.")]


class DecodingName(StrEnum):
    """Values of `--decoding`. An enum, because Typer does not accept a list of `Literal`."""

    value: Decoding
    FREE = "free"
    CONSTRAINED = "constrained"


Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        envvar="HARNESS_OUTPUT",
        help="Write a report to this file: .html .json .jsonl .csv .md; repeatable.",
    ),
]

Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend",
        "-b",
        envvar="HARNESS_BACKEND",
        help="A backend from harness.toml, or replay:RUN, or replay:FILE.jsonl; repeatable.",
    ),
]
Cache = Annotated[
    bool | None,
    typer.Option("--cache/--no-cache", envvar="HARNESS_CACHE", help="Reuse saved replies to identical requests."),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, envvar="HARNESS_JOBS", help="Maximum concurrent requests per backend."),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", envvar="HARNESS_RESUME", help="Continue an interrupted run and retry its failed calls."),
]
