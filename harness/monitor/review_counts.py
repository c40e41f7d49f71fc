"""Labels of one cell, counted by stratum. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.stats import Rate
from harness.analysis.stats.unpaired import Stratum, effective_n, stratified_rate
from harness.monitor.sheets import RIGHT, UNCLEAR, SheetItem, SheetLabel

MIN_LABELS = 20
"""A cell with fewer labelled replies gets no verdict: it serves only as a fallback."""

LabelsByItem = Mapping[int, Sequence[SheetLabel]]


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The labels of one cell, counted. `strata`: strictly correct replies of each stratum."""

    strata: tuple[Stratum, ...]
    lenient: Rate
    size: int
    n_unclear: int
    n_unlabelled: int

    @property
    def strict(self) -> Rate:
        """Strict accuracy of the cell's calls, estimated from the strata."""
        return stratified_rate(self.strata)

    @property
    def effective_n(self) -> float:
        """Number of labels of a simple random sample that would give the same precision."""
        return effective_n(self.strata)


def count_labels(items: Sequence[SheetItem], labels_by_item: LabelsByItem) -> LabelCounts:
    """Count the labels of one cell's items."""
    parts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    sizes: dict[str, int] = {}
    n_unclear = n_unlabelled = 0
    for item in items:
        sizes[item.outcome] = item.size
        labels = labels_by_item.get(item.item, ())
        votes = [is_right(item, label) for label in labels if label.label != UNCLEAR]
        if votes:
            share = sum(votes) / len(votes)
            parts[item.outcome].append((share * (item.compliant is not False), share))
        elif labels:
            n_unclear += 1
        else:
            n_unlabelled += 1
    lenient = [Stratum(sum(s for _, s in votes), len(votes), sizes[name]) for name, votes in parts.items()]
    strict = [Stratum(sum(s for s, _ in votes), len(votes), sizes[name]) for name, votes in parts.items()]
    return LabelCounts(tuple(strict), stratified_rate(lenient), sum(sizes.values()), n_unclear, n_unlabelled)


def is_right(item: SheetItem, label: SheetLabel) -> bool:
    """Return whether the value read from the reply is correct according to a label."""
    return label.label == (item.value if item.by_label else RIGHT)


def by_item(labels: Sequence[SheetLabel]) -> dict[int, list[SheetLabel]]:
    """Return the labels of each item."""
    grouped: dict[int, list[SheetLabel]] = defaultdict(list)
    for label in labels:
        grouped[label.item].append(label)
    return grouped
