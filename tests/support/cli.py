"""The command line as a test types it: in this process, with its exit code and both streams."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

import click
import pytest
from typer.main import get_command

from harness import cli


@cache
def _commands() -> click.Command:
    """Typer reads all commands anew each time it is called, which takes longer than most of what is tested."""
    return get_command(cli.app)


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass
class Terminal:
    """Types `harness …`."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        """Run the command to its end."""
        commands = _commands()  # before it is put in the place of what it is made of
        self.monkeypatch.setattr(cli, "app", commands)
        self.monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        self.capsys.readouterr()
        try:
            cli.main()
            code: int | str | None = 0
        except SystemExit as end:
            code = end.code
        out, err = self.capsys.readouterr()
        return Ended(int(code or 0), out, err)
