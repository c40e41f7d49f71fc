"""Review of a labelled sheet: the accuracy of each cell with its interval, compared with a baseline.

A reply is correct if reviewers confirm its lenient value. Strict accuracy counts only correct replies that also kept
the contract. Replies with the label "unclear" are left out. A reply with several reviewers counts once, by the share
of reviewers who marked the reply correct.

Reviews of many cells happen every week, and some are low by chance. review_rule.py has the rule for REGRESSED.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.analysis.compare import Verdict
from harness.analysis.stats import Interval, Rate, kappa
from harness.analysis.stats.unpaired import Unpaired
from harness.monitor import sheets
from harness.monitor.review_bases import RecentReviews, ReviewBaseline, ReviewHistory, SheetVerdicts, TaskSettings
from harness.monitor.review_counts import MIN_LABELS, JudgedCounts, LabelCounts, by_item, count_labels
from harness.monitor.review_rule import is_lower, weekly_verdict
from harness.monitor.sheets import UNCLEAR, Sheet, SheetItem, SheetLabel
from harness.runner.project import Project


@dataclass(frozen=True, slots=True)
class CellReview:
    """One cell of a review. `size`: number of calls that the sample represents. `change` is `None` without a `base`."""

    task: str
    cell: str
    strict: Rate
    lenient: Rate
    size: int
    n_unclear: int
    n_unlabelled: int
    margin: float
    base: ReviewBaseline | None
    change: Unpaired | None
    lower: bool
    """Whether the accuracy is below the base, so that a second low review is REGRESSED."""
    lower_before: bool
    """Whether the previous review was below its own base."""
    cells: int
    """Number of cells under review in the project, which the rule for REGRESSED covers together."""
    may_have_baseline: bool
    """Whether golden scores are comparable with reviewers' labels. If not, the base is an earlier review."""
    judged: JudgedCounts | None
    """The judge's part in the accuracy; `None` without a judge's verdicts."""
    verdict: Verdict | None
    """`None` with fewer than `MIN_LABELS` labels."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two reviewers on the same replies of one task."""

    task: str
    reviewers: tuple[str, str]
    n: int
    agreed: int
    kappa: Interval
    differing_items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """The review of a sheet: its cells, and how far reviewers agree."""

    sheet: Sheet
    reviewers: tuple[str, ...]
    cells: tuple[CellReview, ...]
    agreements: tuple[Agreement, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the cells; INCONCLUSIVE if no cell has one."""
        verdicts = {cell.verdict for cell in self.cells}
        worst_first = (Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.OK, Verdict.IMPROVED)
        return next((verdict for verdict in worst_first if verdict in verdicts), Verdict.INCONCLUSIVE)


def review(project: Project, name: str) -> Review:
    """Review a sheet by its labels so far; raises `StoreError` if the sheet does not exist."""
    sheet = sheets.load(project.store, name)
    labels = sheets.labels_of(project.store, name)
    recent = RecentReviews(project, sheet)
    by_cell: dict[tuple[str, str], list[SheetItem]] = defaultdict(list)
    for item in sheet.items:
        by_cell[item.task, item.backend].append(item)
    labels_by_item, judged = by_item(labels), SheetVerdicts.of(project.store, sheet)
    cells = []
    # Sort by task, then by number of items, largest first.
    for (task, _), items in sorted(by_cell.items(), key=lambda entry: (entry[0][0], -len(entry[1]), entry[0][1])):
        settings = recent.settings(task)
        counts = count_labels(items, labels_by_item, judged.of_cell(items))
        if cell := settings.cell(items):
            cells.append(_review_cell(settings, cell, counts, recent.history(task, cell)))
        else:
            no_base = ReviewHistory(None, (), recent.spread, recent.n_cells)
            cells.append(_review_cell(settings, f"(own messages)@{items[0].backend}", counts, no_base))
    reviewers = tuple(sorted({label.reviewer for label in labels}))
    return Review(sheet, reviewers, tuple(cells), tuple(_agreements(sheet, labels)))


def _review_cell(settings: TaskSettings, cell: str, counts: LabelCounts, history: ReviewHistory) -> CellReview:
    margin = settings.margin
    base, change = history.compare(counts)
    lower_before = history.was_lower(margin)
    verdict: Verdict | None = None
    if counts.strict.n >= MIN_LABELS:
        verdict = Verdict.INCONCLUSIVE
        if change:
            verdict = weekly_verdict(change, margin, lower_before=lower_before, cells=history.cells)
    return CellReview(
        task=settings.task,
        cell=cell,
        strict=counts.strict,
        lenient=counts.lenient,
        size=counts.size,
        n_unclear=counts.n_unclear,
        n_unlabelled=counts.n_unlabelled,
        margin=margin,
        base=base,
        change=change,
        lower=change is not None and is_lower(change, margin, history.cells),
        lower_before=lower_before,
        cells=history.cells,
        may_have_baseline=settings.is_comparable,
        judged=counts.judged,
        verdict=verdict,
    )


def _agreements(sheet: Sheet, labels: Sequence[SheetLabel]) -> Iterator[Agreement]:
    by_reviewer: dict[str, dict[int, str]] = defaultdict(dict)
    for label in labels:
        if label.label != UNCLEAR:
            by_reviewer[label.reviewer][label.item] = label.label
    for task in dict.fromkeys(item.task for item in sheet.items):
        items = [item.item for item in sheet.items if item.task == task]
        for a, b in combinations(sorted(by_reviewer), 2):
            both = [item for item in items if item in by_reviewer[a] and item in by_reviewer[b]]
            differing = tuple(item for item in both if by_reviewer[a][item] != by_reviewer[b][item])
            if both:
                agreement = kappa([by_reviewer[a][item] for item in both], [by_reviewer[b][item] for item in both])
                yield Agreement(task, (a, b), len(both), len(both) - len(differing), agreement, differing)
