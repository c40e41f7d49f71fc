"""Estimate whether one prompt serves two backends, from both prompts on both backends.

Three figures, all in strict accuracy and paired case by case:
- transfer: on the candidate, its own prompt minus the reference's;
- cost: on the reference, the candidate's prompt minus its own;
- interaction: transfer minus cost, how much more the candidate's prompt does for the candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from harness.analysis.compare.comparison import Comparison
from harness.analysis.compare.paired_rates import negated
from harness.analysis.compare.pairing import compare
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes
from harness.analysis.compare.verdict_rules import NEAR_ZERO, cases_needed
from harness.analysis.compare.verdicts import DEFAULT_MARGIN, SIGNIFICANT, ComparisonQuestion, Verdict
from harness.analysis.stats import Paired, PairedMean, interaction_mean

Prompts = tuple[RunOutcomes, RunOutcomes]
"""Runs of one backend with the reference's prompt and with the candidate's."""


class PortabilityAdvice(StrEnum):
    """How many prompts to keep."""

    ONE = "one prompt"
    TWO = "two prompts"
    UNKNOWN = "cannot tell"


class PortabilityReason(StrEnum):
    """Why an advice is given. The figures are in `Portability`; report/portability_text.py has the words."""

    REFERENCE_PROMPT_SERVES = "reference_prompt_serves"
    CANDIDATE_PROMPT_SERVES = "candidate_prompt_serves"
    CANDIDATE_PROMPT_GAINS = "candidate_prompt_gains"
    NOT_PROVEN = "not_proven"
    NEAR_ZERO = "near_zero"
    FAILED_CALLS = "failed_calls"
    INCOMPARABLE = "incomparable"


_ADVICE = {
    PortabilityReason.REFERENCE_PROMPT_SERVES: PortabilityAdvice.ONE,
    PortabilityReason.CANDIDATE_PROMPT_SERVES: PortabilityAdvice.ONE,
    PortabilityReason.CANDIDATE_PROMPT_GAINS: PortabilityAdvice.TWO,
    PortabilityReason.NOT_PROVEN: PortabilityAdvice.UNKNOWN,
    PortabilityReason.NEAR_ZERO: PortabilityAdvice.UNKNOWN,
    PortabilityReason.FAILED_CALLS: PortabilityAdvice.UNKNOWN,
    PortabilityReason.INCOMPARABLE: PortabilityAdvice.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Portability:
    """Effect of the two prompts on the two backends. Bases are the reference's prompt, heads the candidate's.

    `transfer`: on the candidate. `cost`: on the reference; `None` if it was not run with both prompts.
    `interaction`: the first minus the second, in -2..2; `None` without a usable `cost`.
    `backends`: names of reference and candidate. `n`: cases that all cells answered. `failed`: failed calls.
    `needed`: cases that would settle NOT_PROVEN.
    """

    transfer: Comparison
    cost: Comparison | None
    interaction: PairedMean | None
    backends: tuple[str, str]
    n: int
    margin: float
    reason: PortabilityReason
    failed: int = 0
    needed: int | None = None

    @property
    def advice(self) -> PortabilityAdvice:
        """Whether one prompt serves both backends."""
        return _ADVICE[self.reason]

    @property
    def variants(self) -> tuple[str, str]:
        """The prompt variants of reference and candidate."""
        return _variant(self.transfer.base), _variant(self.transfer.head)

    @property
    def is_cost_measured(self) -> bool:
        """Whether the reference ran both prompts over the same cases."""
        return _is_sound(self.cost)


def portability(
    candidate: Prompts, reference: Prompts | None, names: tuple[str, str], margin: float = DEFAULT_MARGIN
) -> Portability:
    """Compare both prompts on the candidate and, if it ran both, on the reference.

    `names`: the backends of reference and candidate.
    """
    transfer = compare(*candidate, ComparisonQuestion("change", margin))
    cost = compare(*reference, ComparisonQuestion("change", margin)) if reference else None
    n, interaction = _interaction(candidate, reference if _is_sound(cost) else None)
    reason = _reason(transfer, cost if _is_sound(cost) else None, margin)
    return Portability(
        transfer=transfer,
        cost=cost,
        interaction=None if reason is PortabilityReason.INCOMPARABLE else interaction,
        backends=names,
        n=n,
        margin=margin,
        reason=reason,
        failed=sum(run.n_errors for run in (*candidate, *(reference or ()))),
        needed=_needed(transfer, margin) if reason is PortabilityReason.NOT_PROVEN else None,
    )


def _reason(transfer: Comparison, cost: Comparison | None, margin: float) -> PortabilityReason:
    if not _is_sound(transfer):
        return PortabilityReason.INCOMPARABLE
    costs = [cost.strict.paired, *cost.bounds] if cost else [None]
    shown = _shown(transfer.strict.paired, costs[0], margin)
    # The answers of failed calls are unknown: no possible answer may change the advice.
    possible = {_shown(*pair, margin) for pair in product(transfer.bounds, costs[1:] or costs)}
    if {_ADVICE[reason] for reason in possible} != {_ADVICE[shown]}:
        return PortabilityReason.FAILED_CALLS
    serving = transfer.strict.head if shown is PortabilityReason.CANDIDATE_PROMPT_SERVES else transfer.strict.base
    if _ADVICE[shown] is PortabilityAdvice.ONE and serving.low <= NEAR_ZERO:
        return PortabilityReason.NEAR_ZERO  # two prompts that never work are as good as each other
    return shown


def _is_sound(c: Comparison | None) -> bool:
    return c is not None and c.verdict is not Verdict.INCOMPARABLE


def _shown(transfer: Paired, cost: Paired | None, margin: float) -> PortabilityReason:
    # First the reference's prompt: if it serves, nothing needs to change.
    if transfer.high < margin:
        return PortabilityReason.REFERENCE_PROMPT_SERVES
    if cost is not None and cost.low > -margin and transfer.low > -margin:
        return PortabilityReason.CANDIDATE_PROMPT_SERVES
    gains = transfer.low > 0 and transfer.p < SIGNIFICANT
    return PortabilityReason.CANDIDATE_PROMPT_GAINS if gains else PortabilityReason.NOT_PROVEN


def _interaction(candidate: Prompts, reference: Prompts | None) -> tuple[int, PairedMean | None]:
    """Count the cases that all cells answered, and take the difference of differences over them."""
    runs = (*candidate, *(reference or ()))
    first, *others = [{i: case for i, case in run.cases.items() if case.judged} for run in runs]
    shared = [i for i, case in first.items() if all(i in o and o[i].digest == case.digest for o in others)]
    if reference is None or not shared:
        return len(shared), None
    return len(shared), interaction_mean([_gain(candidate, i) - _gain(reference, i) for i in shared])


def _gain(prompts: Prompts, case_id: str) -> float:
    base, head = (_share(side.cases[case_id]) for side in prompts)
    return head - base


def _share(case: CaseOutcome) -> float:
    return case.strict / case.judged


def _needed(transfer: Comparison, margin: float) -> int | None:
    return cases_needed(negated(transfer.strict.paired), ComparisonQuestion("change", margin))


def _variant(side: RunOutcomes) -> str:
    return side.cell.partition("@")[0]
