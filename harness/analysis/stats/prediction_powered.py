"""Rate from a few labels and a judge's verdicts on all cases: prediction-powered inference with power tuning.

PPI++ (Angelopoulos, Duchi & Zrnic 2023, arXiv:2311.01453), stratified as in Fisch et al. 2024 (arXiv:2406.04291). In
each stratum the estimate is

    mean label + λ · (mean verdict of all cases − mean verdict of the labelled cases)

The part in brackets corrects the luck of the sample. A judge that errs, errs in both means, so that the judge cannot
bias the estimate. λ = cov(label, verdict) / var(verdict), limited to 0..1, minimizes the variance; λ = 0 ignores the
judge. The labelled cases are a part of all cases. With n of N cases labelled, the variance is therefore

    var(label − λ · verdict) · (1/n − 1/N) + var(label) / N

Rates near 0 and 1 make the normal interval too narrow. So the variance gives an effective number of labels, and the
interval is Wilson's at that number. Four pseudo-cases in every variance and none in the covariance, as in Agresti &
Coull (1998), keep a sample without disagreement from looking like certainty. bench/accuracy/prediction_powered.py
measures the coverage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.analysis.stats.proportions import Rate, wilson
from harness.analysis.stats.unpaired import Stratum, effective_n, stratified_rate

PSEUDO_CASES = 4
"""Cases of variance 1/4 that are added to each variance."""

DEDUCTION = 0.1
"""Share of `worth` that a test at a small level does not count."""


class JudgedStratum(NamedTuple):
    """One part of a population.

    Attributes:
        pairs: Label and verdict of each labelled case, both in 0..1. The verdict is `None` if the judge gave none.
        size: Number of cases in the stratum.
        judged: Number of cases with a verdict.
        accepted: Sum of the verdicts.

    """

    pairs: Sequence[tuple[float, float | None]]
    size: int
    judged: int
    accepted: float

    @property
    def mean_verdict(self) -> float:
        """Mean verdict; 0 without verdicts, where any constant gives the same estimate."""
        return self.accepted / self.judged if self.judged else 0.0


@dataclass(frozen=True, slots=True)
class PoweredRate:
    """A rate from labels and verdicts.

    Attributes:
        rate: The rate with its interval; `rate.n` counts the labels.
        worth: Effective number of labels: as many labels alone would give this interval.
        alone: Effective number of labels without the verdicts (Kish).
        weight: λ, the weight of the verdicts; 0 if the labels alone decide.

    """

    rate: Rate
    worth: float
    alone: float
    weight: float

    @property
    def tested_n(self) -> float:
        """Effective number of labels for tests at small levels.

        `worth` is an estimate, and its error matters far out in the tail. A tenth less keeps the level.
        """
        return max(self.alone, (1 - DEDUCTION) * self.worth)


def prediction_powered_rate(strata: Sequence[JudgedStratum], confidence: float = 0.95) -> PoweredRate:
    """Estimate the rate of a population from a stratified sample of labels and a judge's verdicts.

    The result is that of `stratified_rate`, from the labels alone, unless the verdicts make the interval narrower. A
    stratum without labels is ignored. An unjudged case counts as the mean verdict of its stratum.

    Raises `ValueError` for counts that are impossible.
    """
    labelled = [Stratum(math.fsum(label for label, _ in s.pairs), len(s.pairs), s.size) for s in strata]
    alone, n = stratified_rate(labelled, confidence), effective_n(labelled)
    without = PoweredRate(alone, n, n, 0.0)
    known = [stratum for stratum in strata if stratum.pairs]
    n_judged = sum(stratum.judged for stratum in known)
    if n_judged <= alone.n:
        return without
    weight, ratio = _tuned(known, n)
    if not weight:
        return without
    total = sum(stratum.size for stratum in known)
    correction = math.fsum(s.size / total * (s.mean_verdict - _mean(_verdicts(s))) for s in known)
    value = min(1.0, max(0.0, alone.value + weight * correction))
    worth = n / ((1 - n / n_judged) * ratio + n / n_judged)
    low, high = wilson(value, worth, confidence)
    if high - low >= alone.high - alone.low:
        return without
    return PoweredRate(Rate(value * alone.n, alone.n, low, high), worth, n, weight)


def _verdicts(stratum: JudgedStratum) -> list[float]:
    mean = stratum.mean_verdict
    return [mean if verdict is None else verdict for _, verdict in stratum.pairs]


def _tuned(strata: Sequence[JudgedStratum], n: float) -> tuple[float, float]:
    """Return λ, and the variance of label − λ·verdict as a share of the variance of the label.

    The variance of the label is that over all strata together, as in `stratified_rate`. It is at least the variance
    within strata, which cannot be measured on strata of two labels. The verdicts reduce it only by what they tell
    within strata: a difference between strata is known without a judge.
    """
    total = sum(stratum.size for stratum in strata)
    label_mean = math.fsum(s.size / total * _mean([label for label, _ in s.pairs]) for s in strata)
    labels, verdicts, products = [], [], []
    for stratum in strata:
        weight = stratum.size / total / len(stratum.pairs)
        given = _verdicts(stratum)
        mean_label, mean_verdict = _mean([label for label, _ in stratum.pairs]), _mean(given)
        for (label, _), verdict in zip(stratum.pairs, given, strict=True):
            labels.append(weight * (label - label_mean) ** 2)
            verdicts.append(weight * (verdict - mean_verdict) ** 2)
            products.append(weight * (label - mean_label) * (verdict - mean_verdict))
    of_label, of_verdict = _smoothed(math.fsum(labels), n), _smoothed(math.fsum(verdicts), n)
    covariance = math.fsum(products) * n / (n + PSEUDO_CASES)
    weight = min(1.0, max(0.0, covariance / of_verdict))
    residual = of_label - 2 * weight * covariance + weight**2 * of_verdict
    return weight, residual / of_label


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _smoothed(variance: float, n: float) -> float:
    return (n * variance + PSEUDO_CASES / 4) / (n + PSEUDO_CASES)
