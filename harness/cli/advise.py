"""`harness advise`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.advice.routes import Routes
    from harness.analysis.costs.advice_types import Advice
    from harness.project.config import Config
    from harness.project.routing import Routing
    from harness.runner.project import Project

HEADING = "Act on it"
ORDER = 2


class RoutesFormat(StrEnum):
    """Values of `--format`, each with its default file."""

    ROUTING = "routing"
    LITELLM = "litellm"

    @property
    def file(self) -> str:
        """File name in the project's folder."""
        return "routing.toml" if self is RoutesFormat.ROUTING else "litellm.yaml"


def advise(
    evals: Annotated[
        list[str] | None, typer.Argument(help="Names or paths of evals. Default: all with [traffic].")
    ] = None,
    form: Annotated[
        RoutesFormat, typer.Option("--format", help="routing (for harness.router) or litellm (for the LiteLLM proxy).")
    ] = RoutesFormat.ROUTING,
    to: Annotated[Path | None, typer.Option(help="The file to write. Default: routing.toml or litellm.yaml.")] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Write a report with the cost: .html .json .md …; repeatable."),
    ] = None,
) -> None:
    """Recommend for each eval whether to move to the candidate, and write the routes. Sends no requests.

    - MOVE: the candidate is shown to be good enough, and no reason speaks against the move.
    - STAY: at least one reason speaks against the move.
    - INCONCLUSIVE: the saved runs do not decide it.

    Uses the newest saved runs of both backends of [pair]. Review the routes before you use them. An existing file keeps
    your deadlines, budgets, hedging and probes; only its tiers are replaced.

    Examples:

        harness advise                                  # writes routing.toml
        harness advise -o reports/advice.html           # also writes a report
        harness advise --format litellm --to proxy.yaml

    Exit codes: 0 success, whatever the advice is; 2 usage or configuration error.
    """
    from harness import report as report_module
    from harness.advice import advise as advising
    from harness.advice import routes as routes_from
    from harness.core.files import write
    from harness.core.formatting import dollars
    from harness.report.cost_text import amount
    from harness.runner.project import Project

    for path in output or ():
        report_module.check_path(path)
    with Project.open(read_only=True) as project:
        advice = advising.advise(project, evals or ())
        make = routes_from.routing if form is RoutesFormat.ROUTING else routes_from.litellm
        target = to or project.root / form.file
        existing = _existing_routes(project.config, target)
        text = make(project.config, advice, existing)
        routes = routes_from.routes(project.config, advice, existing)
        advice = routes_from.noted(advice, routes)
        _print_advice(advice)
        bill = advice.bill
        moves = bill.server_usd(bill.moving) + bill.moved_api_usd
        typer.echo(
            f"cost per month: {amount(bill.current)} today, {amount(bill.advised)} as advised "
            f"({dollars(bill.stays_usd)} for evals that stay, {dollars(moves)} for evals that move)"
        )
        if bill.unknown:
            typer.echo(f"not included, because the cost is unknown: {', '.join(bill.unknown)}")
        for line in _unrouted_lines(routes, advice):
            typer.echo(line)
        write(text, target)
        typer.echo(f"{form.value}: {target}")
        for path in output or ():
            _write_report(project, advice, path)
            typer.echo(f"report: {path}")


def _existing_routes(project: Config, target: Path) -> Routing | None:
    """The existing routes, whose settings are kept. An unreadable file raises an error and is not overwritten."""
    from harness.project import routing

    path = target if target.suffix == ".toml" else project.root / routing.FILE_NAME
    return routing.load(path, project) if path.is_file() else None


def _unrouted_lines(routes: Routes, advice: Advice) -> Iterator[str]:
    """Evals that the cost counts as moved but no route moves, and routes of evals that no longer exist."""
    from harness.analysis.costs.advice_types import Decision
    from harness.core.formatting import dollars, visible

    for advised in advice.advised:
        if advised.decision is Decision.MOVE and advised.cost.eval in routes.unrouted:
            today = f"you still pay {dollars(advised.cost.current_usd)} a month until you route it by hand"
            yield f"counted as moved, but not routed: {visible(advised.cost.eval)}; {today}"
    for name in routes.gone:
        yield f"removed from the routes: {visible(name)} (no such eval)"


def _print_advice(advice: Advice) -> None:
    from harness.advice.reasons import SIGNS
    from harness.analysis.costs.advice_types import Decision
    from harness.core.formatting import visible

    colours = {Decision.MOVE: "green", Decision.STAY: "red", Decision.INCONCLUSIVE: "yellow"}
    for advised in advice.advised:
        typer.secho(f"{advised.decision.value:12} ", fg=colours[advised.decision], bold=True, nl=False)
        typer.secho(visible(advised.cost.eval), bold=True)
        for reason in advised.reasons:
            typer.echo(f"  {SIGNS[reason.stands]} {visible(' '.join(reason.text.split()))}")
    if advice.left_out:
        typer.echo(f"no advice, because the eval has no [traffic] daily_calls: {', '.join(advice.left_out)}")


def _write_report(project: Project, advice: Advice, path: Path) -> None:
    """Write a report of the newest runs of all advised evals, with the advice."""
    from dataclasses import replace

    from harness import report as report_module
    from harness.runner import questions

    names = [advised.cost.eval for advised in advice.advised]
    runs = [
        run for name in names for run in project.store.latest(name) if run.manifest.backend in project.config.backends
    ]
    analyses = replace(questions.analyses(project, names), advice=advice)
    report_module.write(report_module.build(runs, analyses=analyses), path)
