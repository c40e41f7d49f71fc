"""The command line: one file per command.

May import everything.
Never here: logic that the library or the pytest plugin also needs.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer

from harness.cli import _process as process
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


CLOSED = 141
"""The exit code where nobody reads what we write, as after `| head -1`: that of a process that SIGPIPE ends.

It is what `cat`, `grep` and `git` come to. 0 would say that all was told and that no gate failed, of which the command
may not have got to know; 1, which Typer and rich exit with, that one did. The signal itself is left alone: with its
default a server that closes a connection would end us, too.
"""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What no path and no program is to blame for: the disk is full or may only be read."""

_REFUSED = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
"""What stands against a path. That nothing is there is not among it: who looks for a file of the user's says that."""


def main() -> None:
    """Run the command line; what the user can mend ends with one line and the exit code of its kind."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no “–” gets a “?”, not a traceback
    try:
        with process.settings():
            _run()
    except (BrokenPipeError, SystemExit) as end:
        if not _is_closed_pipe(end):
            raise
        _write_nowhere()
        sys.exit(CLOSED)


def _run() -> None:
    try:
        app()
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        typer.secho("interrupted", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  a bug must not end with the exit code of a failed gate
        _end(error)


def _end(error: Exception) -> NoReturn:
    """One line where the user can mend it, else how we got there."""
    from harness.cli._common import complain
    from harness.core.errors import HarnessError, Interrupted

    if isinstance(error, OSError) and (told := _refusal(error)):
        complain(told)
        sys.exit(HarnessError.exit_code)
    if not isinstance(error, HarnessError):
        traceback.print_exc()
        sys.exit(INTERNAL)  # 1 would say that a gate has failed
    if isinstance(error, Interrupted):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed again while we tell: it is done already
    complain(str(error))
    sys.exit(error.exit_code)


def _refusal(error: OSError) -> str:
    """What the disk has against a path of the user's; nothing where it is a bug that the path was asked for."""
    where = error.filename2 or error.filename
    if error.errno in _FULL:
        advice = "mount it writable, or work elsewhere" if error.errno == errno.EROFS else "make room and run it again"
    elif error.errno in _REFUSED and where is not None:
        advice = "check that it is what you meant, and the rights to it and its folder"
    else:
        return ""
    return f"{os.fsdecode(where)}: {error.strerror}: {advice}" if where is not None else f"{error.strerror}: {advice}"


def _is_closed_pipe(end: BaseException) -> bool:
    """Whether it is that nobody reads on, or what Typer and rich make of it."""
    if isinstance(end, SystemExit) and end.code != 1:
        return False
    cause: BaseException | None = end
    while cause is not None and not isinstance(cause, BrokenPipeError):
        cause = cause.__context__
    return cause is not None


def _write_nowhere() -> None:
    """What is still in the buffers of the streams that nobody reads: Python would tell of it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
