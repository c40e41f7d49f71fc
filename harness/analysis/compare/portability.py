"""Variant by backend as one estimate: does the reference's prompt travel, and would the candidate's serve both? Pure.

Three figures, all in strict accuracy and all paired case by case. The transfer gap: on the candidate, its own prompt
minus the reference's. The cost: on the reference, the candidate's prompt minus its own. The interaction: the first
minus the second, how much more the candidate's prompt does for the candidate than for the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from harness.analysis.compare.comparison import Comparison, cases_needed, compare, negated, points, unsettled
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes
from harness.analysis.compare.verdicts import DEFAULT_MARGIN, SIGNIFICANT, ComparisonQuestion, Verdict
from harness.analysis.stats import Paired, PairedMean, paired_mean

Prompts = tuple[RunOutcomes, RunOutcomes]
"""One backend with the reference's prompt, and with the candidate's."""


class PortabilityAdvice(StrEnum):
    """What follows for the prompts."""

    ONE = "one prompt"
    TWO = "two prompts"
    UNKNOWN = "cannot tell"


class _GapStatus(StrEnum):
    REFERENCES_SERVES = "the reference's prompt is within the margin on the candidate, too"
    CANDIDATES_SERVES = "the candidate's prompt is within the margin on the reference, too"
    GAINS = "the candidate's prompt gains on the candidate, and is not shown to serve the reference"
    NOTHING = "nothing is shown"


_ADVICE = {
    _GapStatus.REFERENCES_SERVES: PortabilityAdvice.ONE,
    _GapStatus.CANDIDATES_SERVES: PortabilityAdvice.ONE,
    _GapStatus.GAINS: PortabilityAdvice.TWO,
    _GapStatus.NOTHING: PortabilityAdvice.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Portability:
    """What the two prompts do on the two backends. `cost` and `interaction` are `None` where that was not measured.

    Bases are the reference's prompt, heads the candidate's. `n`: the cases that all cells answered. `needed`: how many
    would tell whether the reference's prompt serves both, where that cannot be told.
    """

    transfer: Comparison
    cost: Comparison | None
    interaction: PairedMean | None
    n: int
    margin: float
    advice: PortabilityAdvice
    sentence: str
    needed: int | None = None

    @property
    def variants(self) -> tuple[str, str]:
        """The reference's and the candidate's."""
        return _variant(self.transfer.base), _variant(self.transfer.head)


def portability(
    candidate: Prompts, reference: Prompts | None, names: tuple[str, str], margin: float = DEFAULT_MARGIN
) -> Portability:
    """Compare both prompts on the candidate and, where it was asked with both, on the reference.

    `names`: of the reference's backend and of the candidate's.
    """
    transfer = compare(*candidate, ComparisonQuestion("change", margin))
    cost = compare(*reference, ComparisonQuestion("change", margin)) if reference else None
    words = _PortabilityWording(transfer, cost, names, margin)
    n, interaction = _interaction(candidate, reference if _is_sound(cost) else None)
    if not _is_sound(transfer):
        sentence = f"Cannot tell whether one prompt serves both: {transfer.reason}."
        return Portability(transfer, cost, None, n, margin, PortabilityAdvice.UNKNOWN, sentence)
    costs = [cost.strict.paired, *cost.bounds] if cost and _is_sound(cost) else [None]
    found = _find(transfer.strict.paired, costs[0], margin)
    # Failed calls: what they might have said must not change the advice.
    possible = {_find(*pair, margin) for pair in product(transfer.bounds, costs[1:] or costs)}
    if {_ADVICE[one] for one in possible} != {_ADVICE[found]}:
        failed = sum(side.n_errors for side in (*candidate, *(reference or ())))
        sentence = f"Cannot tell whether one prompt serves both: {failed} calls failed, so run with --resume."
        return Portability(transfer, cost, interaction, n, margin, PortabilityAdvice.UNKNOWN, sentence)
    needed = _needed(transfer, margin) if found is _GapStatus.NOTHING else None
    return Portability(transfer, cost, interaction, n, margin, _ADVICE[found], words.say(found, needed), needed)


def _is_sound(c: Comparison | None) -> bool:
    return c is not None and c.verdict is not Verdict.INCOMPARABLE


def _find(transfer: Paired, cost: Paired | None, margin: float) -> _GapStatus:
    """What the intervals show. Where the reference's prompt will do, nothing need be changed: it goes first."""
    if transfer.high < margin:
        return _GapStatus.REFERENCES_SERVES
    if cost is not None and cost.low > -margin and transfer.low > -margin:
        return _GapStatus.CANDIDATES_SERVES
    return _GapStatus.GAINS if transfer.low > 0 and transfer.p < SIGNIFICANT else _GapStatus.NOTHING


