"""`harness judge`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._options import option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.monitor.traffic_judge import JudgePlan
    from harness.project.run_options import RunOptions
    from harness.runner.estimate import Estimate
    from harness.runner.llm_judge import JudgeReport
    from harness.runner.project import Project

HEADING = "Replies and other tools"
ORDER = 2


def judge(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A run of a summarization eval (its id, EVAL/CELL, or latest), or a sheet of `harness sample`.",
        ),
    ],
    backend: Annotated[str, typer.Option("--backend", "-b", help="The backend of the judge model.")],
    eval_name: Annotated[
        str, typer.Option("--eval", help="The judge of summaries: a classification eval with human-labelled cases.")
    ] = "summary_judge",
    variant: Annotated[str | None, typer.Option(help="The judge's prompt variant. Default: the backend's own.")] = None,
    budget: Annotated[float | None, option("budget")] = None,
    estimate: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--estimate", help="For a sheet: print the expected cost. Sends no requests.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="For a run: write the result to this .json file.")
    ] = None,
) -> None:
    """Have a model judge the summaries of a saved run, or the logged replies of a review sheet's period.

    Of a run: sends a request per summary and labelled case. The judge first labels the human-labelled cases of its
    eval. The result shows its agreement with people (Cohen's kappa) beside its opinion of the summaries.

    Of a sheet: sends a request per logged reply. The judge answers the task's own prompt, and accepts a reply if both
    answers are equal; it judges summaries by --eval. `harness review` combines the verdicts with people's labels, so
    that the labels are worth more. The expected cost is printed first. The same command again continues.

    Saved replies and verdicts of the judge are reused.

    Examples:

        harness judge incident_summaries/local@mistral-q4 --backend gpt-4o
        harness judge 2026-w47-3f2a9c01 --backend gpt-4o --estimate
        harness judge 2026-w47-3f2a9c01 --backend gpt-4o --budget 5

    Exit codes: 0 success, 2 usage or configuration error, 3 budget exhausted, 4 requests failed, 130 interrupted.
    """
    from harness.core.errors import ConfigError
    from harness.monitor import sheets
    from harness.project.run_options import RunOptions
    from harness.report.write import check_ending
    from harness.runner.project import Project

    if output:
        check_ending(output, (".json",))
    options = RunOptions(
        backend=(backend,),
        variant=(variant,) if variant else (),
        own_variant_only=True,
        whole=True,
        every_backend=True,
        budget=budget,
    )
    with Project.open() as project:
        is_sheet = target in sheets.names(project.store)
        if is_sheet and output:
            msg = "--output is for runs: `harness review show SHEET` shows the verdicts on a sheet"
            raise ConfigError(msg)
        if estimate and not is_sheet:
            msg = f"--estimate is for sheets, and {target!r} is not a sheet of {project.store.url}"
            raise ConfigError(msg)
        if is_sheet:
            _judge_sheet(project, target, options, eval_name, estimate_only=estimate)
        else:
            _judge_run(project, target, options, eval_name, output)


def _judge_run(project: Project, run: str, options: RunOptions, eval_name: str, output: Path | None) -> None:
    from harness.cli._progress import show_progress
    from harness.core.files import write
    from harness.runner import execution
    from harness.runner.llm_judge import judge as judge_run
    from harness.store.run_refs import find_run

    (sample,) = execution.cells(project, [eval_name], options)
    with show_progress() as progress:
        result = judge_run(
            sample, find_run(project.store, run), lambda cells: execution.execute(project, cells, options, progress)
        )
    for line in _result_lines(result):
        typer.echo(line)
    if output:
        write(json.dumps(asdict(result), indent=1) + "\n", output)
        typer.echo(f"judgement: {output}")


def _judge_sheet(project: Project, name: str, options: RunOptions, eval_name: str, *, estimate_only: bool) -> None:
    from dataclasses import replace

    from harness.cli._estimate import print_estimates
    from harness.cli._progress import show_progress, token_prices
    from harness.core.formatting import plural, visible
    from harness.monitor import sheets, traffic_judge
    from harness.runner import execution
    from harness.runner.estimate import estimate
    from harness.store.runs import open_store

    planned = traffic_judge.plan(project, sheets.load(project.store, name), options, eval_name)
    for each in planned:
        typer.echo(visible(_plan_line(each)))
    estimates = estimate(project, [each.cell for each in planned if each.calls])
    if estimate_only:
        print_estimates(estimates)
        return
    for line in _cost_lines(estimates):
        typer.echo(visible(line))
    temporary = replace(project, store=open_store("sqlite:///:memory:"))  # logged texts must not outlive the log
    with show_progress(token_prices(project.config)) as progress, temporary:
        failed = traffic_judge.judge(
            planned,
            project.store,
            progress,
            lambda cells, events: execution.execute(temporary, cells, options, events),
        )
    typer.echo(f"verdicts saved: `harness review show {name}` combines them with people's labels")
    if failed:
        typer.echo(f"{plural(failed, 'request')} failed: run the same command again to repeat them")
        raise typer.Exit(4)


def _plan_line(p: JudgePlan) -> str:
    from harness.core.formatting import plural

    parts = [f"{plural(len(p.calls), 'reply', 'replies')} to judge"]
    if p.no_value:
        parts.append(f"{len(p.no_value):,} without a clear answer, which are wrong")
    if p.n_before:
        parts.append(f"{p.n_before:,} judged before")
    if p.n_other:
        parts.append(f"{p.n_other:,} cannot be judged (no texts in the log, own messages, or the judge's own replies)")
    return f"{p.task} by {p.judge}: {'; '.join(parts)}"


def _cost_lines(estimates: Sequence[Estimate]) -> Iterator[str]:
    from harness.cli._estimate import sums_text

    if estimates:
        yield sums_text(estimates)


def _result_lines(o: JudgeReport) -> list[str]:
    from harness.core.formatting import plural, visible
    from harness.report.rate_text import rate_text

    a = o.agreement
    kappa = f"kappa {a.value:.2f} ({a.low:.2f} to {a.high:.2f})"
    lines = [
        visible(f"{o.judge}: {o.label} {rate_text(o.accepted)} of {plural(o.accepted.n, 'reply', 'replies')}"),
        f"agreement with people on {plural(o.agreed.n, 'labelled row')}: {kappa}, same label in {rate_text(o.agreed)}",
    ]
    if o.unread:
        lines.append(f"no label for {plural(o.unread, 'reply', 'replies')}: not counted in any figure")
    if not a.low > ENOUGH:
        lines.append("do not rely on this judge: its agreement is not shown to be substantial (kappa above 0.6)")
    return lines


ENOUGH = 0.6
"""Landis & Koch 1977: "substantial"."""
