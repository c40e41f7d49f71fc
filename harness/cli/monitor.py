"""`sample`, `review`, `monitor`: production, watched every week."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import _review

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.monitor.power import ReviewPower
    from harness.monitor.signals import WeeklySignals

app = typer.Typer()

PER_WEEK = "50,100,250,500"


def add_to(root: typer.Typer) -> None:
    """Register the commands of this file."""
    root.command()(_review.sample)
    root.add_typer(_review.review_app, name="review")
    root.add_typer(app, name="monitor")


@app.callback(invoke_without_command=True)
def monitor(
    context: typer.Context,
    week: Annotated[
        str | None, typer.Option(metavar="2026-W48", help="Which week to look at. [the newest that is over]")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(min=6, max=520, help="Hold it against so many weeks before it. [26]")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="2026-W40", help="No week before this one counts: since then all is different."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 where it is too early to tell.")] = False,  # noqa: FBT002
) -> None:
    """Hold the newest whole week of logged calls against the weeks before it: no labels, no model.

    Watched are compliance, refusals, unknown labels, labels, reply length and fallbacks of every task. If nothing has
    changed, a false alarm comes up in about one year of weekly looks in twenty, or fewer (docs/monitoring.md).

    Examples:

        harness monitor
        harness monitor --week 2026-W47 --reference 8
        harness monitor --since 2026-W45       # without the weeks before a change

    Exit codes: 0 steady or too early to tell, 1 WORSE, 2 usage, 4 CHANGED, no calls of a task that had some, or too
    early with --strict.
    """
    if context.invoked_subcommand is not None:
        return
    from datetime import UTC, date, datetime

    from harness.cli._common import console
    from harness.core.errors import ConfigError, StoreError
    from harness.monitor import signals, weeks
    from harness.monitor.kinds import labels_of
    from harness.monitor.signals import SignalStatus
    from harness.runner.project import Project
    from harness.store import traffic

    whole = weeks.newest_whole(datetime.now(UTC))
    day = weeks.parse(week) if week else whole
    start = weeks.parse(since) if since else date.min
    if day > whole:
        msg = f"--week {weeks.name(day)} is not over: the newest whole week is {weeks.name(whole)}"
        raise ConfigError(msg)
    if start > day:
        msg = f"--since {weeks.name(start)} is after {weeks.name(day)}, the week that is looked at"
        raise ConfigError(msg)
    with Project.open(read_only=True) as project:
        tasks = traffic.tasks(project.store)
        if not tasks:
            msg = f"no calls in {project.store.url}: the router logs what it routes"
            raise StoreError(msg)
        found = signals.watch(
            project.store, day, labels_of(project.config, tasks), reference=reference or signals.REFERENCE, since=start
        )
    console().print(_shown(found))
    standings = {signal.standing for signal in found.signals}
    early = not found.signals or SignalStatus.TOO_EARLY in standings
    open_question = SignalStatus.CHANGED in standings or bool(found.silent) or (strict and early)
    raise typer.Exit(1 if SignalStatus.WORSE in standings else 4 if open_question else 0)


@app.command()
def power(
    baseline: Annotated[float, typer.Option(min=0.0, max=1.0, help="The accuracy there was.")] = 0.94,
    drop_to: Annotated[float, typer.Option("--drop-to", min=0.0, max=1.0, help="The accuracy that it fell to.")] = 0.87,
    per_week: Annotated[str, typer.Option("--per-week", help="Labels a week, as a list.")] = PER_WEEK,
    baseline_cases: Annotated[
        int, typer.Option("--baseline-cases", min=1, help="On how many cases the baseline was measured.")
    ] = 300,
    margin: Annotated[float, typer.Option(min=0.0, max=1.0, help="How much may be lost.")] = 0.03,
) -> None:
    """Say what a weekly sample can see of a drop: computed, not simulated.

    Examples:

        harness monitor power --baseline 0.94 --drop-to 0.87 --per-week 100,250
    """
    from harness.cli._common import console
    from harness.core.errors import ConfigError
    from harness.monitor.power import reach

    sizes = [part.strip() for part in per_week.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= 100_000 for part in sizes):
        msg = f"--per-week {per_week!r}: numbers of labels, such as {PER_WEEK}"
        raise ConfigError(msg)
    if drop_to > baseline:
        msg = f"--drop-to {drop_to:g} is above --baseline {baseline:g}: that is no drop"
        raise ConfigError(msg)
    found = [reach(baseline, drop_to, int(n), baseline_cases=baseline_cases, margin=margin) for n in sizes]
    console().print(_reach(found, baseline_cases, margin))


def _shown(found: WeeklySignals) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from harness.core.formatting import plural, visible
    from harness.monitor import weeks, words
    from harness.monitor.signals import LOOKS, YEARLY, SignalStatus
    from harness.report.terminal_table import TerminalTable

    colours = {SignalStatus.WORSE: "bold red", SignalStatus.CHANGED: "bold yellow", SignalStatus.STEADY: "green"}
    parts: list[RenderableType] = [Text(f"production in {weeks.name(found.week)}", style="bold")]
    if not any(found.calls.values()):
        parts.append(Text("no calls in that week"))
    for task, n in found.calls.items():
        told = [signal for signal in found.signals if signal.task == task]
        before = f"{plural(n, 'call')}; weeks before it: {found.n_before[task]}"
        parts.append(Text.assemble("\n", (visible(task), "bold"), f"  {before}"))
        if not n:
            if task in found.silent:
                parts.append(Text(f"  no calls: {words.SILENT}", style="bold yellow"))
            continue
        if not told or any(signal.standing is SignalStatus.TOO_EARLY for signal in told):
            parts.append(Text(f"  too early to tell: {words.too_early(found, task)}", style="dim"))
        table = TerminalTable("signal", "", "this week", "before", "p", names=("signal",), left=("",))
        for s in told:
            badge = Text(s.standing.value, style=colours.get(s.standing, "dim"))
            name = f"label {s.label}" if s.label else s.name
            table.add(name, badge, words.value(s.newest), words.value(s.before), words.adjusted(s))
        if told:
            parts.append(Padding(table, (0, 0, 0, 2)))
    parts.append(
        Text(
            f"\np is for all of them together. An alarm is p < {YEARLY}/{LOOKS}: "
            f"if nothing changes, {YEARLY:.0%} of years have a false one.",
            style="dim",
        )
    )
    return Group(*parts)


def _reach(found: list[ReviewPower], baseline_cases: int, margin: float) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from harness.core.formatting import plural
    from harness.monitor.power import SURE
    from harness.report.terminal_table import TerminalTable

    first = found[0]
    fell = f"{first.baseline:.1%} on {plural(baseline_cases, 'case')}, fallen to {first.drop_to:.1%}"
    head = f"{fell}; {100 * margin:g} points may be lost"
    chances = ("seen in week 1", "by week 2", "by week 4", f"weeks until seen, {SURE:.0%} sure", "on average")
    table = TerminalTable("labels a week", *chances, "OK in a week", names=())
    for r in found:
        until = "more than 52" if r.weeks is None else str(r.weeks)
        mean = f"{r.mean_weeks:.1f}" if r.mean_weeks < 1000 else "–"
        seen = [f"{r.by_week[week - 1]:.1%}" for week in (1, 2, 4)]
        table.add(f"{r.per_week:,}", *seen, until, mean, f"{r.ok:.1%}")
    note = (
        "Seen is REGRESSED: a week far below the baseline, or two weeks below it in a row. The baseline is taken as it "
        "was measured, every week as a new sample."
    )
    return Group(Text(head, style="bold"), table, Text(note, style="dim"))