def _interaction(candidate: Prompts, reference: Prompts | None) -> tuple[int, PairedMean | None]:
    """The number of cases that all cells answered, and the difference of differences over them, in −2..2."""
    sides = (*candidate, *(reference or ()))
    first, *others = [{i: case for i, case in one.cases.items() if case.asked} for one in sides]
    shared = [i for i, case in first.items() if all(i in o and o[i].digest == case.digest for o in others)]
    if reference is None or not shared:
        return len(shared), None
    return len(shared), paired_mean([_gain(candidate, i) - _gain(reference, i) for i in shared], bounds=(-2.0, 2.0))


def _gain(prompts: Prompts, case_id: str) -> float:
    base, head = (_share(side.cases[case_id]) for side in prompts)
    return head - base


def _share(case: CaseOutcome) -> float:
    return case.strict / case.asked


def _needed(transfer: Comparison, margin: float) -> int | None:
    """Cases that would show whether the reference's prompt is within the margin of the candidate's own."""
    return cases_needed(negated(transfer.strict.paired), margin)


def _variant(side: RunOutcomes) -> str:
    return side.cell.partition("@")[0]


@dataclass(frozen=True, slots=True)
class _PortabilityWording:
    transfer: Comparison
    cost: Comparison | None
    names: tuple[str, str]
    margin: float

    def say(self, found: _GapStatus, needed: int | None) -> str:
        """The finding as one sentence, and what could not be looked at."""
        theirs, ours = _variant(self.transfer.base), _variant(self.transfer.head)
        reference, candidate = self.names
        p, margin = self.transfer.strict.paired, points(self.margin, signed=False)
        right = f"right there: {theirs} {_percent(self.transfer.strict.base.value)}, {ours} "
        right += _percent(self.transfer.strict.head.value)
        told = {
            _GapStatus.REFERENCES_SERVES: (
                f"One prompt serves both: on {candidate} the {theirs} one is "
                + (f"better than the {ours} one" if p.high < 0 else f"within {margin} points of the {ours} one")
                + f" ({ours} − {theirs} {_signed(p)}; {right})"
            ),
            _GapStatus.CANDIDATES_SERVES: (
                f"One prompt serves both: the {ours} one {_gains(p)} on {candidate} ({right}){self._on_reference()}"
            ),
            _GapStatus.GAINS: (
                f"Keep two prompts: the {ours} one {_gains(p)} on {candidate} ({right}){self._on_reference()}"
            ),
            _GapStatus.NOTHING: (
                f"Cannot tell from {self.transfer.n:,} cases whether one prompt serves both: on {candidate} "
                f"{ours} − {theirs} is {_signed(p)} against a margin of {margin} points, "
                f"{_settled(needed, p.n)} ({right})"
            ),
        }[found]
        return f"{told}.{self._not_asked(found, ours, reference)}"

    def _on_reference(self) -> str:
        """What the candidate's prompt does on the reference, as the end of a sentence."""
        if self.cost is None or not _is_sound(self.cost):
            return ""
        p, margin = self.cost.strict.paired, points(self.margin, signed=False)
        reference, theirs = self.names[0], _variant(self.cost.base)
        if p.low > -self.margin:
            return f", and stays within {margin} points of the {theirs} one on {reference} ({_signed(p)})"
        if p.high < 0:
            return f", and costs {_unsigned(-p.delta, -p.high, -p.low)} on {reference}"
        return f", and is not shown to be within {margin} points of the {theirs} one on {reference} ({_signed(p)})"

    def _not_asked(self, found: _GapStatus, ours: str, reference: str) -> str:
        if _is_sound(self.cost):
            return ""
        why = f" ({self.cost.reason})" if self.cost else ""
        if found is _GapStatus.NOTHING:
            return f" {reference} was not asked with both{why}."
        unknown = "whether it would serve there, too,"
        if found is _GapStatus.REFERENCES_SERVES:
            unknown = f"what the {ours} one would cost there"
        return f" {reference} was not asked with both{why}, so {unknown} is not known."


def _gains(p: Paired) -> str:
    if p.low > 0:
        return f"gains {_unsigned(p.delta, p.low, p.high)}"
    return f"is no worse than the other by more than that (difference {_signed(p)})"


def _settled(needed: int | None, n: int) -> str:
    return unsettled(n) if needed is None else f"and about {needed:,} cases would settle it"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _signed(p: Paired) -> str:
    """`+0.4, interval -1.0 to +1.9`, in points; within brackets or a sentence."""
    return f"{points(p.delta)}, interval {points(p.low)} to {points(p.high)}"


def _unsigned(value: float, low: float, high: float) -> str:
    """`31.0 points (24.1 to 38.0)`."""
    return f"{100 * value:.1f} points ({100 * low:.1f} to {100 * high:.1f})"
