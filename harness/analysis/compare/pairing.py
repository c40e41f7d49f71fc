"""Compare two runs case by case."""

from __future__ import annotations

from dataclasses import replace

from harness.analysis.compare.changes import changes
from harness.analysis.compare.comparison import CaseMismatch, Comparison, VerdictReason
from harness.analysis.compare.flips import answers_changed, flips
from harness.analysis.compare.paired_rates import Pairs, count_of, difference_of, negated, paired_of
from harness.analysis.compare.sides import NO_ANSWER, CaseOutcome, RunOutcomes
from harness.analysis.compare.slices import slice_losses, slices_of
from harness.analysis.compare.traffic_mix import cost_difference, weighted
from harness.analysis.compare.verdict_rules import bounds_of, incomparable, judged
from harness.analysis.compare.verdicts import ComparisonQuestion, ReasonCode, Verdict
from harness.analysis.stats import Interval, macro_f1_difference, paired_bootstrap


def compare(base: RunOutcomes, head: RunOutcomes, question: ComparisonQuestion, *, shared: bool = False) -> Comparison:
    """Compare two runs. `shared`: if their cases differ, compare the cases that both have.

    A run that stopped when a verdict was proven is a random sample of the cases. So the cases of both are compared,
    with intervals that hold at every number of cases.
    """
    if base.until_decided or head.until_decided:
        question, shared = replace(question, anytime=True), True
    unequal = _unequal(base, head)
    both: Pairs = [
        (case, head.cases[i]) for i, case in base.cases.items() if i in head.cases and i not in unequal.edited
    ]
    mix = None if question.anytime else question.mix
    alike = [(b, h) for b, h in both if b.judged and h.judged]
    both, pairs = weighted(both, mix), weighted(alike, mix)
    confidence, anytime = question.confidence, question.anytime
    answered = [(b, h) for b, h in pairs if _answers(b) and _answers(h)]
    comparison = Comparison(
        base=base,
        head=head,
        question=question,
        verdict=Verdict.INCOMPARABLE,
        reason=VerdictReason(ReasonCode.NO_SHARED_CASE),
        n=len(pairs),
        strict=difference_of(pairs, count_of("strict"), confidence, anytime=anytime),
        lenient=difference_of(pairs, count_of("lenient"), confidence, anytime=anytime),
        compliance=difference_of(pairs, lambda case: case.compliant, confidence, anytime=anytime),
        macro_f1=_macro_f1(pairs, base.labels) if base.labels == head.labels else None,
        capability_gap=paired_of(pairs, count_of("lenient"), confidence, anytime=anytime),
        format_gap=negated(paired_of(pairs, lambda case: case.lenient - case.strict, confidence, anytime=anytime)),
        answering=difference_of(pairs, _answers, confidence, anytime=anytime),
        right_if_answered=paired_of(answered, count_of("lenient"), confidence, anytime=anytime),
        flips=flips(pairs, question.legs[0]),
        answers_changed=answers_changed(pairs),
        slices=slices_of(alike, confidence, anytime=anytime),
        slice_losses=slice_losses(alike, question),
        bounds=bounds_of(both, question.legs[0], question),
        unequal=unequal,
        changed=changes(base.fingerprint, head.fingerprint, (base.backend, head.backend)),
        labelled_by=_labelled_by(base, head),
        cost=cost_difference(pairs, question.costs, question.legs[0], confidence) if question.costs else None,
    )
    code = incomparable(comparison, shared=shared)
    return replace(comparison, reason=VerdictReason(code)) if code else judged(comparison, both)


def _unequal(base: RunOutcomes, head: RunOutcomes) -> CaseMismatch:
    edited = (i for i, case in base.cases.items() if i in head.cases and case.digest != head.cases[i].digest)
    return CaseMismatch(
        tuple(i for i in base.cases if i not in head.cases),
        tuple(i for i in head.cases if i not in base.cases),
        tuple(edited),
    )


def _answers(case: CaseOutcome) -> int:
    """Count the replies with an answer, which for repeats is known of the most frequent answer only."""
    return case.judged if case.answer != NO_ANSWER or case.lenient else 0


def _labelled_by(base: RunOutcomes, head: RunOutcomes) -> tuple[tuple[str, int], ...]:
    """The backends of a comparison whose model made expected answers. A name such as gpt-4o matches its snapshots."""
    sources = head.label_sources or base.label_sources
    found: dict[str, int] = {}
    for source, n in sources.items():
        for side in (base, head):
            names = {side.backend, side.fingerprint.get("model", ""), side.fingerprint.get("served_model", "")}
            if source and any(name == source or name.startswith(f"{source}-") for name in names):
                found[side.backend] = n
                break
    return tuple(found.items())


def _macro_f1(pairs: Pairs, labels: tuple[str, ...]) -> tuple[float, float, Interval] | None:
    """Macro-F1 of base and head, and the difference; `None` if the cases do not expect labels."""
    if not labels or not pairs or any(b.expected not in labels for b, _ in pairs):
        return None
    import numpy as np

    number = {label: i for i, label in enumerate(labels)}
    expected = [number[b.expected] for b, _ in pairs]
    base, head = ([number.get(case.predicted, -1) for case in each] for each in zip(*pairs, strict=True))
    interval = paired_bootstrap(macro_f1_difference(expected, base, head, len(labels)), len(pairs))
    never = [-2] * len(pairs)  # against a run that is never right, the difference is the score itself
    scores = [
        float(macro_f1_difference(expected, never, predicted, len(labels))(np.ones((1, len(pairs))))[0])
        for predicted in (base, head)
    ]
    return scores[0], scores[1], interval
