"""A report into a file: whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from harness.core import files
from harness.core.errors import ConfigError
from harness.report import formats
from harness.report.model import Report


def endings() -> tuple[str, ...]:
    """Every ending a report can be written with; each is a module of `formats`."""
    return tuple(sorted(f".{module.name}" for module in iter_modules(formats.__path__)))


def check_path(path: Path) -> None:
    """Raise `ConfigError` where `write` could not know the format. Call it before a long run, not after."""
    check_ending(path, endings())


def check_ending(path: Path, allowed: Sequence[str]) -> None:
    """Raise `ConfigError` for a file that could not be written as one of `allowed`."""
    if path.suffix.lower() not in allowed:
        msg = f"{path}: a report cannot end in {path.suffix or 'nothing'!r}; use one of {', '.join(allowed)}"
        raise ConfigError(msg)
    if path.is_dir():
        msg = f"{path}: is a folder; name a file in it"
        raise ConfigError(msg)


def write(report: Report, path: Path) -> None:
    """Write the report in the format of the path's ending. The old file stays until the new one is complete.

    Raises `ConfigError` for an unknown ending and for whatever the disk has against it.
    """
    check_path(path)
    render = import_module(f"{formats.__name__}.{path.suffix.lower()[1:]}").render
    files.write(render(report), path)
