"""The command line. One file a group of commands; each imports what it needs when called, so that help is fast."""

from __future__ import annotations

import io
import signal
import sys
import traceback
from typing import Annotated, Any

import typer

from harness.cli import (
    advise,
    baseline,
    batch,
    compare,
    cost,
    datasets,
    history,
    judge,
    models,
    monitor,
    port,
    project,
    prompts,
    reading,
    runs,
    saved,
    weekly,
)

app = typer.Typer(
    name="harness",
    help=(
        "Tells, with proof, whether a prompt that works on GPT-4o works on your local model.\n\n"
        "Start with `harness init` in an empty folder, then `harness run`."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs.add_to(app)
saved.add_to(app)
weekly.add_to(app)
compare.add_to(app)
cost.add_to(app)
advise.add_to(app)
history.add_to(app)
judge.add_to(app)
port.add_to(app)
monitor.add_to(app)
reading.add_to(app)
app.add_typer(baseline.app, name="baseline")
app.add_typer(batch.app, name="batch")
app.add_typer(prompts.app, name="prompts")
app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
project.add_to(app)

PANELS = {
    "Start": ("init", "doctor", "models"),
    "Evaluate": ("run", "report", "compare", "history", "baseline", "weekly"),
    "Act on it": ("cost", "advise", "monitor", "sample", "review"),
    "Prompts and datasets": ("prompts", "datasets"),
    "Replies and other tools": ("read", "rescore", "judge", "import", "export", "batch"),
}
"""The help in the order in which one comes to need it."""


def _arrange() -> None:
    """Put each command under its heading. Typer lists groups of commands after commands."""
    place = {name: (number, heading) for number, (heading, names) in enumerate(PANELS.items()) for name in names}
    registered: list[Any] = [*app.registered_commands, *app.registered_groups]
    for info in registered:
        info.rich_help_panel = place[_name(info)][1]
    app.registered_commands.sort(key=lambda info: place[_name(info)][0])


def _name(info: Any) -> str:
    return str(info.name or info.callback.__name__)


_arrange()

INTERNAL = 70
"""The exit code of a bug of ours: sysexits' EX_SOFTWARE."""


def _version(wanted: bool) -> None:  # noqa: FBT001  Typer's callback protocol
    if wanted:
        from importlib.metadata import version

        typer.echo(version("prompt-portability-harness"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,  # noqa: FBT002
) -> None:
    """Options of `harness` itself."""
    del version


def main() -> None:
    """Run the command line; what the user can mend ends with one line and the exit code of its kind."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no “–” gets a “?”, not a traceback
    try:
        app()
    except KeyboardInterrupt:
        typer.secho("interrupted", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  a bug must not end with the exit code of a failed gate
        from harness.errors import HarnessError, Interrupted

        if not isinstance(error, HarnessError):
            traceback.print_exc()
            sys.exit(INTERNAL)  # 1 would say that a gate has failed
        if isinstance(error, Interrupted):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed again while we tell: it is done already
        from harness.cli._common import complain

        complain(str(error))
        sys.exit(error.exit_code)
