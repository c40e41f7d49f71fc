"""`init` and `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.core.types import ModelInfo
    from harness.project.config import BackendConfig


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(init)
    app.command()(doctor)


def init(folder: Annotated[Path, typer.Argument(help="An empty or new folder.")] = Path()) -> None:
    """Make a small project that runs at once on the embedded model: an eval, a prompt pair, a golden dataset.

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
    go = "" if folder == Path() else f"cd {folder} && "
    typer.echo(f"\nNext: {go}harness run -o reports/first.html")


def doctor() -> None:
    """Ask every backend who it is: reachable, key set, model there, which digest. Sends no prompt."""
    import asyncio

    from harness.cli._common import load_project
    from harness.core.types import ModelInfo

    project = load_project()
    typer.echo(f"project  {project.path}\nstore    {project.store_url.split('@')[-1]}")
    healthy = True
    for name, config in project.backends.items():
        info = asyncio.run(_examine(config))
        ready = not isinstance(info, str)
        healthy &= ready
        doubt = isinstance(info, ModelInfo) and bool(info.note)
        word, colour = ("no", "red") if not ready else ("??", "yellow") if doubt else ("ok", "green")
        typer.secho(f"{word:3}", fg=colour, nl=False)
        typer.echo(f"{name}: {_describe(info) if not isinstance(info, str) else info}")
    raise typer.Exit(0 if healthy else 2)


async def _examine(config: BackendConfig) -> ModelInfo | str:
    """Who answers there, or what is in the way."""
    from harness import backends
    from harness.backends.local import models
    from harness.core.errors import HarnessError

    try:
        backend = backends.connect(config)
        try:
            if config.capabilities.loads_model_file:  # `identify` would fetch it
                models.resolve(config.model, folder=config.folder, fetch=False)
            return await backend.identify()
        finally:
            await backend.close()
    except HarnessError as error:
        return error.message


def _describe(info: ModelInfo) -> str:
    engine = f"{info.engine} {info.engine_version}".strip()
    parts = (info.model, info.quantization, info.digest[:19], f"by {engine}" if engine else "", info.note)
    return ", ".join(filter(None, parts))
