"""Review of a labelled sheet: the accuracy of each cell with its interval, compared with a baseline.

A reply is correct if its lenient value is what reviewers say is right. Strict accuracy counts only correct replies that
also kept the contract. Replies labelled unclear are left out. A reply with several reviewers counts once, by the share
of reviewers who found it correct.

Reviews happen every week, and among 52 tests at 95% some are false alarms. So a review is REGRESSED if it is
significant among a year of reviews, or if it is the second in a row that is significant by itself. These are the rules
of control charts (Western Electric 1956: one point far out, or two points not so far).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations

from harness.analysis import baseline
from harness.analysis.compare import ComparisonQuestion, RunOutcomes, Verdict, outcomes_of
from harness.analysis.compare.verdicts import DEFAULT_MARGIN
from harness.analysis.stats import Interval, Rate, clustered_rate, kappa
from harness.analysis.stats.unpaired import Stratum, Unpaired, effective_n, stratified_rate, unpaired
from harness.core.errors import ConfigError
from harness.core.plugins import task_capabilities
from harness.core.types import OWN_ORIGINS, cell_name
from harness.monitor import sheets
from harness.monitor.sheets import RIGHT, UNCLEAR, Sheet, SheetItem, SheetLabel
from harness.monitor.signals import ALARM_P, REFERENCE_WEEKS
from harness.project import evals
from harness.project.config import Config
from harness.runner.project import Project
from harness.store.run_query import RunQuery
from harness.store.runs import Store

MIN_LABELS = 20
"""A cell with fewer labelled replies gets no verdict: it serves only as a fallback."""


@dataclass(frozen=True, slots=True)
class ReviewBaseline:
    """The strict accuracy that a review is compared with, and its source as text."""

    strict: Rate
    source: str


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
    """Whether the accuracy is significantly below the base, in a single test."""
    lower_before: bool
    """Whether the review before was."""
    may_have_baseline: bool
    """Whether a golden score is comparable with reviewers' labels; otherwise only earlier reviews are."""
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
    config, store = project.config, project.store
    sheet = sheets.load(store, name)
    labels = sheets.labels_of(store, name)
    earlier = list(_earlier(store, sheet))
    by_cell: dict[tuple[str, str], list[SheetItem]] = defaultdict(list)
    for item in sheet.items:
        by_cell[item.task, item.backend].append(item)
    labels_by_item = _by_item(labels)
    cells = []
    # By task, and within a task by number of items, the largest first.
    for (task, _), items in sorted(by_cell.items(), key=lambda entry: (entry[0][0], -len(entry[1]), entry[0][1])):
        cell = _cell(config, task, items)
        history = _ReviewHistory(None, ())
        if cell:
            fixed = _fixed_base(config, store, task, cell)
            history = _ReviewHistory(fixed, tuple(_earlier_counts(config, earlier, task, cell)))
        counts = count_labels(items, labels_by_item)
        cells.append(_review_cell(config, task, cell or f"(own messages)@{items[0].backend}", counts, history))
    reviewers = tuple(sorted({label.reviewer for label in labels}))
    return Review(sheet, reviewers, tuple(cells), tuple(_agreements(sheet, labels)))


def weekly_verdict(change: Unpaired, margin: float, *, lower_before: bool) -> Verdict:
    """Return the verdict of a weekly review. `lower_before`: whether the review before was below the base too."""
    verdict = ComparisonQuestion("change", margin).answer(change)
    if verdict is Verdict.REGRESSED and not lower_before and change.p >= ALARM_P:
        return Verdict.INCONCLUSIVE
    return verdict


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


def count_labels(items: Sequence[SheetItem], labels_by_item: Mapping[int, Sequence[SheetLabel]]) -> LabelCounts:
    """Count the labels of one cell's items. Pure."""
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


@dataclass(frozen=True, slots=True)
class _ReviewHistory:
    """What a cell is compared with: a fixed base, or else its earlier reviews, newest first."""

    fixed: ReviewBaseline | None
    reviews: tuple[tuple[str, LabelCounts], ...]

    def compare(self, counts: LabelCounts) -> tuple[ReviewBaseline | None, Unpaired | None]:
        """Return the base of a review and the review's difference from it."""
        base = self.fixed
        if base is None and self.reviews:
            n, newest = len(self.reviews), self.reviews[0][0]
            source = f"{n} earlier reviews, the newest {newest}" if n > 1 else f"review of {newest}"
            strata = [stratum for _, earlier in self.reviews for stratum in earlier.strata]
            base = ReviewBaseline(stratified_rate(strata), source)
        if base is None or not counts.strict.n:
            return base, None
        return base, unpaired(base.strict, counts.strict, head_size=effective_n(counts.strata))

    def was_lower(self, margin: float) -> bool:
        """Return whether the newest earlier review was below its own base."""
        if not self.reviews:
            return False
        (_, newest), *older = self.reviews
        return _is_lower(_ReviewHistory(self.fixed, tuple(older)).compare(newest)[1], margin)


