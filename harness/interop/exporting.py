"""Export runs to one file: a format of `harness.report.formats`, or another tool's format."""

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
    """Names of all export formats, sorted."""
    foreign = [module.name.replace("_", "-") for module in iter_modules(exports.__path__)]
    return sorted({*foreign, *(ending[1:] for ending in endings())})


def export_format(path: Path, wanted: str | None = None) -> str:
    """Return the format `wanted`, or else the format of the file extension; raises `ConfigError`."""
    known = export_formats()
    chosen = wanted or path.suffix.lower()[1:]
    if chosen not in known:
        msg = f"{path}: no format {chosen!r}{hint(chosen, known)}: name one with --format"
        raise ConfigError(msg)
    if path.is_dir():
        msg = f"{path} is a folder: name a file in it"
        raise ConfigError(msg)
    return chosen


def export(runs: Sequence[Run], path: Path, chosen: str) -> None:
    """Write runs to `path`. An existing file is replaced only after the new file is complete.

    Raises `ConfigError` if the file cannot be written.
    """
    files.write(_rendered(runs, chosen), path)


def _rendered(runs: Sequence[Run], chosen: str) -> bytes:
    if f".{chosen}" in endings():
        content: str | bytes = import_module(f"{reports.__name__}.{chosen}").render(build(runs))
        return content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    data: bytes = import_module(f"{exports.__name__}.{chosen.replace('-', '_')}").render(runs)
    return data
