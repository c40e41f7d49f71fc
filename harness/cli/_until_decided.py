"""`harness run EVAL --until-decided`: run, print the verdict and what was saved, and exit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.analysis.compare import Comparison
    from harness.project.run_options import RunOptions
    from harness.runner.pair_plan import PairPlan
    from harness.runner.project import Project
    from harness.runner.until_decided import DecidedRun


def run_until_decided(project: Project, plan: PairPlan, options: RunOptions, outputs: Sequence[Path]) -> NoReturn:
    """Run a plan, and exit with 0 for a good verdict, 1 for STAY or REGRESSED, 4 without a verdict."""
    from harness.analysis.compare.verdicts import UNDECIDED
    from harness.cli._common import print_note
    from harness.cli._outcome import print_outcome
    from harness.cli._progress import show_progress, token_prices
    from harness.report.comparison_text import tone
    from harness.runner import until_decided

    if plan.saved is not None:
        print_note(f"{plan.saved.name}: its saved run {plan.saved.run_id} is used, without new calls")
    with show_progress(token_prices(project.config), quiet=options.quiet or project.config.run.quiet) as progress:
        ended = until_decided.execute(project, plan, options, progress)
    print_outcome(project, ended.outcome, outputs, verdicts=False)
    failures = ended.outcome.failures
    if failures or ended.comparison is None:
        raise typer.Exit(max((failure.exit_code for failure in failures), default=4))
    _print_verdict(ended, ended.comparison)
    bad = 4 if ended.comparison.verdict in UNDECIDED else 1
    raise typer.Exit(0 if tone(ended.comparison.verdict) == "good" else bad)


def check_flags(**given: object) -> None:
    """Raise `ConfigError` for flags that select what `--until-decided` selects itself."""
    from harness.core.errors import ConfigError

    flags = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if flags:
        msg = f"--until-decided selects the cells and the cases itself: leave out {' and '.join(flags)}"
        raise ConfigError(msg)


def _print_verdict(ended: DecidedRun, c: Comparison) -> None:
    from rich.text import Text

    from harness.cli._common import console
    from harness.core.formatting import visible
    from harness.report import comparison_text, verdict_text
    from harness.report.terminal import COLOURS

    colour = COLOURS[comparison_text.tone(c.verdict)]
    screen = console()
    screen.print(Text(visible(f"{c.head.eval}  {comparison_text.title(c)}"), style="bold"))
    screen.print(Text(verdict_text.question(c), style="dim"))
    screen.print(Text.assemble((c.verdict.value, f"bold {colour}"), f"  {visible(verdict_text.reason_text(c))}"))
    screen.print(Text(saved_text(ended, c)))


def saved_text(ended: DecidedRun, c: Comparison) -> str:
    """`decided after 120 of 1,000 cases: 1,760 calls and about $2.31 not made`."""
    from harness.analysis.compare.verdicts import UNDECIDED
    from harness.core.formatting import dollars, plural

    if c.verdict in UNDECIDED and not ended.calls_saved:
        return f"not decided after all {plural(ended.total, 'case')}"
    how = "stopped" if c.verdict in UNDECIDED else "decided"
    usd = f" and about {dollars(ended.usd_saved)}" if ended.usd_saved else ""
    saved = f"{plural(ended.calls_saved, 'call')}{usd} not made"
    return f"{how} after {ended.n_cases:,} of {plural(ended.total, 'case')}: {saved}"
