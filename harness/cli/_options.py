"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.project import run_options

if TYPE_CHECKING:
    from harness.core.types import Decoding

Evals = Annotated[list[str] | None, typer.Argument(help="Names or paths of evals. Default: all evals.")]


class DecodingName(StrEnum):
    """Values of `--decoding`. An enum, because Typer does not accept a list of `Literal`."""

    value: Decoding
    FREE = "free"
    CONSTRAINED = "constrained"


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
