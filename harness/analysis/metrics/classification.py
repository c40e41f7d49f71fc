"""Classification metrics, computed by scikit-learn."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.stats import Interval, macro_f1_difference, paired_bootstrap
from harness.core.types import Result

UNUSABLE = "unusable"
"""Column of the confusion matrix for replies without a usable label."""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Precision, recall and F1 (0..1) of one label over `support` cases. Undefined values are 0, as in scikit-learn."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class ClassificationMetrics:
    """Metrics of a run by label, for the strict or the lenient answers.

    `confusion[i][j]` counts cases of label `i` that were answered with label `j`. The last column counts unusable
    replies.
    """

    labels: tuple[str, ...]
    macro_f1: float
    per_label: tuple[LabelScore, ...]
    confusion: tuple[tuple[int, ...], ...]


def classify(results: Sequence[Result], labels: tuple[str, ...], *, lenient: bool = False) -> ClassificationMetrics:
    """Score the answered results. An unusable reply lowers recall, but is not a false positive of any label.

    Macro-F1 is the unweighted mean over `labels`. A label that never occurs counts 0.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    # Labels are numbered, because a user's label can be called "unusable".
    index = {label: i for i, label in enumerate(labels)}
    gold, predicted = array("l"), array("l")
    for result in results:
        if result.reading is not None:
            value = result.reading.lenient if lenient else result.reading.strict
            gold.append(index[result.case.expected])
            predicted.append(index.get(value, len(labels)) if isinstance(value, str) else len(labels))
    if not gold:
        return ClassificationMetrics(labels, 0.0, (), ())
    known = list(range(len(labels)))
    precision, recall, f1, support = precision_recall_fscore_support(gold, predicted, labels=known, zero_division=0)
    matrix = confusion_matrix(gold, predicted, labels=[*known, len(labels)])
    return ClassificationMetrics(
        labels=labels,
        macro_f1=float(f1.mean()),
        per_label=tuple(
            LabelScore(label, float(p), float(r), float(f), int(s))
            for label, p, r, f, s in zip(labels, precision, recall, f1, support, strict=True)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in matrix[:-1]),
    )


def macro_f1(results: Sequence[Result], labels: tuple[str, ...]) -> Interval:
    """Return the macro-F1 of the strict answers with a BCa bootstrap interval over the answered results.

    Repeats count as separate cases. If no resample differs from the sample, the interval is infinite.
    """
    index = {label: i for i, label in enumerate(labels)}
    pairs = [(r.case.expected, r.reading.strict) for r in results if r.reading is not None and r.score is not None]
    expected = [index.get(gold, -1) if isinstance(gold, str) else -1 for gold, _ in pairs]
    predicted = [index.get(value, -2) if isinstance(value, str) else -2 for _, value in pairs]
    never = [-2] * len(pairs)  # compared with a run that is always wrong, the difference is the score itself
    return paired_bootstrap(macro_f1_difference(expected, never, predicted, len(labels)), len(pairs))
