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
    """Check each backend: is it reachable, is its API key set, does it have the model? Sends no prompts.

    Each line starts with `ok`, `no` (unusable), or `??` (usable, with a warning).

    Examples:

        harness doctor

    Exit codes: 0 all backends are usable, 2 at least one is not.
    """
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
        has_warning = isinstance(info, ModelInfo) and bool(info.note)
        mark, colour = ("no", "red") if not ready else ("??", "yellow") if has_warning else ("ok", "green")
        typer.secho(f"{mark:3}", fg=colour, nl=False)
        typer.echo(f"{name}: {_describe(info) if not isinstance(info, str) else info}")
    raise typer.Exit(0 if healthy else 2)


async def _examine(config: BackendConfig) -> ModelInfo | str:
    """The model behind the backend, or the reason why it cannot be used."""
    from harness import backends
    from harness.backends.local import models
    from harness.core.errors import HarnessError

    try:
        backend = backends.connect(config)
        try:
            if config.capabilities.loads_model_file:  # `identify` would download the file
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
