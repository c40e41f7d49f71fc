"""Moderation metrics: missed and false flags, by category and for harmful content overall.

The inputs are `Score.fields` (correct, missed and false flags by category) and the category scores of a reading.
With repeats, each case counts once, by the share of its answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.analysis.stats import Rate, clustered_rate, rate
from harness.core.types import Case, FieldCounts, Result

LOOK_ALIKE = "look_alike"
"""Tag of benign cases with words that look harmful."""

Answers = Sequence[Mapping[str, FieldCounts]]
"""Answers of one case, one per repeat: category -> counts."""


@dataclass(frozen=True, slots=True)
class Flagging:
    """Detection quality of one category, or of harmful content overall.

    `precision` is the share of flagged comments that belong to the category. `recall` is the share of comments in the
    category that are flagged.
    """

    precision: Rate
    recall: Rate

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0..1; 0 if undefined."""
        if not (self.precision.hits and self.recall.hits):
            return 0.0
        return 2 / (1 / self.precision.value + 1 / self.recall.value)


@dataclass(frozen=True, slots=True)
class WrongFlag:
    """Look-alike case that was flagged, and the flagged categories."""

    case: Case
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModerationMetrics:
    """Metrics of a run, for the strict or the lenient answers. An unusable reply flags nothing.

    Attributes:
        harmful: All categories combined.
        missed: Share of harmful comments without any flag.
        false_alarms: Share of benign comments that are flagged.
        look_alikes: Share of benign comments with harmful-looking words that are flagged.
    """

    categories: Mapping[str, Flagging]
    harmful: Flagging
    missed: Rate
    false_alarms: Rate
    look_alikes: Rate
    flagged_wrongly: tuple[WrongFlag, ...]


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Average precision of the scores, 0..1. `None` if a category has no positive or no negative comment.

    Computed over the `scored` of `n` cases, whose replies are readable. `harmful` ranks by the highest score.
    """

    categories: Mapping[str, float | None]
    harmful: float | None
    scored: int
    n: int


def moderate(results: Sequence[Result], *, lenient: bool = False) -> ModerationMetrics | None:
    """Return the metrics of the answered results, or `None` if there are none."""
    cases, answers = _by_case(results, lenient=lenient)
    if not cases:
        return None
    names = dict.fromkeys(name for given in answers.values() for name in given[0])
    harmful = {key: [{"": _any(counts)} for counts in given] for key, given in answers.items()}
    benign = [key for key, given in harmful.items() if not _is_in(given, "")]
    alike = [key for key in benign if LOOK_ALIKE in cases[key].tags]
    combined = _flagging(harmful.values(), "")
    missed = [(sum(c[""].missed for c in given), len(given)) for given in harmful.values() if _is_in(given, "")]
    return ModerationMetrics(
        categories={name: _flagging(answers.values(), name) for name in names},
        harmful=combined,
        missed=clustered_rate(missed),
        false_alarms=_flagged(harmful[key] for key in benign),
        look_alikes=_flagged(harmful[key] for key in alike),
        flagged_wrongly=tuple(
            WrongFlag(cases[key], tuple(name for name in names if any(c[name].invented for c in answers[key])))
            for key in alike
            if any(counts[""].invented for counts in harmful[key])
        ),
    )


def average_precision(results: Sequence[Result]) -> AveragePrecision | None:
    """Return scikit-learn's average precision of the lenient answers; `None` if no answer has scores."""
    cases, _ = _by_case(results)
    given: dict[str, list[Mapping[str, float]]] = {}
    for r in results:
        if r.case.id in cases and r.reading is not None and isinstance(r.reading.lenient, Mapping):
            given.setdefault(r.case.id, []).append(r.reading.lenient)
    if not given:
        return None
    names = list(next(iter(given.values()))[0])
    scores = {name: [fmean(repeat[name] for repeat in repeats) for repeats in given.values()] for name in names}
    gold = {name: [name in _expected(cases[key]) for key in given] for name in names}
    return AveragePrecision(
        categories={name: _ap(gold[name], scores[name]) for name in names},
        harmful=_ap(
            [any(column) for column in zip(*gold.values(), strict=True)],
            [max(column) for column in zip(*scores.values(), strict=True)],
        ),
        scored=len(given),
        n=len(cases),
    )


def _by_case(results: Iterable[Result], *, lenient: bool = False) -> tuple[dict[str, Case], dict[str, Answers]]:
    """Answered cases and their answers, by case id."""
    cases: dict[str, Case] = {}
    answers: dict[str, list[Mapping[str, FieldCounts]]] = {}
    for r in results:
        if r.score is not None and r.score.fields:
            cases[r.case.id] = r.case
            counts = {name: pair[lenient] for name, pair in r.score.fields.items()}
            answers.setdefault(r.case.id, []).append(counts)
    return cases, dict(answers)


def _any(counts: Mapping[str, FieldCounts]) -> FieldCounts:
    """Combine all categories to harmful or not, flagged or not."""
    harmful = any(c.right or c.missed for c in counts.values())
    flagged = any(c.right or c.invented for c in counts.values())
    return FieldCounts(
        right=int(harmful and flagged), missed=int(harmful and not flagged), invented=int(flagged and not harmful)
    )


def _is_in(given: Answers, name: str) -> bool:
    return any(counts[name].right or counts[name].missed for counts in given)


def _flagging(answers: Iterable[Answers], name: str) -> Flagging:
    """Precision and recall of one category (`""` combines all), with each case counted once."""
    recalls: list[tuple[int, int]] = []
    rightly = flags = 0.0
    for given in answers:
        right, _, missed, invented = (sum(column) for column in zip(*(c[name] for c in given), strict=True))
        if right + missed:
            recalls.append((right, right + missed))
        rightly += right / len(given)
        flags += (right + invented) / len(given)
    return Flagging(_share(rightly, flags), clustered_rate(recalls))


def _share(hits: float, n: float) -> Rate:
    """Rate of a fractional `n`, with the interval of the nearest integers."""
    whole = round(n)
    if not whole:
        return rate(0, 0)
    value = hits / n
    nearest = rate(round(value * whole), whole)
    return Rate(value * whole, whole, nearest.low, nearest.high)


def _flagged(answers: Iterable[Answers]) -> Rate:
    return clustered_rate([(sum(counts[""].invented for counts in given), len(given)) for given in answers])


def _expected(case: Case) -> Sequence[str]:
    return case.expected if isinstance(case.expected, list) else [case.expected]


def _ap(gold: Sequence[bool], scores: Sequence[float]) -> float | None:
    if len(set(gold)) < 2:
        return None
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(gold, scores))
