"""`harness batch`: request files for batch engines, and jobs at the Batch API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._options import DecodingName, Evals, Output

if TYPE_CHECKING:
    from harness.project.config import Config
    from harness.project.run_options import RunOptions

HEADING = "Replies and other tools"
ORDER = 6

app = typer.Typer(no_args_is_help=True, help="Export requests to files, import results, and manage batch jobs.")

SHOWN = 20
"""Maximum number of unusable results to list. Only the number of the others is printed."""

Backend = Annotated[list[str] | None, typer.Option("--backend", "-b", help="A backend from harness.toml.")]
Variant = Annotated[list[str] | None, typer.Option("--variant", help="A prompt variant; repeatable.")]
Version = Annotated[str | None, typer.Option(help="A prompt version, such as v1.")]
Decodings = Annotated[list[DecodingName] | None, typer.Option("--decoding", help="free or constrained; repeatable.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N cases.")]
Split = Annotated[str | None, typer.Option(help="A dataset split, or `all`. Default: the eval's.")]


@app.command()
def export(
    evals: Evals = None,
    backend: Backend = None,
    variant: Variant = None,
    version: Version = None,
    decoding: Decodings = None,
    limit: Limit = None,
    split: Split = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("requests.jsonl"),
) -> None:
    """Write the requests of `harness run` for one backend to a file. Sends no requests.

    The file has the format of OpenAI's Batch API, which `vllm run-batch` also accepts. See docs/batch.md.

    Examples:

        harness batch export ticket_triage -b mistral-vllm -o requests.jsonl
        vllm run-batch -i requests.jsonl -o results.jsonl --model NAME
        harness batch import results.jsonl
    """
    from harness.cli._common import print_note
    from harness.core.errors import ConfigError
    from harness.core.formatting import plural
    from harness.runner import batch, execution
    from harness.runner.project import Project

    options = _options(evals, backend, variant, version, decoding, limit, split)
    with Project.open() as project:
        cells = execution.cells(project, evals or (), options)
        if not cells:
            msg = "nothing to export: the evals exclude this backend; name an eval and a --backend"
            raise ConfigError(msg)
        written, left_out = batch.export(cells, output)
    for line in left_out:
        print_note(line)
    typer.echo(f"{output}: {plural(written, 'request')} of {plural(len(cells), 'cell')}")
    if written > batch.MAX_REQUESTS or output.stat().st_size > batch.MAX_BYTES:
        limits = f"{batch.MAX_REQUESTS:,} requests and {batch.MAX_BYTES // 1_000_000} MB"
        print_note(
            f"OpenAI accepts {limits} per file: use `harness run --batch`, which splits; vllm run-batch has no limit"
        )


@app.command("import")
def import_(
    results: Annotated[list[Path], typer.Argument(help="Files with results and errors.")],
    evals: Annotated[list[str] | None, typer.Option("--eval", help="Import only this eval; repeatable.")] = None,
    backend: Backend = None,
    variant: Variant = None,
    version: Version = None,
    decoding: Decodings = None,
    limit: Limit = None,
    split: Split = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Label the runs, for latest#NAME and history --tag; repeatable.")
    ] = None,
    resume: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--resume", help="Add to the runs of an earlier, incomplete import.")
    ] = False,
    output: Output = None,
) -> None:
    """Score and save the results of exported requests as runs, and judge the gates. Sends no requests.

    Give the same --version, --limit and --split as for the export. A result counts only if its request is unchanged: if
    the prompt, the case or the model has changed since the export, a note says so.

    Examples:

        harness batch import results.jsonl
        harness batch import output.jsonl errors.jsonl --limit 100 -o batch.html

    Exit codes: 0 success, 1 a gate failed, 2 usage or configuration error, 4 missing results or an undecided gate.
    """
    from harness import report as report_module
    from harness.cli._common import print_note
    from harness.cli._outcome import exit_with, judge_gates, print_outcome
    from harness.cli._progress import show_progress
    from harness.core.errors import ConfigError
    from harness.runner import batch, execution
    from harness.runner.project import Project

    options = _options(evals, backend, variant, version, decoding, limit, split)
    batch_results = batch.BatchResults(results)
    with Project.open() as project:
        outputs = output or [project.root / path for path in project.config.run.output]
        for path in outputs:
            report_module.check_path(path)
        planned = execution.cells(project, evals or (), _all_backends(project.config, options))
        cells = [cell for cell in planned if batch.cell_part(cell) in batch_results.cells()]
        if cells:
            with show_progress(quiet=project.config.run.quiet) as progress:
                tagged = replace(options, tag=tuple(tag or ()), resume=resume)
                outcome = execution.collect(cells, project.store, batch_results, progress, tagged)
        unused = [*batch_results.problems, *batch.unused_results(batch_results, cells)]
        for line in [*unused[:SHOWN], *([f"and {len(unused) - SHOWN:,} more"] if len(unused) > SHOWN else [])]:
            print_note(line)
        if not cells:
            msg = f"{results[0]}: no result belongs to this project: repeat the options of the export"
            raise ConfigError(msg)
        gates = judge_gates(project, outcome.runs, cells)
        print_outcome(project, outcome, outputs, gates, latest=True)
    exit_with(outcome, gates)


@app.command("list")
def list_() -> None:
    """List pending batch jobs of `harness run --batch` with their status.

    Examples:

        harness batch list

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.runner import batch
    from harness.runner.batch import pending
    from harness.runner.project import Project

    with Project.open() as project:
        sent = batch.read(project.store)
        for job, status in pending.statuses(project.config, sent):
            state = status if isinstance(status, str) else status.text(job.requests)
            typer.echo(f"{job.batch_id or '(not created)'}  {job.title}  sent {job.sent_at[:16]}: {state}")
    typer.echo("collect the results with `harness run --batch`" if sent else "no pending batch jobs")


@app.command()
def cancel(
    batches: Annotated[list[str] | None, typer.Argument(help="Ids from `harness batch list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Cancel all pending batch jobs.")] = False,  # noqa: FBT002
) -> None:
    """Cancel batch jobs. Finished requests are billed; the next `harness run --batch` collects their results.

    Examples:

        harness batch cancel batch_abc123
        harness batch cancel --all

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.cli._common import print_error
    from harness.core.errors import ConfigError
    from harness.runner import batch
    from harness.runner.batch import pending
    from harness.runner.project import Project

    with Project.open() as project:
        sent = batch.read(project.store)
        known = {job.batch_id: job for job in sent if job.batch_id}
        selected = list(known) if everything else batches or []
        if unknown := [name for name in selected if name not in known]:
            msg = f"no pending batch job {unknown[0]!r}: see `harness batch list`"
            raise ConfigError(msg)
        if not selected and not everything:
            msg = "no batch job named: give ids from `harness batch list`, or --all"
            raise ConfigError(msg)
        failed = False
        for job, status in pending.cancel(project.config, project.store, [known[name] for name in selected]):
            if isinstance(status, str):
                print_error(f"{job.batch_id}: {status}")
                failed = True
            else:
                typer.echo(f"{job.batch_id}: {status.text(job.requests)}")
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
    """Consider all backends that support files, including backends that run only on request."""
    from harness.runner.batch import supports_files

    every = tuple(name for name, backend in project.backends.items() if supports_files(backend))
    return replace(options, backend=options.backend or every)
