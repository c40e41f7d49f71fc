"""`judge`: a model's opinion of saved summaries, beside how far it agrees with people."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.runner.llm_judge import JudgeReport


def add_to(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(judge)


def judge(
    run: Annotated[str, typer.Argument(help="A run of a summarization eval: its id, EVAL/CELL, latest.")],
    backend: Annotated[str, typer.Option("--backend", "-b", help="The backend that judges.")],
    eval_name: Annotated[
        str, typer.Option("--eval", help="The judge: a classification eval with a labelled sample.")
    ] = "summary_judge",
    variant: Annotated[
        str | None, typer.Option(help="The judge's prompt variant. Default: the one the backend is tuned for.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the opinion as JSON.")] = None,
) -> None:
    """Have a model judge the summaries of a run. Off unless you call it: it asks the judge about every reply.

    The judge first labels the sample that people have labelled (the eval's dataset); its agreement with them, Cohen's
    kappa, stands beside its opinion. Answers that it has given before are taken from the store.

    Examples:

        harness judge incident_summaries/local@mistral-q4 --backend gpt-4o
    """
    from harness.cli._progress import listener
    from harness.core.files import write
    from harness.project.run_options import RunOptions
    from harness.report.write import check_ending
    from harness.runner import execution
    from harness.runner.llm_judge import judge as ask
    from harness.runner.project import Project
    from harness.store.run_refs import find_run

    if output:
        check_ending(output, (".json",))
    options = RunOptions(
        backend=(backend,), variant=(variant,) if variant else (), own_variant_only=True, whole=True, every_backend=True
    )
    with Project.open() as project:
        (sample,) = execution.cells(project, [eval_name], options)
        with listener() as heard:
            found = ask(
                sample, find_run(project.store, run), lambda cells: execution.execute(project, cells, options, heard)
            )
    for line in _told(found):
        typer.echo(line)
    if output:
        write(json.dumps(asdict(found), indent=1) + "\n", output)
        typer.echo(f"opinion: {output}")


def _told(o: JudgeReport) -> list[str]:
    from harness.core.formatting import plural, visible
    from harness.report.rate_text import rate_text

    a = o.agreement
    kappa = f"kappa {a.value:.2f} ({a.low:.2f} to {a.high:.2f})"
    lines = [
        visible(f"{o.judge}: {o.label} {rate_text(o.accepted)} of {plural(o.accepted.n, 'reply', 'replies')}"),
        f"agreement with people on {plural(o.agreed.n, 'labelled row')}: {kappa}, same label in {rate_text(o.agreed)}",
    ]
    if o.unread:
        lines.append(f"it gave no label to {plural(o.unread, 'reply', 'replies')}: in no figure")
    if not a.low > ENOUGH:
        lines.append("its agreement is not shown to be substantial (kappa above 0.6): do not decide by it")
    return lines


ENOUGH = 0.6
"""Landis & Koch 1977: "substantial"."""
