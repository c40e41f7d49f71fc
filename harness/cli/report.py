"""`harness report`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli._options import Output

HEADING = "Evaluate"
ORDER = 2


def report(
    evals: Annotated[list[str] | None, typer.Argument(help="Evals or run ids. Default: all evals.")] = None,
    output: Output = None,
) -> None:
    """Write a report from saved runs. Sends no requests.

    Shows the newest run of each cell, or the runs that you name.

    Examples:

        harness report                                  # writes reports/report.html
        harness report ticket_triage -o triage.html -o triage.md
    """
    from harness import api
    from harness import report as report_module
    from harness.cli._common import console
    from harness.cli._saved_runs import find_runs
    from harness.core.errors import StoreError
    from harness.report.terminal import matrix
    from harness.runner import gate_checks, questions, rendered_prompts
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        outputs = output or [project.root / "reports" / "report.html"]
        for path in outputs:
            report_module.check_path(path)
        selected: list[str | None] = list(evals) if evals else [None]
        runs = [run for name in selected for run in find_runs(project.store, name, project.config.backends)]
        if not runs:
            msg = f"no finished runs in {project.store.url}: start one with `harness run`"
            raise StoreError(msg)
        names = dict.fromkeys(run.manifest.eval for run in runs)
        trends = [trend for name in names for trend in api.trends(project.store, name)]
        gates, prompts = gate_checks.of_saved(project, runs), rendered_prompts.of_runs(project, runs)
        built = report_module.build(runs, trends, questions.analyses(project, names), gates, prompts)
        console().print(matrix(built))
        for path in outputs:
            report_module.write(built, path)
            typer.echo(f"report: {path}")
