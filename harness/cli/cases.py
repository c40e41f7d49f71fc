"""`harness cases`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.types import Run
    from harness.report.model import EvalReport, JoinedCase
    from harness.runner.project import Project

HEADING = "Evaluate"
ORDER = 8

COLOURS = {"right": "green", "phrasing": "yellow", "wrong": "red", "unclear": "red", "error": "magenta"}


def cases(
    eval_name: Annotated[str, typer.Argument(metavar="EVAL", help="An eval, or a run id.")],
    wrong: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--wrong", help="Only cases with a wrong or unclear answer.")
    ] = False,
    phrasing: Annotated[  # noqa: FBT002
        bool, typer.Option("--phrasing", help="Only cases with a right answer that your code cannot parse.")
    ] = False,
    flipped: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--flipped", help="Only cases that one of reference and candidate gets right."),
    ] = False,
    violation: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only cases with this violation, such as preamble.")
    ] = None,
    case_id: Annotated[
        str | None, typer.Option("--id", metavar="CASE", help="Show this case completely: inputs and replies.")
    ] = None,
    cell: Annotated[
        list[str] | None, typer.Option(help="Only this cell, such as local@mistral-q4; repeatable. Default: all.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most this many cases.")] = 20,
) -> None:
    """Show saved replies, case by case. Sends no requests.

    Shows the newest run of each cell: the reply as sent, what was read from it, and its violations. An outcome is
    `right`, `phrasing` (right, but your code cannot parse it), `wrong`, `unclear` (no clear answer) or `error` (a
    failed call). A case must match all the options.

    Examples:

        harness cases ticket_triage --wrong
        harness cases ticket_triage --violation preamble --cell gpt@mistral-q4
        harness cases ticket_triage --flipped --cell gpt@gpt-4o --cell local@q4
        harness cases ticket_triage --id tt-004

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.core.formatting import plural, visible
    from harness.report import case_text
    from harness.report.model import build, outcome
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        runs = _runs(project, eval_name, cell or ())
        if flipped and not cell:
            runs = _of_pair(project, runs)
        (report,) = build(runs).evals
    names = [each.name for each in report.cells]

    def matches(joined: JoinedCase) -> bool:
        kinds = {outcome(result) for result in joined.results if result is not None}
        codes = {code for result in joined.results if result and result.reading for code in result.reading.violations}
        return (
            (not wrong or bool(kinds & {"wrong", "unclear"}))
            and (not phrasing or "phrasing" in kinds)
            and (not flipped or joined.flipped)
            and (violation is None or violation in codes)
            and (case_id is None or joined.case.id == case_id)
        )

    _check(report, violation, case_id)
    selected = [joined for joined in report.cases if matches(joined)]
    for each in report.cells:
        typer.echo(visible(f"{each.name}: {plural(each.manifest.n_cases, 'case')}, run {each.manifest.run_id}"))
    lines = case_text.short if case_id is None else case_text.complete
    for joined in selected[:limit]:
        typer.secho(f"\n{case_text.title(joined)}", bold=True)
        for line, kind in lines(joined, names):
            typer.secho(line, fg=COLOURS[kind] if kind else None)
    left = len(selected) - limit
    more = f"; {left:,} more: --limit {len(selected)}" if left > 0 else ""
    typer.echo(f"\n{min(limit, len(selected)):,} of {plural(len(report.cases), 'case')} shown{more}")


def _runs(project: Project, name: str, cells: Sequence[str]) -> list[Run]:
    """The newest run of each wanted cell; raises `StoreError`."""
    from harness.cli._saved_runs import find_runs
    from harness.core.errors import StoreError
    from harness.core.toml import hint
    from harness.project import evals

    if name in evals.names(project.root) and not project.store.latest(name):
        msg = f"no finished runs of {name} in {project.store.url}: start one with `harness run {name}`"
        raise StoreError(msg)
    runs = find_runs(project.store, name, project.config.backends)
    known = {run.manifest.cell for run in runs}
    for cell in cells:
        if cell not in known:
            msg = f"no finished run of {name}/{cell} in {project.store.url}{hint(cell, known)}"
            raise StoreError(msg)
    return [run for run in runs if not cells or run.manifest.cell in cells]


def _of_pair(project: Project, runs: list[Run]) -> list[Run]:
    """The runs of the reference and the candidate with their own prompts, if both are there; otherwise all."""
    pair = project.config.pair
    if pair is None:
        return runs
    own = [(name, project.config.backends[name].variant) for name in (pair.reference, pair.candidate)]
    own_runs = [run for key in own for run in runs if (run.manifest.backend, run.manifest.variant) == key]
    return own_runs if len(own_runs) == len(own) else runs


def _check(report: EvalReport, violation: str | None, case_id: str | None) -> None:
    """Raise `ConfigError` for a case or a violation that does not exist, which is probably a typo."""
    from harness.contracts.violations import VIOLATIONS
    from harness.core.errors import ConfigError
    from harness.core.toml import hint

    ids = {joined.case.id for joined in report.cases}
    if case_id is not None and case_id not in ids:
        msg = f"no case {case_id!r} in the saved runs of {report.name}{hint(case_id, ids)}"
        raise ConfigError(msg)
    codes = {code for cell in report.cells for code, _ in cell.summary.violations}
    if violation is not None and violation not in {*codes, *VIOLATIONS}:
        msg = f"no violation {violation!r}{hint(violation, VIOLATIONS)}"
        raise ConfigError(msg)
