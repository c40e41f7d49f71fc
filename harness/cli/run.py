"""`harness run`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from harness.cli._options import Backends, Cache, DecodingName, Evals, Jobs, Output, Quiet, Resume, option

HEADING = "Evaluate"
ORDER = 1


def run(
    evals: Evals = None,
    backend: Backends = None,
    ladder: Annotated[
        str | None, typer.Option(help="Run the backends of this [ladders] entry, each with its own prompt variant.")
    ] = None,
    variant: Annotated[list[str] | None, option("variant", "--variant")] = None,
    version: Annotated[str | None, option("version")] = None,
    decoding: Annotated[list[DecodingName] | None, option("decoding", "--decoding")] = None,
    limit: Annotated[int | None, option("limit")] = None,
    case: Annotated[list[str] | None, option("case", "--case")] = None,
    filter: Annotated[list[str] | None, option("filter", "--filter")] = None,  # noqa: A002  the name of the option
    demo: Annotated[bool, option("demo", "--demo")] = False,  # noqa: FBT002  Typer's way to say a flag
    split: Annotated[str | None, option("split")] = None,
    resume: Resume = False,  # noqa: FBT002  Typer's way to say a flag
    cache: Cache = None,
    jobs: Jobs = None,
    repeat_cell: Annotated[
        int,
        typer.Option(
            min=1,
            envvar="HARNESS_REPEAT_CELL",
            help="Run each cell N times without the cache, and count answers that change.",
        ),
    ] = 1,
    tag: Annotated[list[str] | None, option("tag", "--tag")] = None,
    against: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_AGAINST", help="Compare each run with `baseline`, `previous`, or a saved run."),
    ] = None,
    until_decided: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--until-decided",
            envvar="HARNESS_UNTIL_DECIDED",
            help="Compare candidate and reference of [pair] on random cases, and stop when a verdict is proven.",
        ),
    ] = False,
    budget: Annotated[float | None, option("budget")] = None,
    estimate: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--estimate", help="Print the expected calls, tokens and cost. Sends no requests.")
    ] = False,
    record: Annotated[Path | None, option("record")] = None,
    batch: Annotated[bool, option("batch", "--batch")] = False,  # noqa: FBT002
    strict: Annotated[bool, option("strict", "--strict")] = False,  # noqa: FBT002
    quiet: Quiet = False,  # noqa: FBT002
    output: Output = None,
    latest: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--latest/--no-latest", envvar="HARNESS_LATEST", help="Write reports/latest.html.")
    ] = True,
    open_report: Annotated[  # noqa: FBT002
        bool, typer.Option("--open", help="Open the report in the browser when the run ends.")
    ] = False,
) -> None:
    """Run prompt variants on backends over golden datasets, and judge the gates.

    By default, runs all evals and variants on all available backends of harness.toml. The report of the newest run is
    reports/latest.html. Gates apply to each backend's own
    variant (`variant` in harness.toml), and only to runs over the whole split.

    `--until-decided` runs one eval, for the reference and the candidate of [pair], each with its own variant. Both get
    the cases in the same random order. The run stops when MOVE or STAY is proven. With `--against`, it compares one
    backend with a saved run, and stops at OK, IMPROVED or REGRESSED. A saved, current run over all cases is not
    repeated. Gates are not judged. Exit codes: 0 for a good verdict, 1 for STAY and REGRESSED, 4 without a verdict.

    Examples:

        harness run                           # all evals, variants and backends
        harness run ticket_triage -b mistral-q4 -o reports/triage.html
        harness run evals/ticket_triage.toml --variant gpt --limit 20 -o x.jsonl
        harness run ticket_triage --case tt-004 --case tt-017
        harness run ticket_triage --filter tag:hard --filter label:billing
        harness run --estimate                # only print the expected cost
        harness run -b gpt-4o --budget 2.00   # continue later with --resume
        harness run -b gpt-4o --batch         # half the price, within a day
        harness run triage --until-decided    # stop when MOVE or STAY is proven

    Exit codes: 0 success, 1 a gate failed or a regression, 2 usage or configuration error, 3 budget exhausted, 4 calls
    failed or a gate is undecided, 70 a bug in the harness, 130 interrupted, 143 terminated.
    """
    from harness import report as report_module
    from harness.cli._estimate import print_estimates
    from harness.cli._outcome import (
        LATEST,
        compare_with,
        exit_with,
        judge_gates,
        noise_lines,
        open_page,
        print_outcome,
        print_undecidable,
    )
    from harness.cli._progress import show_progress, token_prices
    from harness.cli._until_decided import check_flags, run_until_decided
    from harness.project.run_options import RunOptions
    from harness.runner import execution, gate_checks
    from harness.runner.estimate import estimate as estimate_cells
    from harness.runner.pair_plan import plan_pair
    from harness.runner.project import Project

    options = RunOptions(
        backend=tuple(backend or ()),
        variant=tuple(variant or ()),
        version=version,
        decoding=tuple(name.value for name in decoding or ()),
        split=split,
        limit=limit,
        case=tuple(case or ()),
        filter=tuple(filter or ()),
        demo=demo,
        cache=cache if repeat_cell == 1 else False,
        resume=resume,
        jobs=jobs,
        tag=tuple(tag or ()),
        budget=budget,
        record=record,
        batch=batch,
        strict=strict,
        quiet=quiet,
        every_backend=bool(evals and (backend or ladder)),
    )
    if until_decided:
        check_flags(
            ladder=ladder,
            variant=variant,
            decoding=decoding,
            limit=limit,
            case=case,
            filter=filter,
            demo=demo,
            batch=batch,
            repeat_cell=repeat_cell > 1,
            backend=backend and not against,
        )
    with Project.open() as project:
        options = execution.climb(project.config, ladder, options) if ladder else options
        outputs = output or project.config.run.output
        for path in outputs:
            report_module.check_path(path)
        if until_decided:
            plan = plan_pair(project, evals or (), options, against)
            if not estimate:
                run_until_decided(project, plan, options, outputs)
            print_estimates(estimate_cells(project, plan.cells))
            return
        planned = execution.cells(project, evals or (), options)
        cells = [replace(cell, copy=n) for cell in planned for n in range(repeat_cell)]
        print_undecidable(cells)
        if estimate:
            print_estimates(estimate_cells(project, cells))
            return
        if against == gate_checks.BASELINE:
            gate_checks.need_baselines(project.root, [cell for cell in cells if cell.is_own])
        with show_progress(token_prices(project.config), quiet=options.quiet or project.config.run.quiet) as progress:
            outcome = execution.execute(project, cells, options, progress)
        gates = judge_gates(project, outcome.runs, cells)
        if against:
            gates = compare_with(project, against, outcome.runs, cells, gates)
        for line in noise_lines(outcome.runs) if repeat_cell > 1 else ():
            typer.echo(line)
        print_outcome(project, outcome, outputs, gates, latest=latest or open_report)
        if open_report and outcome.runs:
            open_page(project.root / LATEST)
    exit_with(outcome, gates)
