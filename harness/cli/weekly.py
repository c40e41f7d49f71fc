"""`weekly`: the run that a scheduler starts."""

from __future__ import annotations

import os
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._common import Backends, Cache, Jobs, Quiet, Resume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.model_findings import Finding

FOLDER = "reports/weekly"


def add_to(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(weekly)


def weekly(
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="What to call the week by. [today]"),
    ] = None,
    backend: Backends = None,
    resume: Resume = False,  # noqa: FBT002  Typer's way to say a flag
    cache: Cache = None,
    jobs: Jobs = None,
    quiet: Quiet = False,  # noqa: FBT002  Typer's way to say a flag
) -> None:
    """Run every eval as production would, compare with last week and the baseline, judge the gates, write a report.

    Run is the variant that each backend is tuned for, over whole splits, on the usual backends and on both of the pair.
    What production's log says of the week before, and the newest review of its replies, is in it.

    Written are reports/weekly/DATE.html and DATE.md; on GitHub Actions also the step summary and annotations. The runs
    are tagged `weekly`: `harness compare 'latest#weekly' latest`, `harness history EVAL --tag weekly`.

    Examples:

        harness weekly
        harness weekly --date 2026-11-24 --resume   # that was interrupted

    Exit codes: 0 good, 1 a gate failed or a cell regressed, 2 usage or configuration, 4 calls failed, a backend of last
    week is not there, or what must be judged cannot be told; 130 interrupted.
    """
    from dataclasses import replace

    from harness import report as report_module
    from harness import weekly
    from harness.cli._common import complain, console
    from harness.cli._progress import listener
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
            with listener(quiet=quiet or project.config.run.quiet) as heard:
                outcome = weekly.run(planned, options, heard)
        except Interrupted as error:
            msg = f"{error}: harness weekly --date {week} --resume"
            raise Interrupted(msg) from None
        for failure in outcome.failures:
            complain(str(failure))
        if not outcome.runs:
            complain("nothing was run: `harness doctor` says what each backend needs")
            raise typer.Exit(2)
        judged = weekly.judge(planned, outcome)
        built = report_module.build(judged.runs, weekly.trends(project.store, judged), weekly.analyses(planned, judged))
    verdicts = findings.markdown(f"Weekly evals {week}", judged.findings)
    whole = f"{verdicts}\n{md.render(built)}"
    pages = [project.root / FOLDER / f"{week}{ending}" for ending in (".html", ".md")]
    report_module.write(replace(built, findings=judged.findings), pages[0])
    write(whole, pages[1])
    console().print(matrix(built))
    _tell(judged.findings)
    _tell_github(week, judged.findings, whole if len(whole.encode()) < findings.SUMMARY_BYTES else verdicts)
    for path in pages:
        typer.echo(f"report: {path}")
    raise typer.Exit(2 if outcome.failures else _exit_code(judged.findings))


def _tell(found: Sequence[Finding]) -> None:
    from harness.core.formatting import visible
    from harness.report.model_findings import FindingStatus

    colours = {FindingStatus.FAILED: "red", FindingStatus.UNDECIDED: "yellow", FindingStatus.PASSED: "green"}
    for finding in found:
        typer.secho(f"{finding.standing:9} ", fg=colours.get(finding.standing), nl=False)
        typer.echo(visible(" ".join(finding.text.split())))


def _tell_github(week: date, found: Sequence[Finding], summary: str) -> None:
    """The step summary and the annotations, where there is a step to tell."""
    from harness.core.errors import ConfigError
    from harness.report.findings import commands

    if not (path := os.environ.get("GITHUB_STEP_SUMMARY")):
        return
    for line in commands(f"Weekly evals {week}", found):
        typer.echo(line)
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123  it must append
            file.write(f"{summary}\n")
    except OSError as error:
        msg = f"GITHUB_STEP_SUMMARY {path}: cannot be written: {error.strerror}"
        raise ConfigError(msg) from None


def _exit_code(found: Sequence[Finding]) -> int:
    """What is proven to be bad outweighs what cannot be told."""
    from harness.report.model_findings import FindingStatus

    standings = {finding.standing for finding in found}
    return 1 if FindingStatus.FAILED in standings else 4 if FindingStatus.UNDECIDED in standings else 0
