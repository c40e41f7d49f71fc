"""`run`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._common import Backends, Cache, Jobs, Output, Resume

if TYPE_CHECKING:
    from harness.core.types import Decoding

Evals = Annotated[list[str] | None, typer.Argument(help="Names or paths of evals; all of them if none is named.")]


class DecodingName(StrEnum):
    """What `--decoding` takes. Typer makes no choice of a `Literal` in a list."""

    value: Decoding
    FREE = "free"
    CONSTRAINED = "constrained"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(run)


def run(
    evals: Evals = None,
    backend: Backends = None,
    ladder: Annotated[
        str | None, typer.Option(help="The backends of a ladder of harness.toml, each with its own variant only.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", envvar="HARNESS_VARIANT", help="A prompt variant (gpt, local, …); repeatable."),
    ] = None,
    version: Annotated[str | None, typer.Option(envvar="HARNESS_VERSION", help="A prompt version, such as v1.")] = None,
    decoding: Annotated[
        list[DecodingName] | None,
        typer.Option(
            "--decoding",
            envvar="HARNESS_DECODING",
            help="free, or constrained: the server lets through only what the contract allows; repeatable.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, envvar="HARNESS_LIMIT", help="Only the first N cases.")] = None,
    demo: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--demo", envvar="HARNESS_DEMO", help="Only as many cases as an eval's demo_limit says.")
    ] = False,
    split: Annotated[
        str | None, typer.Option(envvar="HARNESS_SPLIT", help="Another split than the eval's; `all` for every case.")
    ] = None,
    resume: Resume = False,  # noqa: FBT002  Typer's way to say a flag
    cache: Cache = None,
    jobs: Jobs = None,
    repeat_cell: Annotated[
        int,
        typer.Option(
            min=1, envvar="HARNESS_REPEAT_CELL", help="Run each cell so often, with --no-cache: how much is mere noise?"
        ),
    ] = 1,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", envvar="HARNESS_TAG", help="A name to find the runs by (latest#NAME, history --tag); repeatable."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_AGAINST", help="Judge each run against `baseline`, `previous`, or a saved run."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0, envvar="HARNESS_BUDGET", help="Stop before more than so many dollars are spent (exit 3)."),
    ] = None,
    estimate: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--estimate", help="Say how many calls, tokens and dollars it would take. Asks no model.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(envvar="HARNESS_RECORD", help="Write the answers to a .jsonl file, for --backend replay:FILE."),
    ] = None,
    batch: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool,
        typer.Option(
            "--batch",
            envvar="HARNESS_BATCH",
            help="Ask OpenAI backends by the Batch API: half the price, within a day.",
        ),
    ] = False,
    quiet: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--quiet", "-q", envvar="HARNESS_QUIET", help="No progress.")
    ] = False,
    output: Output = None,
) -> None:
    """Run prompt variants on backends over golden datasets, and judge the gates.

    Without options: every eval, every variant, on every backend of harness.toml that is there. Gates are judged for the
    variant that a backend is tuned for, over the whole split.

    Examples:

        harness run                           # the whole matrix
        harness run ticket_triage -b mistral-q4 -o reports/triage.html
        harness run evals/ticket_triage.toml --variant gpt --limit 20 -o x.jsonl
        harness run --estimate                # what would it cost?
        harness run -b gpt-4o --budget 2.00   # not more; --resume goes on
        harness run -b gpt-4o --batch         # half the price, within a day

    Exit codes: 0 good, 1 a gate failed or a regression, 2 usage or configuration, 3 budget exhausted, 4 calls failed or
    a gate is undecided, 70 a bug of the harness, 130 interrupted, 143 terminated.
    """
    from harness import api
    from harness import report as report_module
    from harness.cli import _after as after
    from harness.cli._estimate import tell
    from harness.cli._progress import listener, spent
    from harness.runner import gate_checks
    from harness.runner.estimate import estimate as estimates

    options = api.RunOptions(
        backend=tuple(backend or ()),
        variant=tuple(variant or ()),
        version=version,
        decoding=tuple(name.value for name in decoding or ()),
        split=split,
        limit=limit,
        demo=demo,
        cache=cache if repeat_cell == 1 else False,
        resume=resume,
        jobs=jobs,
        tag=tuple(tag or ()),
        budget_usd=budget,
        record=record,
        batch=batch,
        every_backend=bool(evals and (backend or ladder)),
    )
    with api.project() as (project, store):
        options = api.climb(project, ladder, options) if ladder else options
        outputs = output or [project.root / path for path in project.run.output]
        for path in outputs:
            report_module.check_path(path)
        planned = api.cells(project, store, evals or (), options)
        cells = [replace(cell, copy=n) for cell in planned for n in range(repeat_cell)]
        if estimate:
            tell(estimates(project, store, cells))
            return
        if against == gate_checks.BASELINE:
            gate_checks.need_baselines(project, [cell for cell in cells if cell.is_own])
        with listener(spent(project), quiet=quiet or project.run.quiet) as heard:
            outcome = api.execute(project, store, cells, options, heard)
        after.show(project, outcome, outputs)
        for line in after.noise(outcome.runs) if repeat_cell > 1 else ():
            typer.echo(line)
        judged = after.judge(project, store, outcome.runs, cells)
        if against:
            judged = after.judge_against(project, store, against, outcome.runs, cells, judged)
    after.end(outcome, judged)
