"""The command line: one file per command, named as the command.

May import everything.
Never here: logic that the library or the pytest plugin also needs.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from harness.cli import _commands, _exit, _process

app = typer.Typer(
    name="harness",
    help=(
        "Test whether a prompt that works on GPT-4o also works on your local model.\n\n"
        "Start with `harness init`, then `harness run`."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in _commands.discover():
    _command.add_to(app)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  Typer's callback protocol
    if wanted:
        from importlib.metadata import version

        typer.echo(version("prompt-portability-harness"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of `harness` itself."""
    del version


def main() -> None:
    """Run the command line. Errors that the user can fix end with one line and the exit code of their kind."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without “–” prints “?” instead of a traceback
    with _exit.closed_pipe(), _process.settings(), _exit.errors():
        app()
