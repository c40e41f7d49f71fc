"""`harness models`: the embedded models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Fetch embedded models and warm backends up.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The models that can be had by name, and where they are kept."""
    from harness.backends.local import models

    for name, model in models.CATALOG.items():
        path = models.cached_path(name)
        state = str(path) if path.is_file() else f"not here yet ({model.wheel_size // 1_000_000} MB)"
        typer.echo(f"{name}: {model.licence}, {model.note}\n  {state}")
    for path in models.made():
        typer.echo(f"made here: {_what(path)}\n  {path}")
    typer.echo("also: a path to a .gguf file, or hf:owner/repo/file.gguf; each with :Q8_0 or the like behind it")


@app.command()
def quantize(
    name: Annotated[str, typer.Argument(help="A name of `models list`, a path, or hf:owner/repo/file.gguf.")],
    to: Annotated[str, typer.Option(help="What to make of it: F16, Q8_0, Q4_K_M, …; several with commas.")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Where to put the files; by default among the models, to be found as NAME:Q8_0.")
    ] = None,
) -> None:
    """Make other quantizations of a model, for a ladder. Takes the extra `quantize`.

    Examples:

        harness models quantize smollm2-135m-instruct --to F16,Q8_0,Q4_K_M,Q2_K
    """
    from harness.backends.local import gguf, models
    from harness.backends.local import quantize as quantizing
    from harness.cli._common import note
    from harness.cli._progress import listener

    wanted = [quantizing.check(one.strip()) for one in to.split(",")]
    with listener() as heard:
        source = models.resolve(name, progress=heard.fetching)
    if (origin := gguf.quantization(source)) not in gguf.UNROUNDED:
        note(f"{source.name} is {origin or 'of unknown type'}: whatever is made of it, its weights stay rounded so")
    for one in wanted:
        path = models.quantized_path(source, one, output_dir)
        said = "is there already"
        if not path.is_file():
            with listener() as heard:
                said = models.make(source, path, one, f"{name}:{one}", heard.fetching)
        typer.echo(f"{_what(path)}, {models.digest(path)[:19]} ({said})\n  {path}")


def _what(path: Path) -> str:
    from harness.backends.local import gguf

    return f"{gguf.quantization(path)}, {path.stat().st_size / 1e6:.0f} MB"


@app.command()
def pull(name: Annotated[str, typer.Argument(help="A name of `models list`, or hf:owner/repo/file.gguf.")]) -> None:
    """Fetch a model into the cache and check it.

    Examples:

        harness models pull smollm2-135m-instruct
    """
    from harness.backends.local import models
    from harness.cli._progress import listener

    with listener() as heard:
        path = models.resolve(name, progress=heard.fetching)
    typer.echo(f"{name}: {path}")


@app.command()
def warmup(
    names: Annotated[
        list[str] | None, typer.Argument(help="Backends; those that `harness run` asks if none is named.")
    ] = None,
) -> None:
    """Send one short request to each backend, so that the next run does not wait for the model to load.

    Examples:

        harness models warmup mistral-q4
    """
    import asyncio
    from time import perf_counter

    from harness import backends
    from harness.cli._common import complain, load_project
    from harness.cli._progress import listener
    from harness.core.errors import BackendError
    from harness.core.types import Message, Request, Sampling
    from harness.project.config import BackendConfig

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
    for name in names or project.usual:
        try:
            with listener() as heard:
                typer.echo(f"{name}: {asyncio.run(one(project.backend(name), heard))}")
        except BackendError as error:
            failed = True
            complain(f"{name}: {error.message}")
    raise typer.Exit(2 if failed else 0)
