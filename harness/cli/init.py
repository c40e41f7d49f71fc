"""`harness init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HEADING = "Start"
ORDER = 1


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder. Default: the current folder.")] = Path(),
) -> None:
    """Create a small project that runs on the embedded model.

    It has an eval, a prompt pair and a golden dataset.

    Examples:

        harness init my-evals && cd my-evals && harness run
    """
    from importlib.resources import as_file, files

    from harness.core.errors import ConfigError
    from harness.core.files import write

    if folder.exists() and (not folder.is_dir() or any(path.name != ".git" for path in folder.iterdir())):
        msg = f"{folder.resolve()} is not an empty folder: nothing was written"
        raise ConfigError(msg)
    with as_file(files("harness.project") / "starter") as starter:
        for path in sorted(path for path in starter.rglob("*") if path.is_file()):
            write(path.read_bytes(), folder / path.relative_to(starter))
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts):
        typer.echo(f"  {path}")
    change_folder = "" if folder == Path() else f"cd {folder} && "
    typer.echo(f"\nNext: {change_folder}harness run -o reports/first.html")
