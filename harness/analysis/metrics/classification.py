"""Labels against labels, by scikit-learn."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.stats import Interval, macro_f1_difference, paired_bootstrap
from harness.core.types import Result

UNUSABLE = "unusable"
"""The column of a confusion matrix for replies that production code cannot use."""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Precision, recall and F1 (each 0..1) of one label over `support` cases. Undefined means 0, as in scikit-learn."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class ClassificationMetrics:
    """How a run did on each label, read strictly or leniently.

    `confusion[i][j]`: cases of label `i` answered with label `j`; the last column counts unusable replies.
    """

    labels: tuple[str, ...]
    macro_f1: float
    per_label: tuple[LabelScore, ...]
    confusion: tuple[tuple[int, ...], ...]


def classify(results: Sequence[Result], labels: tuple[str, ...], *, lenient: bool = False) -> ClassificationMetrics:
    """Score the answered among `results`. An unusable reply costs recall and is no label's false positive.

    Macro-F1 is the plain mean over `labels`; a label that never occurs counts 0: judge it on a set that has all.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    # Numbers, not names: a user's own label may well be called "unusable".
    index = {label: i for i, label in enumerate(labels)}
    gold, said = array("l"), array("l")
    for result in results:
        if result.reading is not None:
            value = result.reading.lenient if lenient else result.reading.strict
            gold.append(index[result.case.expected])
            said.append(index.get(value, len(labels)) if isinstance(value, str) else len(labels))
    if not gold:
        return ClassificationMetrics(labels, 0.0, (), ())
    known = list(range(len(labels)))
    precision, recall, f1, support = precision_recall_fscore_support(gold, said, labels=known, zero_division=0)
    matrix = confusion_matrix(gold, said, labels=[*known, len(labels)])
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
    """Macro-F1 of the strict reading with its interval, a bootstrap over the answered of `results`.

    Repeats of a case count as cases of their own. Of a sample without any spread the interval is infinite.
    """
    index = {label: i for i, label in enumerate(labels)}
    told = [(r.case.expected, r.reading.strict) for r in results if r.reading is not None and r.score is not None]
    expected = [index.get(gold, -1) if isinstance(gold, str) else -1 for gold, _ in told]
    said = [index.get(value, -2) if isinstance(value, str) else -2 for _, value in told]
    never = [-2] * len(told)  # against a run that is never right, the difference is the score itself
    return paired_bootstrap(macro_f1_difference(expected, never, said, len(labels)), len(told))
