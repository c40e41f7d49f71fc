"""`run`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._common import Backends, Cache, Jobs, Output, Quiet, Resume, option

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
    variant: Annotated[list[str] | None, option("variant", "--variant")] = None,
    version: Annotated[str | None, option("version")] = None,
    decoding: Annotated[list[DecodingName] | None, option("decoding", "--decoding")] = None,
    limit: Annotated[int | None, option("limit")] = None,
    demo: Annotated[bool, option("demo", "--demo")] = False,  # noqa: FBT002  Typer's way to say a flag
    split: Annotated[str | None, option("split")] = None,
    resume: Resume = False,  # noqa: FBT002  Typer's way to say a flag
    cache: Cache = None,
    jobs: Jobs = None,
    repeat_cell: Annotated[
        int,
        typer.Option(
            min=1, envvar="HARNESS_REPEAT_CELL", help="Run each cell so often, with --no-cache: how much is mere noise?"
        ),
    ] = 1,
    tag: Annotated[list[str] | None, option("tag", "--tag")] = None,
    against: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_AGAINST", help="Judge each run against `baseline`, `previous`, or a saved run."),
    ] = None,
    budget: Annotated[float | None, option("budget")] = None,
    estimate: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--estimate", help="Say how many calls, tokens and dollars it would take. Asks no model.")
    ] = False,
    record: Annotated[Path | None, option("record")] = None,
    batch: Annotated[bool, option("batch", "--batch")] = False,  # noqa: FBT002
    quiet: Quiet = False,  # noqa: FBT002
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
    from harness import report as report_module
    from harness.cli import _after as after
    from harness.cli._estimate import tell
    from harness.cli._progress import listener, spent
    from harness.project.run_options import RunOptions
    from harness.runner import execution, gate_checks
    from harness.runner.estimate import estimate as estimates
    from harness.runner.project import Project

    options = RunOptions(
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
        budget=budget,
        record=record,
        batch=batch,
        every_backend=bool(evals and (backend or ladder)),
    )
    with Project.open() as project:
        options = execution.climb(project.config, ladder, options) if ladder else options
        outputs = output or project.config.run.output
        for path in outputs:
            report_module.check_path(path)
        planned = execution.cells(project, evals or (), options)
        cells = [replace(cell, copy=n) for cell in planned for n in range(repeat_cell)]
        if estimate:
            tell(estimates(project, cells))
            return
        if against == gate_checks.BASELINE:
            gate_checks.need_baselines(project.root, [cell for cell in cells if cell.is_own])
        with listener(spent(project.config), quiet=quiet or project.config.run.quiet) as heard:
            outcome = execution.execute(project, cells, options, heard)
        after.show(project.config, outcome, outputs)
        for line in after.noise(outcome.runs) if repeat_cell > 1 else ():
            typer.echo(line)
        judged = after.judge(project, outcome.runs, cells)
        if against:
            judged = after.judge_against(project, against, outcome.runs, cells, judged)
    after.end(outcome, judged)
