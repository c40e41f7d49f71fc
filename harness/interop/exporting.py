"""Runs into a file: as a report of `harness.report.formats`, or as another tool would have written them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from harness.core import files
from harness.core.errors import ConfigError
from harness.core.toml import hint
from harness.core.types import Run
from harness.interop import exports
from harness.report import build, endings
from harness.report import formats as reports


def export_formats() -> list[str]:
    """Everything that runs can be written as."""
    foreign = [module.name.replace("_", "-") for module in iter_modules(exports.__path__)]
    return sorted({*foreign, *(ending[1:] for ending in endings())})


def export_format(path: Path, wanted: str | None = None) -> str:
    """The format that is wanted, else that of the path's ending; raises `ConfigError`."""
    known = export_formats()
    chosen = wanted or path.suffix.lower()[1:]
    if chosen not in known:
        msg = f"{path}: no format {chosen!r}{hint(chosen, known)}: name one with --format"
        raise ConfigError(msg)
    if path.is_dir():
        msg = f"{path}: is a folder; name a file in it"
        raise ConfigError(msg)
    return chosen


def export(runs: Sequence[Run], path: Path, chosen: str) -> None:
    """Write runs. The old file stays until the new one is complete; raises `ConfigError`."""
    files.write(_rendered(runs, chosen), path)


def _rendered(runs: Sequence[Run], chosen: str) -> bytes:
    if f".{chosen}" in endings():
        content: str | bytes = import_module(f"{reports.__name__}.{chosen}").render(build(runs))
        return content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    data: bytes = import_module(f"{exports.__name__}.{chosen.replace('-', '_')}").render(runs)
    return data
