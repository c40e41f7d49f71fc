"""Write a report to a file, atomically."""

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
    """List the file endings of reports, one per module of `formats`."""
    return tuple(sorted(f".{module.name}" for module in iter_modules(formats.__path__)))


def check_path(path: Path) -> None:
    """Raise `ConfigError` if `write` does not know the format. Call it before a long run."""
    check_ending(path, endings())


def check_ending(path: Path, allowed: Sequence[str]) -> None:
    """Raise `ConfigError` if the ending is not in `allowed`, or the path is a folder."""
    if path.suffix.lower() not in allowed:
        msg = f"{path}: unknown report format {path.suffix!r}. Use one of {', '.join(allowed)}"
        raise ConfigError(msg)
    if path.is_dir():
        msg = f"{path}: is a folder. Name a file in it"
        raise ConfigError(msg)


def write(report: Report, path: Path) -> None:
    """Write the report in the format of the path's ending. An old file stays until the new one is complete.

    Raises:
        ConfigError: The ending is unknown, or the file cannot be written.
    """
    check_path(path)
    render = import_module(f"{formats.__name__}.{path.suffix.lower()[1:]}").render
    files.write(render(report), path)
