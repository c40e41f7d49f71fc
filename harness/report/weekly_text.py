"""Words for the weekly run: the check of a cell, and what the rule promises."""

from __future__ import annotations

from collections.abc import Collection
from statistics import median

from harness.analysis.compare.alarms import detection
from harness.analysis.compare.weekly_check import CellCheck, CellWeek, CheckResult, flips, lost_twice
from harness.core.formatting import plural
from harness.report import comparison_text, verdict_text

DROP = 0.07
"""The drop that the promise is about: about that of a model update that users notice."""

ASSUMED_FLIPS = 0.03
"""Share of answers that change between identical runs, if it was not measured."""

MOST_SHOWN = 0.99
"""A chance above this one is not shown as a figure."""

_LISTED = 12


def check_text(week: CellWeek, check: CellCheck) -> str:
    """The comparison with the weeks before, what changed, and the lost cases."""
    c = check.comparison
    against = c.base.name + (f" and {len(week.before) - 1} before" if len(week.before) > 1 else "")
    parts = [verdict_text.verdict_text(c), _second_run(check)]
    if c.changed or check.result is CheckResult.WORSE:
        parts.append(f"changed: {comparison_text.changes_text(c.changed) or 'nothing in the fingerprint'}")
    if week.run.from_store:
        parts.append("every answer is from the store")
    parts.append(_lost(week, check))
    return f"against {against}: {'; '.join(filter(None, parts))}"


def promise(weeks: Collection[CellWeek], comparisons: int) -> str:
    """How often the rule raises a false alarm, and which drop it finds, for this project."""
    changed, n = flips(weeks)
    share, how = (
        (changed / n, f"{changed:,} of {n:,} measured") if n else (ASSUMED_FLIPS, f"{ASSUMED_FLIPS:.0%} assumed")
    )
    size = round(median(len(week.run.cases) for week in weeks)) if weeks else 0
    cells = plural(comparisons, "cell")
    budget = f"{cells}: all comparisons together raise at most about one false alarm a year"
    if not size:
        return budget
    chance = detection(size, comparisons, DROP, share)
    found = f"a lasting drop of {comparison_text.margin_text(DROP)} in {plural(size, 'case')} is found within two weeks"
    likely = "more than 99%" if chance > MOST_SHOWN else f"{chance:.0%}"
    return f"{budget}; {found} with a chance of {likely} (answers that change by themselves: {how})"


def _second_run(check: CellCheck) -> str:
    if check.result is CheckResult.SUSPECTED:
        what = "a second run does not confirm it" if check.is_repeated else "not run a second time"
        return f"among so many cells, one may look like this by chance: {what}"
    return "a second run confirms it" if check.is_repeated else ""


def _lost(week: CellWeek, check: CellCheck) -> str:
    ids, flaky = lost_twice(week, check.comparison)
    if not ids and not flaky:
        return ""
    more = f" and {len(ids) - _LISTED:,} more" if len(ids) > _LISTED else ""
    text = f"{comparison_text.FLIPS['right_to_wrong']}: {', '.join(ids[:_LISTED]) or 'none'}{more}"
    return f"{text}, without {plural(flaky, 'case')} that a second request answered right" if flaky else text
