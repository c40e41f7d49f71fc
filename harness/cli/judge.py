"""`harness judge`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.runner.llm_judge import JudgeReport

HEADING = "Replies and other tools"
ORDER = 2


def judge(
    run: Annotated[str, typer.Argument(help="A run of a summarization eval: its id, EVAL/CELL, or latest.")],
    backend: Annotated[str, typer.Option("--backend", "-b", help="The backend of the judge model.")],
    eval_name: Annotated[
        str, typer.Option("--eval", help="The judge: a classification eval with human-labelled cases.")
    ] = "summary_judge",
    variant: Annotated[str | None, typer.Option(help="The judge's prompt variant. Default: the backend's own.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the result to this .json file.")] = None,
) -> None:
    """Have a model judge the summaries of a saved run. Sends a request per summary and labelled case.

    The judge first labels the human-labelled cases of its eval. The result shows its agreement with people (Cohen's
    kappa) beside its opinion of the summaries. Saved replies of the judge are reused.

    Examples:

        harness judge incident_summaries/local@mistral-q4 --backend gpt-4o
    """
    from harness.cli._progress import show_progress
    from harness.core.files import write
    from harness.project.run_options import RunOptions
    from harness.report.write import check_ending
    from harness.runner import execution
    from harness.runner.llm_judge import judge as judge_run
    from harness.runner.project import Project
    from harness.store.run_refs import find_run

    if output:
        check_ending(output, (".json",))
    options = RunOptions(
        backend=(backend,), variant=(variant,) if variant else (), own_variant_only=True, whole=True, every_backend=True
    )
    with Project.open() as project:
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
