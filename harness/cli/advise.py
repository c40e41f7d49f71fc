"""`advise`: what should move, what should stay, and the routes that follow."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.advice.routes import Routes
    from harness.analysis.costs.projection import Advice
    from harness.project.config import Config
    from harness.project.routing import Routing
    from harness.runner.project import Project


class RoutesFormat(StrEnum):
    """What `--format` takes, and the file that each is written to unless another is named."""

    ROUTING = "routing"
    LITELLM = "litellm"

    @property
    def file(self) -> str:
        """In the project's folder."""
        return "routing.toml" if self is RoutesFormat.ROUTING else "litellm.yaml"


def add_to(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(advise)


def advise(
    evals: Annotated[
        list[str] | None, typer.Argument(help="Names or paths of evals; all with traffic if none.")
    ] = None,
    form: Annotated[
        RoutesFormat, typer.Option("--format", help="routing: for harness.router; litellm: for the LiteLLM proxy.")
    ] = RoutesFormat.ROUTING,
    to: Annotated[Path | None, typer.Option(help="Where to write it. [routing.toml or litellm.yaml]")] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Write a report with the bill: .html .json .md …; repeatable."),
    ] = None,
) -> None:
    """Say of each eval whether it should move, with the reasons and the bill, and write the routes that follow.

    MOVE: shown to be good enough, and nothing speaks against it. STAY: something does. INCONCLUSIVE: it cannot be told
    yet. Read from the newest saved runs of both backends of [pair]; asks no model. Review the file before it is used:
    its tiers are written anew, and what you have set beside them (deadlines, budgets, hedging, probe) is kept.

    Examples:

        harness advise                                  # writes routing.toml
        harness advise -o reports/advice.html           # and a page with the bill
        harness advise --format litellm --to proxy.yaml

    Exit codes: 0 told, whatever it comes to; 2 usage or configuration.
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
        before = _before(project.config, target)
        text = make(project.config, advice, before)
        routes = routes_from.routes(project.config, advice, before)
        advice = routes_from.noted(advice, routes)
        _tell(advice)
        bill = advice.bill
        moves = bill.server_usd(bill.moving) + bill.moved_api_usd
        typer.echo(
            f"the bill: {amount(bill.today)} a month today, {amount(bill.advised)} as advised "
            f"({dollars(bill.stays_usd)} of what stays, {dollars(moves)} of what moves)"
        )
        if bill.unknown:
            typer.echo(f"in no sum, because nobody says or nothing tells what it costs: {', '.join(bill.unknown)}")
        for line in _not_routed(routes, advice):
            typer.echo(line)
        write(text, target)
        typer.echo(f"{form.value}: {target}")
        for path in output or ():
            _report(project, advice, path)
            typer.echo(f"report: {path}")


def _before(project: Config, target: Path) -> Routing | None:
    """The routes that are written anew, whose settings are kept; a file that cannot be read must not be lost."""
    from harness.project import routing

    path = target if target.suffix == ".toml" else project.root / routing.FILE_NAME
    return routing.load(path, project) if path.is_file() else None


def _not_routed(routes: Routes, advice: Advice) -> Iterator[str]:
    """What the bill counts as moved and no route moves, and what was in the file for an eval that is no more."""
    from harness.analysis.costs.projection import Decision
    from harness.core.formatting import dollars, visible

    for one in advice.advised:
        if one.decision is Decision.MOVE and one.line.eval in routes.unrouted:
            today = f"its {dollars(one.line.today_usd)} a month are still paid until you route it by hand"
            yield f"counted as moved, and not routed: {visible(one.line.eval)}; {today}"
    for name in routes.gone:
        yield f"left out of the routes: {visible(name)}, of which there is no eval any more"


def _tell(advice: Advice) -> None:
    from harness.advice.reasons import SIGNS
    from harness.analysis.costs.projection import Decision
    from harness.core.formatting import visible

    colours = {Decision.MOVE: "green", Decision.STAY: "red", Decision.INCONCLUSIVE: "yellow"}
    for one in advice.advised:
        typer.secho(f"{one.decision.value:12} ", fg=colours[one.decision], bold=True, nl=False)
        typer.secho(visible(one.line.eval), bold=True)
        for reason in one.reasons:
            typer.echo(f"  {SIGNS[reason.stands]} {visible(' '.join(reason.text.split()))}")
    if advice.left_out:
        typer.echo(f"no advice, because the eval has no [traffic] daily_calls: {', '.join(advice.left_out)}")


def _report(project: Project, advice: Advice, path: Path) -> None:
    """The page of the newest runs of all evals on the bill, the advice in it."""
    from dataclasses import replace

    from harness import report as report_module

    names = [one.line.eval for one in advice.advised]
    runs = [
        run for name in names for run in project.store.latest(name) if run.manifest.backend in project.config.backends
    ]
    asked = replace(report_module.asked_by(project.config, names), advice=advice)
    report_module.write(report_module.build(runs, asked=asked), path)
