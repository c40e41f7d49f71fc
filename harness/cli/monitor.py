"""`harness monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.monitor.review_power import ReviewPower
    from harness.monitor.signals import WeeklySignals

HEADING = "Act on it"
ORDER = 5

app = typer.Typer()

PER_WEEK = "50,100,250,500"


@app.callback(invoke_without_command=True)
def monitor(
    context: typer.Context,
    week: Annotated[
        str | None, typer.Option(metavar="2026-W48", help="The week to check. Default: the last complete week.")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(min=6, max=520, help="Compare with this many weeks before it. Default: 26.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="2026-W40", help="Ignore all weeks before this week, such as weeks before a known change."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 4 if there is too little data.")] = False,  # noqa: FBT002
) -> None:
    """Compare the last week of logged production calls with the weeks before. Needs no labels, sends no requests.

    Checks for each task: compliance, refusals, unknown labels, label shares, reply length and fallbacks. If nothing
    changes, weekly checks raise a false alarm in at most 5% of years (docs/monitoring.md).

    Examples:

        harness monitor
        harness monitor --week 2026-W47 --reference 8
        harness monitor --since 2026-W45       # ignores the weeks before a change

    Exit codes: 0 STEADY or too little data, 1 WORSE, 2 usage error, 4 CHANGED, or no calls of a task that had calls
    before, or too little data with --strict.
    """
    from harness.runner.project import Project

    if context.invoked_subcommand is not None:
        return
    from datetime import UTC, date, datetime

    from harness.cli._common import console
    from harness.core.errors import ConfigError, StoreError
    from harness.monitor import signals, weeks
    from harness.monitor.signals import SignalStatus
    from harness.monitor.task_labels import labels_of
    from harness.store import traffic

    last_week = weeks.newest_whole(datetime.now(UTC))
    day = weeks.parse(week) if week else last_week
    start = weeks.parse(since) if since else date.min
    if day > last_week:
        msg = f"--week {weeks.name(day)} is not over yet: the last complete week is {weeks.name(last_week)}"
        raise ConfigError(msg)
    if start > day:
        msg = f"--since {weeks.name(start)} is after the checked week, {weeks.name(day)}"
        raise ConfigError(msg)
    with Project.open(read_only=True) as project:
        tasks = traffic.tasks(project.store)
        if not tasks:
            msg = f"no logged calls in {project.store.url}: route production calls with harness.router first"
            raise StoreError(msg)
        result = signals.read_signals(
            project.store,
            day,
            labels_of(project.config, tasks),
            reference=reference or signals.REFERENCE_WEEKS,
            since=start,
        )
    console().print(_screen(result))
    standings = {signal.status for signal in result.signals}
    early = not result.signals or SignalStatus.TOO_EARLY in standings
    undecided = SignalStatus.CHANGED in standings or bool(result.silent) or (strict and early)
    raise typer.Exit(1 if SignalStatus.WORSE in standings else 4 if undecided else 0)


@app.command()
def power(
    baseline: Annotated[float, typer.Option(min=0.0, max=1.0, help="The accuracy before the drop.")] = 0.94,
    drop_to: Annotated[float, typer.Option("--drop-to", min=0.0, max=1.0, help="The accuracy after the drop.")] = 0.87,
    per_week: Annotated[str, typer.Option("--per-week", help="Labels per week, separated by commas.")] = PER_WEEK,
    baseline_cases: Annotated[
        int, typer.Option("--baseline-cases", min=1, help="Number of cases behind the baseline.")
    ] = 300,
    margin: Annotated[float, typer.Option(min=0.0, max=1.0, help="Allowed loss of accuracy.")] = 0.03,
    cells: Annotated[int, typer.Option(min=1, max=10_000, help="Number of cells under review in the project.")] = 1,
) -> None:
    """Compute how soon a weekly sample of labels detects a drop in the accuracy of one cell.

    More cells under review need stricter tests, so that the project has 0.15 false alarms a year in all.

    Examples:

        harness monitor power --baseline 0.94 --drop-to 0.87 --per-week 100,250
        harness monitor power --cells 12

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.cli._common import console
    from harness.core.errors import ConfigError
    from harness.monitor.review_power import review_power

    sizes = [part.strip() for part in per_week.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= 100_000 for part in sizes):
        msg = f"--per-week {per_week!r}: expected numbers of labels, such as {PER_WEEK}"
        raise ConfigError(msg)
    if drop_to > baseline:
        msg = f"--drop-to {drop_to:g} is above --baseline {baseline:g}: give a lower --drop-to"
        raise ConfigError(msg)
    powers = [
        review_power(baseline, drop_to, int(n), baseline_cases=baseline_cases, margin=margin, cells=cells)
        for n in sizes
    ]
    console().print(_power_screen(powers, baseline_cases, margin))


