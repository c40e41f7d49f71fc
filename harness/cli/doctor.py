"""`harness doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.core.errors import HarnessError
    from harness.core.types import ModelInfo
    from harness.project.config import BackendConfig

HEADING = "Start"
ORDER = 2


def doctor(
    names: Annotated[list[str] | None, typer.Argument(help="Backends. Default: all of harness.toml.")] = None,
) -> None:
    """Check each backend: is it reachable, is its API key set, does it have the model? Sends no prompts.

    Each line starts with `ok`, `no` (unusable), or `??` (usable, with a warning).

    A backend without its key or server is no failure by default, because `harness run` leaves it out. It is a failure
    if you name it, or if no other backend can be used. A rejected key and an unknown model are always failures, except
    of a backend with `default = false`.

    Examples:

        harness doctor
        harness doctor mistral-q4

    Exit codes: 0 success, 2 a backend fails.
    """
    import asyncio

    from harness.cli._common import load_project, print_note
    from harness.core.errors import BackendUnavailable, HarnessError
    from harness.core.formatting import plural
    from harness.core.types import ModelInfo

    project = load_project()
    typer.echo(f"project  {project.path}\nstore    {project.store_url.split('@')[-1]}")
    examined: dict[str, ModelInfo | HarnessError] = {}
    for name in names or project.backends:
        config = project.backend(name)
        info = examined[name] = asyncio.run(_examine(config))
        ready = isinstance(info, ModelInfo)
        has_warning = isinstance(info, ModelInfo) and bool(info.note) and not config.capabilities.replays
        mark, colour = ("no", "red") if not ready else ("??", "yellow") if has_warning else ("ok", "green")
        typer.secho(f"{mark:3}", fg=colour, nl=False)
        typer.echo(f"{name}: {_describe(info) if isinstance(info, ModelInfo) else info.message}")
    failed = {name: error for name, error in examined.items() if isinstance(error, HarnessError)}
    needed = names or project.usual or list(examined)
    wrong = [name for name in needed if name in failed and (names or not isinstance(failed[name], BackendUnavailable))]
    if wrong or (needed and all(name in failed for name in needed)):
        raise typer.Exit(2)
    if failed:
        print_note(f"{plural(len(failed), 'backend')} cannot be used: `harness run` leaves out what you do not name")


async def _examine(config: BackendConfig) -> ModelInfo | HarnessError:
    """The model behind the backend, or the error why it cannot be used."""
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
        return error


def _describe(info: ModelInfo) -> str:
    engine = f"{info.engine} {info.engine_version}".strip()
    parts = (info.model, info.quantization, info.digest[:19], f"by {engine}" if engine else "", info.note)
    return ", ".join(filter(None, parts))
