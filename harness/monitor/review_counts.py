"""Labels of one cell, counted by stratum. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.stats import Rate
from harness.analysis.stats.prediction_powered import JudgedStratum, PoweredRate, prediction_powered_rate
from harness.analysis.stats.unpaired import Stratum, effective_n, stratified_rate
from harness.monitor.sheets import RIGHT, UNCLEAR, SheetItem, SheetLabel
from harness.store.verdicts import VerdictTotals

MIN_LABELS = 20
"""A cell with fewer labelled replies gets no verdict: it serves only as a fallback."""

LabelsByItem = Mapping[int, Sequence[SheetLabel]]


@dataclass(frozen=True, slots=True)
class CellVerdicts:
    """A judge's verdicts on all replies of a cell: totals by stratum (`outcome`), and those on sampled calls by id."""

    totals: Mapping[str, VerdictTotals]
    by_call: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class JudgedCounts:
    """The accuracy of a cell from labels and verdicts.

    Attributes:
        judge: Prompt and cell of the judge.
        strict: Strict accuracy.
        lenient: Lenient accuracy.
        n: Replies with a verdict.
        agreed: Labels that the judge agrees with; fractional if reviewers differ.
        n_both: Replies with a label and a verdict.

    """

    judge: str
    strict: PoweredRate
    lenient: PoweredRate
    n: int
    agreed: float
    n_both: int


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The labels of one cell, counted.

    `strata`: strictly correct replies of each stratum, by the labels alone. `judged`: `None` without verdicts.
    """

    strata: tuple[Stratum, ...]
    lenient: Rate
    size: int
    n_unclear: int
    n_unlabelled: int
    judged: JudgedCounts | None = None

    @property
    def strict(self) -> Rate:
        """Strict accuracy of the cell's calls, from the labels and a judge's verdicts if there are any."""
        return self.judged.strict.rate if self.judged else stratified_rate(self.strata)

    @property
    def effective_n(self) -> float:
        """Number of labels of a simple random sample that would give the same precision, for tests."""
        return self.judged.strict.tested_n if self.judged else effective_n(self.strata)


def count_labels(
    items: Sequence[SheetItem], labels_by_item: LabelsByItem, verdicts: CellVerdicts | None = None
) -> LabelCounts:
    """Count the labels of one cell's items, and combine them with a judge's verdicts."""
    labelled: dict[str, list[tuple[SheetItem, float]]] = defaultdict(list)
    sizes: dict[str, int] = {}
    n_unclear = n_unlabelled = 0
    for item in items:
        sizes[item.outcome] = item.size
        labels = labels_by_item.get(item.item, ())
        votes = [is_right(item, label) for label in labels if label.label != UNCLEAR]
        if votes:
            labelled[item.outcome].append((item, sum(votes) / len(votes)))
        elif labels:
            n_unclear += 1
        else:
            n_unlabelled += 1
    strict = [Stratum(sum(s * _is_strict(i) for i, s in each), len(each), sizes[o]) for o, each in labelled.items()]
    lenient = [Stratum(sum(share for _, share in each), len(each), sizes[o]) for o, each in labelled.items()]
    judged = _judged(labelled, sizes, verdicts) if verdicts and verdicts.totals and labelled else None
    return LabelCounts(
        tuple(strict),
        judged.lenient.rate if judged else stratified_rate(lenient),
        sum(sizes.values()),
        n_unclear,
        n_unlabelled,
        judged,
    )


def _judged(
    labelled: Mapping[str, Sequence[tuple[SheetItem, float]]], sizes: Mapping[str, int], verdicts: CellVerdicts
) -> JudgedCounts:
    strict, lenient = [], []
    for outcome, items in labelled.items():
        totals = verdicts.totals.get(outcome)
        judged, accepted, accepted_strict = (totals.judged, totals.accepted, totals.strict) if totals else (0, 0, 0)
        given = [(item, share, verdicts.by_call.get(item.call_id)) for item, share in items]
        plain = [(s, None if v is None else float(v)) for _, s, v in given]
        lenient.append(JudgedStratum(plain, sizes[outcome], judged, accepted))
        pairs = [(s * _is_strict(i), None if v is None else float(v and _is_strict(i))) for i, s, v in given]
        strict.append(JudgedStratum(pairs, sizes[outcome], judged, accepted_strict))
    both = [(label, verdict) for stratum in lenient for label, verdict in stratum.pairs if verdict is not None]
    return JudgedCounts(
        judge=next(iter(verdicts.totals.values())).judge,
        strict=prediction_powered_rate(strict),
        lenient=prediction_powered_rate(lenient),
        n=sum(totals.judged for totals in verdicts.totals.values()),
        agreed=sum(1 - abs(label - verdict) for label, verdict in both),
        n_both=len(both),
    )


def _is_strict(item: SheetItem) -> bool:
    return item.compliant is not False


def is_right(item: SheetItem, label: SheetLabel) -> bool:
    """Return whether the value read from the reply is correct according to a label."""
    return label.label == (item.value if item.by_label else RIGHT)


def by_item(labels: Sequence[SheetLabel]) -> dict[int, list[SheetLabel]]:
    """Return the labels of each item."""
    grouped: dict[int, list[SheetLabel]] = defaultdict(list)
    for label in labels:
        grouped[label.item].append(label)
    return grouped
