"""`batch`: files of requests for engines that take such files, and what is under way at a Batch API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._common import Output
from harness.cli.runs import DecodingName, Evals

if TYPE_CHECKING:
    from harness.project.config import Config
    from harness.project.run_options import RunOptions

app = typer.Typer(no_args_is_help=True, help="Requests in files, and batches under way.")

SHOWN = 20
"""So many results that cannot be used are told, one line each; of more only how many."""

Backend = Annotated[list[str] | None, typer.Option("--backend", "-b", help="A backend of harness.toml.")]
Variant = Annotated[list[str] | None, typer.Option("--variant", help="A prompt variant; repeatable.")]
Version = Annotated[str | None, typer.Option(help="A prompt version, such as v1.")]
Decodings = Annotated[list[DecodingName] | None, typer.Option("--decoding", help="free or constrained; repeatable.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N cases.")]
Split = Annotated[str | None, typer.Option(help="Another split than the eval's; `all` for every case.")]


@app.command()
def export(
    evals: Evals = None,
    backend: Backend = None,
    variant: Variant = None,
    version: Version = None,
    decoding: Decodings = None,
    limit: Limit = None,
    split: Split = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to.")] = Path("requests.jsonl"),
) -> None:
    """Write what `harness run` would ask of one backend as a file of requests. Asks no model.

    The file is for `vllm run-batch`, OpenAI's Batch API, and whatever else takes the same. See docs/batch.md.

    Examples:

        harness batch export ticket_triage -b mistral-vllm -o requests.jsonl
        vllm run-batch -i requests.jsonl -o results.jsonl --model NAME
        harness batch import results.jsonl
    """
    from harness.cli._common import complain, note
    from harness.core.errors import ConfigError
    from harness.core.formatting import plural
    from harness.runner import batch, execution
    from harness.runner.project import Project

    options = _options(evals, backend, variant, version, decoding, limit, split)
    with Project.open() as project:
        cells = execution.cells(project, evals or (), options)
        if not cells:
            msg = "nothing to export: the evals leave this backend out; name an eval and a --backend"
            raise ConfigError(msg)
        written, left_out = batch.export(cells, output)
    for line in left_out:
        complain(line, "note")
    typer.echo(f"{output}: {plural(written, 'request')} of {plural(len(cells), 'cell')}")
    if written > batch.MOST_REQUESTS or output.stat().st_size > batch.MOST_BYTES:
        limits = f"{batch.MOST_REQUESTS:,} requests and {batch.MOST_BYTES // 1_000_000} MB"
        note(f"OpenAI takes {limits} a file: `harness run --batch` splits; vllm run-batch takes any number")


@app.command("import")
def import_(
    results: Annotated[list[Path], typer.Argument(help="Files of results and of errors.")],
    evals: Annotated[list[str] | None, typer.Option("--eval", help="Only this eval; repeatable.")] = None,
    backend: Backend = None,
    variant: Variant = None,
    version: Version = None,
    decoding: Decodings = None,
    limit: Limit = None,
    split: Split = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A name to find the runs by; repeatable.")] = None,
    resume: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--resume", help="Add to the runs of an earlier import that lacks answers.")
    ] = False,
    output: Output = None,
) -> None:
    """Make runs of results: read, score and save them as `harness run` does, and judge the gates. Asks no model.

    Give the same --version, --limit and --split as at the export. A result is used only for exactly the request that it
    answers: where the prompt, the case or the model has changed since, a line says so.

    Examples:

        harness batch import results.jsonl
        harness batch import output.jsonl errors.jsonl --limit 100 -o batch.html

    Exit codes: 0 good, 1 a gate failed, 2 usage or configuration, 4 answers are missing or a gate is undecided.
    """
    from harness import report as report_module
    from harness.cli import _after as after
    from harness.cli._common import complain
    from harness.cli._progress import listener
    from harness.core.errors import ConfigError
    from harness.runner import batch, execution
    from harness.runner.project import Project

    options = _options(evals, backend, variant, version, decoding, limit, split)
    found = batch.BatchResults(results)
    with Project.open() as project:
        outputs = output or project.config.run.output
        for path in outputs:
            report_module.check_path(path)
        planned = execution.cells(project, evals or (), _all_backends(project.config, options))
        cells = [cell for cell in planned if batch.cell_part(cell) in found.cells()]
        if cells:
            with listener(quiet=project.config.run.quiet) as heard:
                tagged = replace(options, tag=tuple(tag or ()), resume=resume)
                outcome = execution.collect(cells, project.store, found, heard, tagged)
        unused = [*found.problems, *batch.left_over(found, cells)]
        for line in [*unused[:SHOWN], *([f"and {len(unused) - SHOWN:,} more"] if len(unused) > SHOWN else [])]:
            complain(line, "note")
        if not cells:
            msg = f"{results[0]}: no result is of a cell of this project: give the options of the export"
            raise ConfigError(msg)
        after.show(project.config, outcome, outputs)
        judged = after.judge(project, outcome.runs, cells)
    after.end(outcome, judged)


@app.command("list")
def list_() -> None:
    """Batches under way, and how they stand: what `harness run --batch` has sent and not collected yet."""
    from harness.runner import batch
    from harness.runner.batch import pending
    from harness.runner.project import Project

    with Project.open() as project:
        sent = batch.read(project.store)
        for one, told in pending.look(project.config, sent):
            state = told if isinstance(told, str) else told.told(one.requests)
            typer.echo(f"{one.batch_id or '(not made)'}  {one.title}  sent {one.sent_at[:16]}: {state}")
    typer.echo("`harness run --batch` waits for them and collects them" if sent else "no batch is under way")


@app.command()
def cancel(
    batches: Annotated[list[str] | None, typer.Argument(help="Ids of batches, from `harness batch list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are under way.")] = False,  # noqa: FBT002
) -> None:
    """Have the server stop. What it has answered is paid for, and the next `harness run --batch` collects it.

    Examples:

        harness batch cancel batch_abc123
        harness batch cancel --all
    """
    from harness.cli._common import complain
    from harness.core.errors import ConfigError
    from harness.runner import batch
    from harness.runner.batch import pending
    from harness.runner.project import Project

    with Project.open() as project:
        sent = batch.read(project.store)
        known = {one.batch_id: one for one in sent if one.batch_id}
        wanted = list(known) if everything else batches or []
        if unknown := [name for name in wanted if name not in known]:
            msg = f"no batch {unknown[0]!r} is under way: `harness batch list` shows those that are"
            raise ConfigError(msg)
        if not wanted and not everything:
            msg = "which one? `harness batch list` shows them; --all cancels all"
            raise ConfigError(msg)
        failed = False
        for one, told in pending.cancel(project.config, project.store, [known[name] for name in wanted]):
            if isinstance(told, str):
                complain(f"{one.batch_id}: {told}")
                failed = True
            else:
                typer.echo(f"{one.batch_id}: {told.told(one.requests)}")
    raise typer.Exit(2 if failed else 0)


def _options(
    evals: list[str] | None,
    backend: list[str] | None,
    variant: list[str] | None,
    version: str | None,
    decoding: list[DecodingName] | None,
    limit: int | None,
    split: str | None,
) -> RunOptions:
    """What is planned, as `harness run` plans it."""
    from harness.project.run_options import RunOptions

    return RunOptions(
        backend=tuple(backend or ()),
        variant=tuple(variant or ()),
        version=version,
        decoding=tuple(name.value for name in decoding or ()),
        limit=limit,
        split=split,
        every_backend=bool(evals and backend),
    )


def _all_backends(project: Config, options: RunOptions) -> RunOptions:
    """Results may be of any backend that can be exported for, also one that is asked only where it is named."""
    from harness.runner.batch import takes_files

    every = tuple(name for name, backend in project.backends.items() if takes_files(backend))
    return replace(options, backend=options.backend or every)
