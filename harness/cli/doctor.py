"""`harness doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from harness.core.types import ModelInfo
    from harness.project.config import BackendConfig

HEADING = "Start"
ORDER = 2


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
        typer.echo(
            f"{name}: {_describe(info) if not isinstance(info, str) else info.removeprefix(f'backend {name}: ')}"
        )
    raise typer.Exit(0 if healthy else 2)


async def _examine(config: BackendConfig) -> ModelInfo | str:
    """Who answers there, or what is in the way."""
    from harness import backends
    from harness.backends.local import models
    from harness.core.errors import HarnessError

    try:
        if config.provider == "llamacpp":
            models.resolve(config.model, folder=config.folder, fetch=False)
        backend = backends.connect(config)
        try:
            return await backend.identify()
        finally:
            await backend.close()
    except HarnessError as error:
        return str(error)


def _describe(info: ModelInfo) -> str:
    engine = f"{info.engine} {info.engine_version}".strip()
    parts = (info.model, info.quantization, info.digest[:19], f"by {engine}" if engine else "", info.note)
    return ", ".join(filter(None, parts))
