"""Turn exceptions into exit codes and one-line messages."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

INTERNAL = 70
"""Exit code of a bug in the harness: EX_SOFTWARE of sysexits.h."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in every shell."""

CLOSED_PIPE = 141
"""Exit code if the reader of the output is gone, as after `| head -1`: the code of a process that SIGPIPE ended.

`cat`, `grep` and `git` end with the same code. Code 0 would mean that no gate failed, but the command may not have
judged the gates. Code 1, which Typer and rich use, would mean that a gate failed. SIGPIPE itself stays ignored: its
default action would end this process when a server closes a connection.
"""

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors of the disk, not of a path: the disk is full or read-only."""

_PATH = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
"""Errors of a path that cannot be used. ENOENT is absent: code that opens a user's file reports a missing file."""


@contextmanager
def closed_pipe() -> Iterator[None]:
    """End with `CLOSED_PIPE` if the reader of standard output or standard error is gone."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as end:
        if not _is_closed_pipe(end):
            raise
        _discard_output()
        sys.exit(CLOSED_PIPE)


@contextmanager
def errors() -> Iterator[None]:
    """End with one line and an exit code for each kind of error, and with a traceback for a bug."""
    try:
        yield
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        typer.secho("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001  a bug must not end with the exit code of a failed gate
        _exit_with(error)


def _exit_with(error: Exception) -> NoReturn:
    from harness.cli._common import print_error
    from harness.core.errors import HarnessError, Interrupted

    if isinstance(error, OSError) and (message := _os_error_message(error)):
        print_error(message)
        sys.exit(HarnessError.exit_code)
    if not isinstance(error, HarnessError):
        traceback.print_exc()
        sys.exit(INTERNAL)  # 1 would say that a gate has failed
    if isinstance(error, Interrupted):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the message
    print_error(str(error))
    sys.exit(error.exit_code)


def _os_error_message(error: OSError) -> str:
    """Path, reason and advice; empty if the error is a bug of the harness."""
    path = error.filename2 or error.filename
    if error.errno in _DISK:
        advice = "mount it writable, or work elsewhere" if error.errno == errno.EROFS else "make room and run it again"
    elif error.errno in _PATH and path is not None:
        advice = "check the path and the permissions of its folder"
    else:
        return ""
    return f"{os.fsdecode(path)}: {error.strerror}: {advice}" if path is not None else f"{error.strerror}: {advice}"


def _is_closed_pipe(end: BaseException) -> bool:
    """True for a BrokenPipeError and for the exit that Typer and rich turn it into."""
    if isinstance(end, SystemExit) and end.code != 1:
        return False
    cause: BaseException | None = end
    while cause is not None and not isinstance(cause, BrokenPipeError):
        cause = cause.__context__
    return cause is not None


def _discard_output() -> None:
    """Send buffered output to /dev/null; otherwise Python reports the closed pipe again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
