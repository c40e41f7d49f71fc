"""`harness models`: download, quantize and warm up models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HEADING = "Start"
ORDER = 3

app = typer.Typer(help="Download embedded models, quantize them, and warm up backends.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """List the embedded models that you can use by name, and their files.

    Examples:

        harness models list

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.backends.local import models

    for name, model in models.CATALOG.items():
        path = models.cached_path(name)
        state = str(path) if path.is_file() else f"not downloaded ({model.wheel_size // 1_000_000} MB)"
        typer.echo(f"{name}: {model.licence}, {model.note}\n  {state}")
    for path in models.made():
        typer.echo(f"quantized here: {_file_text(path)}\n  {path}")
    typer.echo(
        "also: a path to a .gguf file, or hf:owner/repo/file.gguf; append :Q8_0 (or another type) to quantize it"
    )


@app.command()
def quantize(
    name: Annotated[str, typer.Argument(help="A name from `models list`, a path, or hf:owner/repo/file.gguf.")],
    to: Annotated[str, typer.Option(help="Quantization types, separated by commas: F16, Q8_0, Q4_K_M, …")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder for the files. Default: the model cache; then use a file as NAME:Q8_0.")
    ] = None,
) -> None:
    """Quantize a model to other types, for a ladder. Needs the extra `quantize`.

    Examples:

        harness models quantize smollm2-135m-instruct --to F16,Q8_0,Q4_K_M,Q2_K

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.backends.local import gguf, models
    from harness.backends.local import quantize as quantizing
    from harness.cli._common import print_note
    from harness.cli._progress import show_progress

    types = [quantizing.check(name.strip()) for name in to.split(",")]
    with show_progress() as progress:
        source = models.resolve(name, progress=progress.fetching)
    if (origin := gguf.quantization(source)) not in gguf.UNROUNDED:
        print_note(f"{source.name} is {origin or 'of unknown type'}: the new files keep its rounding errors")
    for quantization in types:
        path = models.quantized_path(source, quantization, output_dir)
        action = "already exists"
        if not path.is_file():
            with show_progress() as progress:
                action = models.make(source, path, quantization, f"{name}:{quantization}", progress.fetching)
        typer.echo(f"{_file_text(path)}, {models.digest(path)[:19]} ({action})\n  {path}")


def _file_text(path: Path) -> str:
    from harness.backends.local import gguf

    return f"{gguf.quantization(path)}, {path.stat().st_size / 1e6:.0f} MB"


@app.command()
def pull(name: Annotated[str, typer.Argument(help="A name from `models list`, or hf:owner/repo/file.gguf.")]) -> None:
    """Download a model into the cache and verify its checksum.

    Examples:

        harness models pull smollm2-135m-instruct

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.backends.local import models
    from harness.cli._progress import show_progress

    with show_progress() as progress:
        path = models.resolve(name, progress=progress.fetching)
    typer.echo(f"{name}: {path}")


@app.command()
def warmup(
    names: Annotated[list[str] | None, typer.Argument(help="Names of backends. Default: as `harness run`.")] = None,
) -> None:
    """Send one short request to each backend, so that it loads its model before the next run.

    Examples:

        harness models warmup mistral-q4

    Exit codes: 0 success, 2 usage or configuration error.
    """
    import asyncio
    from time import perf_counter

    from harness import backends
    from harness.cli._common import load_project, print_error
    from harness.cli._progress import LineProgress, show_progress
    from harness.core.errors import BackendError
    from harness.core.types import Message, Request, Sampling
    from harness.project.config import BackendConfig

    project = load_project()

    async def warm_up(config: BackendConfig, progress: LineProgress) -> str:
        backend = backends.connect(config, progress.fetching)
        try:
            await backend.identify()
            started = perf_counter()
            response = await backend.complete(Request((Message("user", "Say OK."),), Sampling(max_tokens=1)))
        finally:
            await backend.close()
        if response.error:
            raise BackendError(response.error.message)
        return f"replied after {perf_counter() - started:.1f} s"

    failed = False
    for name in names or project.usual:
        try:
            with show_progress() as progress:
                typer.echo(f"{name}: {asyncio.run(warm_up(project.backend(name), progress))}")
        except BackendError as error:
            failed = True
            print_error(f"{name}: {error.message}")
    raise typer.Exit(2 if failed else 0)
