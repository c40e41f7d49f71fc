"""Run the command line in this process, with its exit code and both streams."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from functools import cache
from threading import current_thread, main_thread

import click
import pytest
from typer.main import get_command

from harness import cli


@cache
def _commands() -> click.Command:
    """Build the click commands once: Typer rebuilds them at each call, which takes longer than most tests."""
    return get_command(cli.app)


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


@dataclass
class Terminal:
    """Runs `harness …` in this process."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> CommandResult:
        """Run the command."""
        commands = _commands()  # before `cli.app` is replaced
        self.monkeypatch.setattr(cli, "app", commands)
        self.monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        self.capsys.readouterr()
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            cli.main()
            code: int | str | None = 0
        except SystemExit as end:
            code = end.code
        finally:  # an interrupted command ignores further Ctrl-C until its process ends; this process goes on
            if current_thread() is main_thread():
                signal.signal(signal.SIGINT, interrupt)
        out, err = self.capsys.readouterr()
        return CommandResult(int(code or 0), out, err)
