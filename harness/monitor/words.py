"""Signals and reviews in words; the same on a terminal, in the weekly summary and on GitHub."""

from __future__ import annotations

import math

from harness.analysis.compare import Verdict
from harness.analysis.stats import Rate
from harness.core.formatting import NOTHING, number, plural
from harness.monitor import weeks
from harness.monitor.signals import FEWEST as FEWEST_WEEKS
from harness.monitor.signals import Signal, SignalStatus, WeeklySignals
from harness.monitor.verdicts import FEWEST, Agreement, CellReview, Review
from harness.report.comparison_text import p_equals, p_text, points
from harness.report.rate_text import rate_text

SILENT = "is the router's log still written?"
"""Asked where calls have ceased."""


def signal(s: Signal) -> str:
    """`compliance 98.2% (98–99), before it 99.0% (99–99)`; of labels, the one that is likeliest to have changed."""
    name = f"label {s.label!r}" if s.label else s.name
    return f"{name} {value(s.newest)}, before it {value(s.before)}"


def value(of: Rate | float) -> str:
    """A rate with its interval, or a length in characters."""
    return rate_text(of) if isinstance(of, Rate) else f"{number(of)} characters"


def adjusted(s: Signal) -> str:
    """Its p, corrected for all that is looked at in one week."""
    return NOTHING if s.standing is SignalStatus.TOO_EARLY else p_text(s.adjusted)


def too_early(watch: WeeklySignals, task: str) -> str:
    """Why a task is not watched yet."""
    there = plural(watch.n_before[task], "whole week")
    return f"{there} before {weeks.name(watch.week)}, and how much weeks vary is known from {FEWEST_WEEKS} on"


def cell(c: CellReview) -> str:
    """What one cell came to, in one sentence."""
    strict = f"strict accuracy {rate_text(c.strict)} of {plural(c.strict.n, 'labelled reply', 'labelled replies')}"
    if c.verdict is None:
        return f"{strict}: fewer than {FEWEST}, not judged"
    if c.base is None or c.change is None:
        how = (
            "`harness baseline save` keeps what it should be" if c.may_have_baseline else "the next review has this one"
        )
        return f"{strict}; there is nothing to hold it against: {how}"
    interval = f"{points(c.change.low)} to {points(c.change.high)}"
    against = f"{c.base.words}, {rate_text(c.base.strict)} of {plural(c.base.strict.n, 'case')}"
    change = f"{points(c.change.delta)} points ({interval}), {p_equals(c.change.p)}"
    return f"{strict} against {against}: {change}; {_allowed(c)}"


def rest(c: CellReview) -> str:
    """The lenient rate, and what was not labelled."""
    told = [f"lenient {rate_text(c.lenient)}", f"stands for {plural(c.size, 'call')}"]
    if c.n_unclear:
        told.append(f"{c.n_unclear:,} could not be told")
    if c.n_open:
        told.append(f"{c.n_open:,} not labelled")
    return "; ".join(told)


def agreement(a: Agreement) -> str:
    """`anna and ben agree on 94 of 100, Cohen's kappa 0.91 (0.84 to 0.98); they differ on items 3, 17`."""
    known = not math.isnan(a.kappa.value)
    kappa = (
        f"{a.kappa.value:.2f} ({a.kappa.low:.2f} to {a.kappa.high:.2f})"
        if known
        else "not defined: one label throughout"
    )
    items = ", ".join(map(str, a.apart[:12])) + (" …" if len(a.apart) > 12 else "")
    differ = f"; they differ on {'item' if len(a.apart) == 1 else 'items'} {items}" if a.apart else ""
    return f"{' and '.join(a.reviewers)} agree on {a.agreed:,} of {a.n:,}, Cohen's kappa {kappa}{differ}"


def verdict(review: Review) -> Verdict:
    """Of the whole sheet: the worst of its cells; INCONCLUSIVE where none is judged."""
    there = {c.verdict for c in review.cells}
    order = (Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.OK, Verdict.IMPROVED)
    return next((one for one in order if one in there), Verdict.INCONCLUSIVE)


def _allowed(c: CellReview) -> str:
    margin = f"{100 * c.margin:g} points may be lost"
    if c.verdict is Verdict.REGRESSED and c.lower_before:
        return f"{margin}; the review before it was lower, too"
    if c.verdict is Verdict.INCONCLUSIVE and c.lower:
        return f"{margin}; lower, but of a year of reviews one or two look so by chance: REGRESSED if the next is, too"
    if c.verdict is Verdict.INCONCLUSIVE:
        return f"{margin}, and too few labels to tell"
    return margin
