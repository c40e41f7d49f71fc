"""`harness weekly`."""

from __future__ import annotations

import os
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._options import Backends, Cache, Jobs, Quiet, Resume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.model_findings import Finding

HEADING = "Evaluate"
ORDER = 3

FOLDER = "reports/weekly"


def weekly(
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The date in the names of the reports. Default: today.",
        ),
    ] = None,
    backend: Backends = None,
    resume: Resume = False,  # noqa: FBT002  Typer's way to say a flag
    cache: Cache = None,
    jobs: Jobs = None,
    quiet: Quiet = False,  # noqa: FBT002  Typer's way to say a flag
) -> None:
    """Run all evals as in production, compare with the weeks before and the baselines, and write a report.

    Runs each backend's own variant over whole splits, on the default backends and both backends of [pair]. Also judges
    the gates, and includes last week's production log and the newest human review.

    A cell that looks worse is run a second time: among many cells, some look worse by chance. A failure must be proven
    among all of them, so a project has about one false alarm a year.

    Writes reports/weekly/DATE.html and DATE.md. On GitHub Actions, also writes the step summary and annotations.

    The runs have the tag `weekly`: see `harness history EVAL --tag weekly` or `harness compare 'latest#weekly' latest`.

    Examples:

        harness weekly
        harness weekly --date 2026-11-24 --resume   # continue

    Exit codes: 0 success, 1 a gate failed or a cell regressed, 2 usage or configuration error, 4 calls failed, or a
    backend of last week is unavailable, or a required gate is undecided; 130 interrupted.
    """
    from dataclasses import replace

    from harness import report as report_module
    from harness import weekly
    from harness.cli._common import console, print_error
    from harness.cli._progress import show_progress
    from harness.core.errors import Interrupted
    from harness.core.files import write
    from harness.project.run_options import RunOptions
    from harness.report import findings
    from harness.report.formats import md
    from harness.report.terminal import matrix
    from harness.runner.project import Project

    week = day.date() if day else datetime.now().astimezone().date()
    options = RunOptions(backend=tuple(backend or ()), cache=cache, resume=resume, jobs=jobs)
    with Project.open() as project:
        planned = weekly.plan(project, week, options)
        try:
            with show_progress(quiet=quiet or project.config.run.quiet) as progress:
                made = weekly.run(planned, options, progress)
        except Interrupted as error:
            msg = f"{error}: harness weekly --date {week} --resume"
            raise Interrupted(msg) from None
        outcome = made.outcome
        for failure in outcome.failures:
            print_error(str(failure))
        if not outcome.runs:
            print_error("nothing was run: no backend is available; check them with `harness doctor`")
            raise typer.Exit(2)
        judged = weekly.judge(planned, made)
        built = report_module.build(judged.runs, weekly.trends(project.store, judged), weekly.analyses(planned, judged))
    verdicts = findings.markdown(f"Weekly evals {week}", judged.findings)
    whole = f"{verdicts}\n{md.render(built)}"
    pages = [project.root / FOLDER / f"{week}{ending}" for ending in (".html", ".md")]
    report_module.write(replace(built, findings=judged.findings), pages[0])
    write(whole, pages[1])
    console().print(matrix(built))
    _print_findings(judged.findings)
    _report_to_github(week, judged.findings, whole if len(whole.encode()) < findings.SUMMARY_BYTES else verdicts)
    for path in pages:
        typer.echo(f"report: {path}")
    raise typer.Exit(2 if outcome.failures else _exit_code(judged.findings))


def _print_findings(all_findings: Sequence[Finding]) -> None:
    from harness.core.formatting import visible
    from harness.report.model_findings import FindingStatus

    colours = {FindingStatus.FAILED: "red", FindingStatus.UNDECIDED: "yellow", FindingStatus.PASSED: "green"}
    for finding in all_findings:
        typer.secho(f"{finding.status:9} ", fg=colours.get(finding.status), nl=False)
        typer.echo(visible(" ".join(finding.text.split())))


def _report_to_github(week: date, all_findings: Sequence[Finding], summary: str) -> None:
    """Write the step summary and the annotations, if this is a step of GitHub Actions."""
    from harness.core.errors import ConfigError
    from harness.report.findings import commands

    if not (path := os.environ.get("GITHUB_STEP_SUMMARY")):
        return
    for line in commands(f"Weekly evals {week}", all_findings):
        typer.echo(line)
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123  it must append
            file.write(f"{summary}\n")
    except OSError as error:
        msg = f"GITHUB_STEP_SUMMARY {path}: cannot be written: {error.strerror}"
        raise ConfigError(msg) from None


def _exit_code(all_findings: Sequence[Finding]) -> int:
    """Return the exit code. A proven failure takes precedence over an undecided finding."""
    from harness.report.model_findings import FindingStatus

    standings = {finding.status for finding in all_findings}
    return 1 if FindingStatus.FAILED in standings else 4 if FindingStatus.UNDECIDED in standings else 0
