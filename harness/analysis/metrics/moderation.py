"""Moderation in numbers: what is let through, what is flagged wrongly, by category and as harmful or not.

All of it comes from what results keep: of each category, whether it was flagged rightly, missed or flagged wrongly
(`Score.fields`), and the scores of a reading that has some. Where cases were asked repeatedly, each case counts once,
by the share of its answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.analysis.stats import Rate, clustered_rate, rate
from harness.core.types import Case, FieldCounts, Result

LOOK_ALIKE = "look_alike"
"""The tag of benign cases whose words look harmful."""

Answers = Sequence[Mapping[str, FieldCounts]]
"""Of one case, an entry for each time it was asked: category -> counts."""


@dataclass(frozen=True, slots=True)
class Flagging:
    """How well one category, or harm of whatever kind, is told. F1 is 0..1, and 0 where it is undefined.

    `precision`: of the comments flagged so, the share that is so. `recall`: of those that are so, the share flagged so.
    """

    precision: Rate
    recall: Rate

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        if not (self.precision.hits and self.recall.hits):
            return 0.0
        return 2 / (1 / self.precision.value + 1 / self.recall.value)


@dataclass(frozen=True, slots=True)
class WrongFlag:
    """A look-alike that was flagged, and as what."""

    case: Case
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModerationMetrics:
    """A run in numbers, read strictly or leniently. A reply that cannot be read flags nothing.

    `harmful` takes all categories as one. `missed`: of the harmful comments, the share not flagged at all.
    `false_alarms` and `look_alikes`: of the benign comments and of those that look harmful, the share flagged.
    """

    categories: Mapping[str, Flagging]
    harmful: Flagging
    missed: Rate
    false_alarms: Rate
    look_alikes: Rate
    flagged_wrongly: tuple[WrongFlag, ...]


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """How well the scores rank, whatever the threshold: 0..1, `None` where a category has no comment or only its own.

    Over the `scored` of `n` cases: those whose reply could be read. `harmful` ranks by the highest score.
    """

    categories: Mapping[str, float | None]
    harmful: float | None
    scored: int
    n: int


def moderate(results: Sequence[Result], *, lenient: bool = False) -> ModerationMetrics | None:
    """Measure the answered among `results`; `None` where there are none."""
    cases, answers = _by_case(results, lenient=lenient)
    if not cases:
        return None
    names = dict.fromkeys(name for given in answers.values() for name in given[0])
    harmful = {key: [{"": _any(counts)} for counts in given] for key, given in answers.items()}
    benign = [key for key, given in harmful.items() if not _is_in(given, "")]
    alike = [key for key in benign if LOOK_ALIKE in cases[key].tags]
    together = _flagging(harmful.values(), "")
    missed = [(sum(c[""].missed for c in given), len(given)) for given in harmful.values() if _is_in(given, "")]
    return ModerationMetrics(
        categories={name: _flagging(answers.values(), name) for name in names},
        harmful=together,
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
    """By scikit-learn, from the lenient readings; `None` where no reading has scores."""
    cases, _ = _by_case(results)
    given: dict[str, list[Mapping[str, float]]] = {}
    for r in results:
        if r.case.id in cases and r.reading is not None and isinstance(r.reading.lenient, Mapping):
            given.setdefault(r.case.id, []).append(r.reading.lenient)
    if not given:
        return None
    names = list(next(iter(given.values()))[0])
    scores = {name: [fmean(one[name] for one in each) for each in given.values()] for name in names}
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
    """The cases that were answered, and their answers, by the case's id."""
    cases: dict[str, Case] = {}
    answers: dict[str, list[Mapping[str, FieldCounts]]] = {}
    for r in results:
        if r.score is not None and r.score.fields:
            cases[r.case.id] = r.case
            counts = {name: pair[lenient] for name, pair in r.score.fields.items()}
            answers.setdefault(r.case.id, []).append(counts)
    return cases, dict(answers)


def _any(counts: Mapping[str, FieldCounts]) -> FieldCounts:
    """All categories as one: harmful or not, flagged or not."""
    harmful = any(c.right or c.missed for c in counts.values())
    flagged = any(c.right or c.invented for c in counts.values())
    return FieldCounts(
        right=int(harmful and flagged), missed=int(harmful and not flagged), invented=int(flagged and not harmful)
    )


def _is_in(given: Answers, name: str) -> bool:
    return any(counts[name].right or counts[name].missed for counts in given)


def _flagging(answers: Iterable[Answers], name: str) -> Flagging:
    """Recall by case. A case in several categories, asked repeatedly, counts for those that its answers counted for."""
    found: list[tuple[int, int]] = []
    rightly = flags = 0.0
    for given in answers:
        right, _, missed, invented = (sum(column) for column in zip(*(c[name] for c in given), strict=True))
        if right + missed:
            found.append((right, right + missed))
        rightly += right / len(given)
        flags += (right + invented) / len(given)
    return Flagging(_share(rightly, flags), clustered_rate(found))


def _share(hits: float, n: float) -> Rate:
    """A share whose `n` need not be whole, with the interval of the nearest whole numbers."""
    whole = round(n)
    if not whole:
        return rate(0, 0)
    value = hits / n
    nearest = rate(round(value * whole), whole)
    return Rate(value * whole, whole, nearest.low, nearest.high)


def _flagged(answers: Iterable[Answers]) -> Rate:
    """Of benign cases, the share that was flagged."""
    return clustered_rate([(sum(counts[""].invented for counts in given), len(given)) for given in answers])


def _expected(case: Case) -> Sequence[str]:
    return case.expected if isinstance(case.expected, list) else [case.expected]


def _ap(gold: Sequence[bool], scores: Sequence[float]) -> float | None:
    if len(set(gold)) < 2:
        return None
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(gold, scores))
