"""The comparison itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.analysis.compare.changes import Change, changes
from harness.analysis.compare.flips import Flip, answers_changed, flips
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes
from harness.analysis.compare.verdicts import ComparisonQuestion, Verdict
from harness.analysis.stats import (
    Interval,
    Paired,
    Rate,
    clustered_paired,
    clustered_rate,
    holm,
    macro_f1_difference,
    paired_bootstrap,
    settles,
)

FEWEST = 20
"""Fewer cases say too little of how often two runs differ to name a number of cases by it."""

Pairs = Sequence[tuple[CaseOutcome, CaseOutcome]]
Count = Callable[[CaseOutcome], int]


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate on both sides and the difference, head minus base, over the same cases."""

    base: Rate
    head: Rate
    paired: Paired


@dataclass(frozen=True, slots=True)
class Slice:
    """The difference among the cases of one tag or label. `p` is adjusted for the number of slices (Holm)."""

    kind: str
    name: str
    strict: Difference
    p: float


@dataclass(frozen=True, slots=True)
class CaseMismatch:
    """Where the sides are not over the same thing: cases that only one has, or has with another content."""

    only_base: tuple[str, ...] = ()
    only_head: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.only_base or self.only_head or self.edited)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that two runs say beside each other. Rates and flips are over the `n` cases that both answered.

    `capability` and `form` are the two parts of `strict.paired.delta`, head minus base, and add up to it exactly: what
    the model lost or gained, and what its phrasing did. `bounds`: the difference if every failed call had gone as badly
    for the head as it could, and as well. `needed`: how many cases in all would settle what is INCONCLUSIVE.
    """

    base: RunOutcomes
    head: RunOutcomes
    question: ComparisonQuestion
    verdict: Verdict
    reason: str
    n: int
    strict: Difference
    lenient: Difference
    compliance: Difference
    macro_f1: tuple[float, float, Interval] | None
    capability: Paired
    form: Paired
    flips: tuple[Flip, ...]
    answers_changed: int
    slices: tuple[Slice, ...]
    bounds: tuple[Paired, Paired]
    unequal: CaseMismatch
    changed: tuple[Change, ...]
    needed: int | None = None


def compare(base: RunOutcomes, head: RunOutcomes, question: ComparisonQuestion, *, shared: bool = False) -> Comparison:
    """Compare two runs. `shared`: over the cases that both have, where they do not have the same ones."""
    unequal = _unequal(base, head)
    both = [(case, head.cases[i]) for i, case in base.cases.items() if i in head.cases and i not in unequal.edited]
    pairs = [(b, h) for b, h in both if b.asked and h.asked]
    strict = _difference(pairs, lambda case: case.strict)
    found = Comparison(
        base=base,
        head=head,
        question=question,
        verdict=question.answer(strict.paired),
        reason="",
        n=len(pairs),
        strict=strict,
        lenient=_difference(pairs, lambda case: case.lenient),
        compliance=_difference(pairs, lambda case: case.compliant),
        macro_f1=_macro_f1(pairs, base.labels) if base.labels == head.labels else None,
        capability=_paired(pairs, lambda case: case.lenient),
        form=negated(_paired(pairs, lambda case: case.lenient - case.strict)),
        flips=flips(pairs),
        answers_changed=answers_changed(pairs),
        slices=_slices(pairs),
        bounds=_bounds(both),
        unequal=unequal,
        changed=changes(base.fingerprint, head.fingerprint, (base.backend, head.backend)),
    )
    return _judged(found, shared=shared)


def _judged(c: Comparison, *, shared: bool) -> Comparison:
    """The verdict that remains when everything is considered that may stand against it, and why."""
    if stopped := _incomparable(c, shared=shared):
        return replace(c, verdict=Verdict.INCOMPARABLE, reason=stopped)
    worst, best = (c.question.answer(bound) for bound in c.bounds)
    if {worst, best} != {c.verdict}:
        failed = c.base.n_errors + c.head.n_errors
        calls = "1 call" if failed == 1 else f"{failed:,} calls"
        reason = f"{calls} failed: the verdict would be {worst} at worst and {best} at best, so run with --resume"
        return replace(c, verdict=Verdict.INCONCLUSIVE, reason=reason)
    if c.verdict is Verdict.INCONCLUSIVE:
        needed = cases_needed(c.strict.paired, c.question.margin)
        return replace(c, reason=_undecided(c, needed), needed=needed)
    return replace(c, reason=_decided(c))


def _incomparable(c: Comparison, *, shared: bool) -> str:
    if any(change.what == "contract" for change in c.changed):
        kinds = [side.fingerprint.get("contract", "") for side in (c.base, c.head)]
        if kinds[0] != kinds[1]:
            advice = f"{kinds[0]} and {kinds[1]}: of an import, --labels or --contract decides by which it is read"
        else:
            advice = "`harness rescore` reads the older run by today's"
        return f"the replies were read by different contracts: {advice}"
    if c.unequal and not shared:
        u = c.unequal
        parts = [(u.only_base, f"only {c.base.name} has"), (u.only_head, f"only {c.head.name} has")]
        told = [f"{who} {len(ids)} ({_few(ids)})" for ids, who in parts if ids]
        told += [f"{len(u.edited)} are not what they were ({_few(u.edited)})"] if u.edited else []
        return f"the runs are not over the same cases: {', '.join(told)}; --shared compares the {c.n} that both have"
    return "" if c.n else "there is no case that both runs answered"


def _decided(c: Comparison) -> str:
    p, margin = c.strict.paired, points(c.question.margin, signed=False)
    said = f"{points(p.delta)} points ({points(p.low)} to {points(p.high)})"
    return {
        Verdict.MOVE: f"shown to be within {margin} points: {said}",
        Verdict.STAY: f"shown to lose more than {margin} points: {said}",
        Verdict.OK: f"shown to be within {margin} points: {said}",
        Verdict.IMPROVED: f"shown to be better: {said}",
        Verdict.REGRESSED: f"shown to be worse, and not shown to be within {margin} points: {said}",
    }[c.verdict]


def _undecided(c: Comparison, needed: int | None) -> str:
    p, margin = c.strict.paired, points(c.question.margin, signed=False)
    told = (
        f"{points(p.delta)} points ({points(p.low)} to {points(p.high)}) shows neither less nor more than {margin} lost"
    )
    if needed is None:
        return f"{told}; {unsettled(c.n)}"
    return (
        f"{told}; if they went on differing at this rate, one flip that did not show allowed for, about {needed:,} "
        f"cases would settle it ({c.n:,} were compared)"
    )


def unsettled(n: int) -> str:
    """Why no number of cases can be named."""
    if n < FEWEST:
        return "too few cases even to say how many would settle it"
    return "the difference is as large as the margin itself, which no number of cases settles"


def cases_needed(p: Paired, margin: float) -> int | None:
    """How many cases in all would show on which side of `-margin` the difference lies, if it is what was observed.

    One flip more than was seen is allowed for: a few cases may show none. `None` as `unsettled` says.
    """
    if p.n < FEWEST:
        return None
    needed = settles(p.delta, min(1.0, (p.gains + p.losses + 1) / (p.n + 2)), p.n, margin)
    return None if needed is None else max(needed, p.n + 1)


def points(share: float, *, signed: bool = True) -> str:
    """`-1.8`: a difference of shares in percentage points."""
    return f"{round(100 * share, 1) or 0.0:+.1f}" if signed else f"{100 * share:g}"


def _few(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")


def _unequal(base: RunOutcomes, head: RunOutcomes) -> CaseMismatch:
    edited = (i for i, case in base.cases.items() if i in head.cases and case.digest != head.cases[i].digest)
    return CaseMismatch(
        tuple(i for i in base.cases if i not in head.cases),
        tuple(i for i in head.cases if i not in base.cases),
        tuple(edited),
    )


def _difference(pairs: Pairs, count: Count) -> Difference:
    base = clustered_rate([(count(b), b.asked) for b, _ in pairs])
    head = clustered_rate([(count(h), h.asked) for _, h in pairs])
    return Difference(base, head, _paired(pairs, count))


def _paired(pairs: Pairs, count: Count) -> Paired:
    return clustered_paired([(count(b), b.asked) for b, _ in pairs], [(count(h), h.asked) for _, h in pairs])


def negated(p: Paired) -> Paired:
    """The same difference seen from the other side: less lost to phrasing is a gain."""
    return Paired(p.losses, p.gains, p.n, -p.delta, -p.high, -p.low, p.p)


def _macro_f1(pairs: Pairs, labels: tuple[str, ...]) -> tuple[float, float, Interval] | None:
    """Macro-F1 of base and head, and the difference; `None` where the cases do not expect labels."""
    if not labels or not pairs or any(b.expected not in labels for b, _ in pairs):
        return None
    import numpy as np

    number = {label: i for i, label in enumerate(labels)}
    expected = [number[b.expected] for b, _ in pairs]
    base, head = ([number.get(case.said, -1) for case in each] for each in zip(*pairs, strict=True))
    interval = paired_bootstrap(macro_f1_difference(expected, base, head, len(labels)), len(pairs))
    never = [-2] * len(pairs)  # against a run that is never right, the difference is the score itself
    scores = [
        float(macro_f1_difference(expected, never, said, len(labels))(np.ones((1, len(pairs))))[0])
        for said in (base, head)
    ]
    return scores[0], scores[1], interval


def _slices(pairs: Pairs) -> tuple[Slice, ...]:
    """By tag and by expected label, Holm over all of them."""
    named: dict[tuple[str, str], list[tuple[CaseOutcome, CaseOutcome]]] = {}
    for pair in pairs:
        keys = [("tag", tag) for tag in pair[0].tags] + ([("label", pair[0].expected)] if pair[0].expected else [])
        for key in keys:
            named.setdefault(key, []).append(pair)
    found = [(key, _difference(cases, lambda case: case.strict)) for key, cases in sorted(named.items())]
    adjusted = holm([difference.paired.p for _, difference in found])
    return tuple(Slice(*key, difference, p) for (key, difference), p in zip(found, adjusted, strict=True))


def _bounds(both: Pairs) -> tuple[Paired, Paired]:
    """The strict difference if failed calls had gone as badly for the head as they could, and as well."""

    def filled(case: CaseOutcome, *, right: bool) -> tuple[int, int]:
        return case.strict + (case.errors if right else 0), max(1, case.asked + case.errors)

    worst = clustered_paired([filled(b, right=True) for b, _ in both], [filled(h, right=False) for _, h in both])
    best = clustered_paired([filled(b, right=False) for b, _ in both], [filled(h, right=True) for _, h in both])
    return worst, best
