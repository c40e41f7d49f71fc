"""Decide which cells of a week are worse than the weeks before. alarms.py explains the rule. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from harness.analysis.compare.alarms import family_level, is_changed, merged, repeat_level
from harness.analysis.compare.changes import changes
from harness.analysis.compare.comparison import Comparison
from harness.analysis.compare.pairing import compare
from harness.analysis.compare.sides import RunOutcomes
from harness.analysis.compare.verdicts import SIGNIFICANT, ComparisonQuestion, Verdict

Key = TypeVar("Key")


class CheckResult(StrEnum):
    """WORSE is proven. SUSPECTED: a single comparison would be a proof, but one of so many is none."""

    WORSE = "worse"
    SUSPECTED = "suspected"
    INCOMPARABLE = "incomparable"
    FAILED_CALLS = "failed_calls"
    OPEN = "open"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class CellWeek:
    """One cell of a week.

    Attributes:
        run: This week's run.
        before: The runs of the weeks before with one fingerprint, newest first; empty in the first week.
        question: Of the comparisons; its level is replaced.
        again: A second run, made because the first looks worse.
        noise: A sample of the cases, sent a second time.
        baseline: The outcomes of the baseline; `None` without one.
    """

    run: RunOutcomes
    before: tuple[RunOutcomes, ...]
    question: ComparisonQuestion
    again: RunOutcomes | None = None
    noise: RunOutcomes | None = None
    baseline: RunOutcomes | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the fingerprint differs from the week before in anything that can change replies."""
        return bool(self.before) and is_changed(changes(self.before[0].fingerprint, self.run.fingerprint))

    @property
    def both(self) -> RunOutcomes:
        """The run of this week, merged with the second run if there is one."""
        return merged([self.run, self.again]) if self.again else self.run

    @property
    def repeated(self) -> RunOutcomes | None:
        """The replies that were requested twice: the second run, else the noise sample."""
        return self.again or self.noise

    def against_history(self, own: RunOutcomes, level: float) -> Comparison:
        """Compare `own` with the weeks before, merged."""
        return compare(merged(self.before), own, replace(self.question, level=level))


@dataclass(frozen=True, slots=True)
class CellCheck:
    """The result for a cell, with its comparison with the weeks before. `is_repeated`: a second run agrees or not."""

    result: CheckResult
    comparison: Comparison
    is_repeated: bool = False


def looks_worse(week: CellWeek) -> bool:
    """Whether a single comparison of this week's run shows a loss, so that a second run is worth its requests."""
    against = [merged(week.before)] if week.before else []
    against += [week.baseline] if week.baseline else []
    alone = replace(week.question, level=SIGNIFICANT)
    return any(compare(base, week.run, alone).verdict is Verdict.REGRESSED for base in against)


def check(weeks: Mapping[Key, CellWeek]) -> dict[Key, CellCheck | None]:
    """Check all cells of a week together, because they share one false alarm a year. `None` in a cell's first week."""
    n_changed = sum(week.is_changed for week in weeks.values())
    return {
        key: _check(week, n_changed if week.is_changed else len(weeks)) if week.before else None
        for key, week in weeks.items()
    }


def flips(weeks: Iterable[CellWeek]) -> tuple[int, int]:
    """Count the cases that are right in only one of two identical runs, and the cases that were run twice."""
    changed = n = 0
    for week in weeks:
        if (repeated := week.repeated) is None:
            continue
        pairs = [(case, week.run.cases.get(i)) for i, case in repeated.cases.items() if case.judged]
        answered = [(case, own) for case, own in pairs if own is not None and own.judged]
        n += len(answered)
        changed += sum(case.is_right != own.is_right for case, own in answered)
    return changed, n


def lost_twice(week: CellWeek, comparison: Comparison) -> tuple[list[str], int]:
    """The cases that went from right to wrong, without those that a second request answered right; and their number."""
    lost, leg = list(comparison.lost_cases), comparison.reason.leg
    repeated = week.repeated
    if repeated is None:
        return lost, 0
    flaky = {i for i in lost if i in repeated.cases and repeated.cases[i].is_right_read(leg)}
    return [i for i in lost if i not in flaky], len(flaky)


def _check(week: CellWeek, comparisons: int) -> CellCheck:
    first = week.against_history(week.run, SIGNIFICANT)
    if first.verdict is not Verdict.REGRESSED:
        return CellCheck(_result(first), first)
    family = family_level(comparisons)
    if week.again is None or week.is_changed:
        c = week.against_history(week.both, family)
        proven = c.verdict is Verdict.REGRESSED
        return CellCheck(CheckResult.WORSE if proven else CheckResult.SUSPECTED, c, week.again is not None)
    level = repeat_level(comparisons)
    each = [week.against_history(run, level).verdict for run in (week.run, week.again)]
    if set(each) == {Verdict.REGRESSED}:
        return CellCheck(CheckResult.WORSE, week.against_history(week.both, SIGNIFICANT), is_repeated=True)
    return CellCheck(CheckResult.SUSPECTED, week.against_history(week.both, family), is_repeated=True)


def _result(c: Comparison) -> CheckResult:
    if c.verdict is Verdict.INCOMPARABLE:
        return CheckResult.INCOMPARABLE
    if c.verdict is Verdict.INCONCLUSIVE:
        return CheckResult.FAILED_CALLS if c.base.n_errors + c.head.n_errors else CheckResult.OPEN
    return CheckResult.GOOD
