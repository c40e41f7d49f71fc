"""Signals and reviews as text, for the terminal, the weekly summary and GitHub."""

from __future__ import annotations

import math

from harness.analysis.compare import Verdict
from harness.analysis.stats import Rate
from harness.core.formatting import NOTHING, number, plural
from harness.monitor import weeks
from harness.monitor.review import Agreement, CellReview
from harness.monitor.review_counts import MIN_LABELS
from harness.monitor.review_rule import far_level, is_below, lower_per_year, twice_level
from harness.monitor.signals import MIN_WEEKS, Signal, SignalStatus, WeeklySignals
from harness.report.comparison_text import p_equals, p_text, points
from harness.report.rate_text import rate_text

SILENT = "check whether the router still writes its log"
"""Shown for a task whose calls have stopped."""


def signal_text(s: Signal) -> str:
    """Return `compliance 98.2% (98–99), before 99.0% (99–99)`; for labels, the label with the smallest p."""
    name = f"label {s.label!r}" if s.label else s.name
    return f"{name} {value_text(s.newest)}, before {value_text(s.before)}"


def value_text(value: Rate | float) -> str:
    """Return a rate with its interval, or a length in characters."""
    return rate_text(value) if isinstance(value, Rate) else f"{number(value)} characters"


def adjusted_p_text(s: Signal) -> str:
    """Return p, corrected for all signals of the week."""
    return NOTHING if s.status is SignalStatus.TOO_EARLY else p_text(s.adjusted)


def too_early_text(weekly: WeeklySignals, task: str) -> str:
    """Return why a task has no verdict yet."""
    whole_weeks = plural(weekly.n_before[task], "whole week")
    return f"{whole_weeks} of calls before {weeks.name(weekly.week)}, at least {MIN_WEEKS} needed"


def cell_text(c: CellReview) -> str:
    """Return the result of one cell on one line."""
    strict = f"strict accuracy {rate_text(c.strict)}{_source_text(c)}"
    if c.verdict is None:
        return f"{strict}: no verdict, at least {MIN_LABELS} labels needed"
    if c.base is None or c.change is None:
        if c.may_have_baseline:
            return f"{strict}; no baseline to compare with: save one with `harness baseline save`"
        return f"{strict}; no earlier review to compare with: the next review is compared with this one"
    interval = f"{points(c.change.low)} to {points(c.change.high)}"
    against = f"{c.base.source}, {rate_text(c.base.strict)} of {plural(c.base.strict.n, 'case')}"
    change = f"{points(c.change.delta)} points ({interval}), {p_equals(c.change.p)}"
    comma = "," if c.judged and c.judged.strict.weight else ""
    return f"{strict}{comma} against {against}: {change}; {_margin_text(c)}"


def counts_text(c: CellReview) -> str:
    """Return the lenient rate, the calls that the sample represents, the judge, and the replies without a label."""
    parts = [f"lenient {rate_text(c.lenient)}", f"represents {plural(c.size, 'call')}"]
    if c.judged and c.judged.n_both:
        agreed = f"{c.judged.agreed:,.4g} of {plural(c.judged.n_both, 'label')}"
        parts.append(f"judge {c.judged.judge} agrees with {agreed}")
    if c.n_unclear:
        parts.append(f"{c.n_unclear:,} unclear")
    if c.n_unlabelled:
        parts.append(f"{c.n_unlabelled:,} not labelled")
    return "; ".join(parts)


def agreement_text(a: Agreement) -> str:
    """Return `anna and ben agree on 94 of 100, Cohen's kappa 0.91 (0.84 to 0.98); they differ on items 3, 17`."""
    known = not math.isnan(a.kappa.value)
    kappa = (
        f"{a.kappa.value:.2f} ({a.kappa.low:.2f} to {a.kappa.high:.2f})"
        if known
        else "undefined, because there is only one label"
    )
    items = ", ".join(map(str, a.differing_items[:12])) + (" …" if len(a.differing_items) > 12 else "")
    differ = (
        f"; they differ on {'item' if len(a.differing_items) == 1 else 'items'} {items}" if a.differing_items else ""
    )
    return f"{' and '.join(a.reviewers)} agree on {a.agreed:,} of {a.n:,}, Cohen's kappa {kappa}{differ}"


def _source_text(c: CellReview) -> str:
    """Return what the accuracy is measured on."""
    labelled = f" of {plural(c.strict.n, 'labelled reply', 'labelled replies')}"
    if c.judged is None:
        return labelled
    if not c.judged.strict.weight:
        return f"{labelled} (the judge adds nothing)"
    verdicts = f"the judge's verdict on {plural(c.judged.n, 'reply', 'replies')}"
    return f", {plural(c.strict.n, 'label')} and {verdicts}, worth {plural(round(c.judged.strict.worth), 'label')}"


def _margin_text(c: CellReview) -> str:
    margin = f"allowed loss {100 * c.margin:g} points"
    if c.change is None or not is_below(c.change, c.margin):
        return f"{margin}; too few labels for a verdict" if c.verdict is Verdict.INCONCLUSIVE else margin
    among = f"{plural(c.cells, 'cell')} under review"
    if c.verdict is Verdict.REGRESSED and c.change.lower_p < far_level(c.cells):
        return f"{margin}; far below for {among}: one-sided p {c.change.lower_p:.2g} < {far_level(c.cells):.2g}"
    if c.verdict is Verdict.REGRESSED:
        return f"{margin}; the previous review was lower too"
    if c.lower:
        chance = f"{lower_per_year(c.cells, c.change.base_share):.1f} times a year with {among}"
        return f"{margin}; lower, as happens by chance about {chance}: REGRESSED if the next review is lower too"
    needed = f"{twice_level(c.cells, c.change.base_share):.2g} in two reviews or {far_level(c.cells):.2g} in one"
    return f"{margin}; below, but not proven for {among}: one-sided p {c.change.lower_p:.2g}, needed {needed}"
