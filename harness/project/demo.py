"""The demo project: the evals, prompts, datasets and recordings of this repository, also in an installed package."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.files import write
from harness.project.config import FILE_NAME

FOLDER = "harness-demo"
"""Folder of the demo project, where the current folder has none."""

_PARTS = (FILE_NAME, "evals", "prompts", "datasets")
_MARK = Path("evals") / "recordings"
"""Only the demo project has recordings here."""


def find_or_write(folder: Path | None) -> Path:
    """The folder of the demo project. It is written if it is missing; existing files are never overwritten.

    Without `folder`: the current folder if it is the demo project, otherwise `harness-demo` in it. Raises
    `ConfigError` if `folder` has other files.
    """
    if folder is None:
        folder = Path() if _is_demo(Path()) else Path(FOLDER)
    if _is_demo(folder):
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder}: is not empty, and is not a demo project: name a new folder"
        raise ConfigError(msg)
    source = _source()
    for part in _PARTS:
        files = [source / part] if (source / part).is_file() else sorted((source / part).rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                write(file.read_bytes(), folder / file.relative_to(source))
    return folder


def _is_demo(folder: Path) -> bool:
    return (folder / FILE_NAME).is_file() and (folder / _MARK).is_dir()


def _source() -> Path:
    """The files in the installed package, or in the repository it is installed from."""
    packaged = Path(__file__).parent / "demo_files"
    repository = Path(__file__).parents[2]
    for source in (packaged, repository):
        if _is_demo(source):
            return source
    msg = "this installation has no demo files: install prompt-portability-harness again"
    raise ConfigError(msg)