def _review_cell(config: Config, task: str, cell: str, counts: LabelCounts, history: _ReviewHistory) -> CellReview:
    margin = _margin(config, task)
    base, change = history.compare(counts)
    lower_before = history.was_lower(margin)
    verdict: Verdict | None = None
    if counts.strict.n >= MIN_LABELS:
        verdict = weekly_verdict(change, margin, lower_before=lower_before) if change else Verdict.INCONCLUSIVE
    return CellReview(
        task=task,
        cell=cell,
        strict=counts.strict,
        lenient=counts.lenient,
        size=counts.size,
        n_unclear=counts.n_unclear,
        n_unlabelled=counts.n_unlabelled,
        margin=margin,
        base=base,
        change=change,
        lower=_is_lower(change, margin),
        lower_before=lower_before,
        may_have_baseline=not _is_not_comparable(config, task),
        verdict=verdict,
    )


def _is_lower(change: Unpaired | None, margin: float) -> bool:
    return change is not None and ComparisonQuestion("change", margin).answer(change) is Verdict.REGRESSED


def _by_item(labels: Sequence[SheetLabel]) -> dict[int, list[SheetLabel]]:
    by_item: dict[int, list[SheetLabel]] = defaultdict(list)
    for label in labels:
        by_item[label.item].append(label)
    return by_item


def _definition(config: Config, task: str) -> evals.Eval | None:
    try:
        return evals.find(config.root, [task])[0]
    except ConfigError:
        return None  # the eval was deleted since


def _is_not_comparable(config: Config, task: str) -> bool:
    definition = _definition(config, task)
    return definition is not None and not task_capabilities(definition.task).reviewable


def _margin(config: Config, task: str) -> float:
    definition = _definition(config, task)
    return (definition and definition.gates.max_regression) or DEFAULT_MARGIN


def _cell(config: Config, task: str, items: Sequence[SheetItem]) -> str:
    """Return the cell name of these calls; empty if the caller sent messages of its own."""
    definition = _definition(config, task)
    variant = next((item.variant for item in items if item.variant), "")
    return cell_name(variant, items[0].backend, definition.decoding[0] if definition else "free") if variant else ""


def _fixed_base(config: Config, store: Store, task: str, cell: str) -> ReviewBaseline | None:
    """Return the saved baseline, or else the newest run of the cell without a case limit."""
    if _is_not_comparable(config, task):
        return None
    saved = baseline.load(config.root, task, cell)
    if saved is not None:
        return ReviewBaseline(_strict(saved), f"baseline of {saved.started_at[:10]}")
    newest = store.newest(RunQuery(eval=task, cell=cell, finished=True, whole=True, origins=OWN_ORIGINS))
    if newest is not None:
        return ReviewBaseline(_strict(outcomes_of(store.with_results(newest))), f"run {newest.run_id}")
    return None


def _earlier(store: Store, sheet: Sheet) -> Iterator[tuple[Sheet, Mapping[int, Sequence[SheetLabel]]]]:
    """Yield the labelled sheets of the half year before `sheet`, newest first, with their labels by item."""
    oldest = (datetime.fromisoformat(sheet.since) - timedelta(weeks=REFERENCE_WEEKS)).isoformat()
    for name in sheets.labelled_sheets(store):
        earlier = sheets.load(store, name)
        if oldest <= earlier.since and earlier.until <= sheet.since:
            yield earlier, _by_item(sheets.labels_of(store, name))


def _earlier_counts(
    config: Config, earlier: Sequence[tuple[Sheet, Mapping[int, Sequence[SheetLabel]]]], task: str, cell: str
) -> Iterator[tuple[str, LabelCounts]]:
    """Yield the label counts of one cell in earlier sheets with enough labels; of overlapping sheets, the newer."""
    newer_since = ""
    for sheet, labels_by_item in earlier:
        if newer_since and sheet.until > newer_since:
            continue
        items = [item for item in sheet.items if item.task == task and _cell(config, task, [item]) == cell]
        counts = count_labels(items, labels_by_item)
        if counts.strict.n >= MIN_LABELS:
            newer_since = sheet.since
            yield sheet.sheet, counts


def _strict(outcomes: RunOutcomes) -> Rate:
    return clustered_rate([(case.strict, case.asked) for case in outcomes.cases.values() if case.asked])


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