def _screen(result: WeeklySignals) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from harness.core.formatting import plural, visible
    from harness.monitor import weeks, wording
    from harness.monitor.signals import LOOKS_PER_YEAR, YEARLY_ALPHA, SignalStatus
    from harness.report.terminal_table import TerminalTable

    colours = {SignalStatus.WORSE: "bold red", SignalStatus.CHANGED: "bold yellow", SignalStatus.STEADY: "green"}
    parts: list[RenderableType] = [Text(f"production in {weeks.name(result.week)}", style="bold")]
    if not any(result.calls.values()):
        parts.append(Text("no calls in that week"))
    for task, n in result.calls.items():
        of_task = [signal for signal in result.signals if signal.task == task]
        before = f"{plural(n, 'call')}; earlier weeks: {result.n_before[task]}"
        parts.append(Text.assemble("\n", (visible(task), "bold"), f"  {before}"))
        if not n:
            if task in result.silent:
                parts.append(Text(f"  no calls: {wording.SILENT}", style="bold yellow"))
            continue
        if not of_task or any(signal.status is SignalStatus.TOO_EARLY for signal in of_task):
            parts.append(Text(f"  too early to tell: {wording.too_early_text(result, task)}", style="dim"))
        table = TerminalTable("signal", "", "this week", "before", "p", names=("signal",), left=("",), indent=2)
        for s in of_task:
            badge = Text(s.status.value, style=colours.get(s.status, "dim"))
            name = f"label {s.label}" if s.label else s.name
            table.add(
                name, badge, wording.value_text(s.newest), wording.value_text(s.before), wording.adjusted_p_text(s)
            )
        if of_task:
            parts.append(table)
    parts.append(
        Text(
            f"\np is corrected for all signals together. An alarm is p < {YEARLY_ALPHA}/{LOOKS_PER_YEAR}: "
            f"if nothing changes, {YEARLY_ALPHA:.0%} of years have a false alarm.",
            style="dim",
        )
    )
    return Group(*parts)


def _power_screen(powers: list[ReviewPower], baseline_cases: int, margin: float) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from harness.core.formatting import plural
    from harness.monitor.review_power import CERTAINTY
    from harness.monitor.review_rule import YEARLY_FALSE_ALARMS
    from harness.report.terminal_table import TerminalTable

    first = powers[0]
    drop = f"{first.baseline:.1%} on {plural(baseline_cases, 'case')}, dropped to {first.drop_to:.1%}"
    among = plural(first.cells, "cell")
    head = f"{drop}; allowed loss: {100 * margin:g} points; {among} under review"
    chances = ("detected in week 1", "by week 2", "by week 4", f"weeks to detect, {CERTAINTY:.0%} sure", "on average")
    table = TerminalTable("labels a week", *chances, "OK in a week", names=())
    for r in powers:
        until = "more than 52" if r.weeks is None else str(r.weeks)
        mean = f"{r.mean_weeks:.1f}" if r.mean_weeks < 1000 else "–"
        detected = [f"{r.by_week[week - 1]:.1%}" for week in (1, 2, 4)]
        table.add(f"{r.per_week:,}", *detected, until, mean, f"{r.ok:.1%}")
    note = (
        "Detected means REGRESSED: one week far below the baseline, or two weeks in a row below it. The levels allow "
        f"{YEARLY_FALSE_ALARMS:g} false alarms a year over {among}. The baseline is fixed as measured; each week is a "
        "new sample."
    )
    return Group(Text(head, style="bold"), table, Text(note, style="dim"))
