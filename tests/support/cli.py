"""The command line as a test types it: in this process, with its exit code and both streams."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from harness.cli import main


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
        self.monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        self.capsys.readouterr()
        try:
            main()
            code: int | str | None = 0
        except SystemExit as end:
            code = end.code
        out, err = self.capsys.readouterr()
        return Ended(int(code or 0), out, err)
