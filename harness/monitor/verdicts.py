"""What the labels of a sheet come to: the week's accuracy with its interval, held against the baseline.

Right is a reply whose value, as a careful reader reads it, is what people say is right; strict accuracy counts of these
only the replies that were as agreed, as everywhere. It is judged per cell, as baselines are. What people could not tell
counts on neither side. Where several people labelled a reply it counts once, by the share of them who found it right.

A review is looked at every week, and of 52 looks at an interval of 95% one or the other shows what is not there. So
REGRESSED is said of a review that would show it among a year of looks, or of the second in a row that shows it by
itself: the rules of control charts (Western Electric 1956: one point far out, or two not so far).
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
from harness.monitor.signals import ALARM, REFERENCE
from harness.project import evals
from harness.project.config import Config
from harness.store.run_query import RunQuery
from harness.store.runs import Store

FEWEST = 20
"""A cell of which fewer replies were labelled is not judged: it answers only where another did not."""


@dataclass(frozen=True, slots=True)
class ReviewBaseline:
    """What a week is held against: a strict accuracy, and where it is from."""

    strict: Rate
    words: str


@dataclass(frozen=True, slots=True)
class CellReview:
    """One cell in one sheet. `size`: how many calls its sample stands for. Without a `base` there is no `change`."""

    task: str
    cell: str
    strict: Rate
    lenient: Rate
    size: int
    n_unclear: int
    n_open: int
    margin: float
    base: ReviewBaseline | None
    change: Unpaired | None
    lower: bool
    """Whether it is shown to be lower than the base, if nothing else is looked at."""
    lower_before: bool
    """Whether the review before it was."""
    may_have_baseline: bool
    """Whether a golden score is the same measure as what people say: else there are only earlier reviews."""
    verdict: Verdict | None
    """`None` where it is not judged: fewer labels than `FEWEST`."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two people on the same replies of one task; `apart`: the items on which they differ."""

    task: str
    reviewers: tuple[str, str]
    n: int
    agreed: int
    kappa: Interval
    apart: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A sheet, judged."""

    sheet: Sheet
    reviewers: tuple[str, ...]
    cells: tuple[CellReview, ...]
    agreements: tuple[Agreement, ...]


def review(found: Config, store: Store, name: str) -> Review:
    """Judge a sheet by what was said of it so far; raises `StoreError` for one that is not there."""
    sheet = sheets.load(store, name)
    labels = sheets.labels_of(store, name)
    earlier = list(_earlier(store, sheet))
    by_cell: dict[tuple[str, str], list[SheetItem]] = defaultdict(list)
    for item in sheet.items:
        by_cell[item.task, item.backend].append(item)
    said = _by_item(labels)
    cells = []
    for (task, _), items in sorted(by_cell.items(), key=lambda one: (one[0][0], -len(one[1]), one[0][1])):
        cell = _cell(found, task, items)
        past = _ReviewHistory(None, ())
        if cell:
            past = _ReviewHistory(_fixed_base(found, store, task, cell), tuple(_reviews(found, earlier, task, cell)))
        cells.append(_judged(found, task, cell or f"(own messages)@{items[0].backend}", measure(items, said), past))
    reviewers = tuple(sorted({label.reviewer for label in labels}))
    return Review(sheet, reviewers, tuple(cells), tuple(_agreements(sheet, labels)))


def answer(change: Unpaired, margin: float, *, lower_before: bool) -> Verdict:
    """What a weekly review comes to; `lower_before`: whether the one before it was lower than the base, too."""
    verdict = ComparisonQuestion("change", margin).decide(change)
    if verdict is Verdict.REGRESSED and not lower_before and change.p >= ALARM:
        return Verdict.INCONCLUSIVE
    return verdict


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The labels of one cell, counted. `strata`: strictly right, of which is made what is strictly right in all."""

    strata: tuple[Stratum, ...]
    lenient: Rate
    size: int
    n_unclear: int
    n_open: int

    @property
    def strict(self) -> Rate:
        """Strict accuracy of the calls that were sampled."""
        return stratified_rate(self.strata)


def measure(items: Sequence[SheetItem], said: Mapping[int, Sequence[SheetLabel]]) -> LabelCounts:
    """Count the labels of the items of one cell. Pure."""
    parts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    sizes: dict[str, int] = {}
    n_unclear = n_open = 0
    for item in items:
        sizes[item.said] = item.size
        votes = [is_right(item, label) for label in said.get(item.item, ()) if label.label != UNCLEAR]
        if votes:
            share = sum(votes) / len(votes)
            parts[item.said].append((share * (item.compliant is not False), share))
        elif said.get(item.item):
            n_unclear += 1
        else:
            n_open += 1
    lenient = [Stratum(sum(s for _, s in votes), len(votes), sizes[name]) for name, votes in parts.items()]
    strict = [Stratum(sum(s for s, _ in votes), len(votes), sizes[name]) for name, votes in parts.items()]
    return LabelCounts(tuple(strict), stratified_rate(lenient), sum(sizes.values()), n_unclear, n_open)


def is_right(item: SheetItem, label: SheetLabel) -> bool:
    """Whether what was read from the reply is what a person says it should be."""
    return label.label == (item.value if item.by_label else RIGHT)


@dataclass(frozen=True, slots=True)
class _ReviewHistory:
    """What a review of a cell is held against: something fixed, else its earlier reviews, the newest first."""

    fixed: ReviewBaseline | None
    reviews: tuple[tuple[str, LabelCounts], ...]

    def held(self, m: LabelCounts) -> tuple[ReviewBaseline | None, Unpaired | None]:
        """The base of a review, and how the review differs from it."""
        base = self.fixed
        if base is None and self.reviews:
            n = len(self.reviews)
            named = (
                f"{n} earlier reviews, the newest {self.reviews[0][0]}" if n > 1 else f"review of {self.reviews[0][0]}"
            )
            base = ReviewBaseline(
                stratified_rate([one for _, earlier in self.reviews for one in earlier.strata]), named
            )
        if base is None or not m.strict.n:
            return base, None
        return base, unpaired(base.strict, m.strict, head_size=effective_n(m.strata))

    def was_lower(self, margin: float) -> bool:
        """Whether the newest of the reviews was lower than what came before it, or than what is fixed."""
        if not self.reviews:
            return False
        (_, newest), *older = self.reviews
        return _lower(_ReviewHistory(self.fixed, tuple(older)).held(newest)[1], margin)


def _judged(found: Config, task: str, cell: str, m: LabelCounts, past: _ReviewHistory) -> CellReview:
    margin = _margin(found, task)
    base, change = past.held(m)
    lower_before = past.was_lower(margin)
    verdict: Verdict | None = None
    if m.strict.n >= FEWEST:
        verdict = answer(change, margin, lower_before=lower_before) if change else Verdict.INCONCLUSIVE
    return CellReview(
        task=task,
        cell=cell,
        strict=m.strict,
        lenient=m.lenient,
        size=m.size,
        n_unclear=m.n_unclear,
        n_open=m.n_open,
        margin=margin,
        base=base,
        change=change,
        lower=_lower(change, margin),
        lower_before=lower_before,
        may_have_baseline=not _is_other_measure(found, task),
        verdict=verdict,
    )


def _lower(change: Unpaired | None, margin: float) -> bool:
    return change is not None and ComparisonQuestion("change", margin).decide(change) is Verdict.REGRESSED


def _by_item(labels: Sequence[SheetLabel]) -> dict[int, list[SheetLabel]]:
    found: dict[int, list[SheetLabel]] = defaultdict(list)
    for label in labels:
        found[label.item].append(label)
    return found


def _definition(found: Config, task: str) -> evals.Eval | None:
    """The eval of a task, `None` where it is no longer there."""
    try:
        return evals.find(found.root, [task])[0]
    except ConfigError:
        return None


def _is_other_measure(found: Config, task: str) -> bool:
    definition = _definition(found, task)
    return definition is not None and not task_capabilities(definition.task).reviewable


def _margin(found: Config, task: str) -> float:
    definition = _definition(found, task)
    return (definition and definition.gates.max_regression) or DEFAULT_MARGIN


def _cell(found: Config, task: str, items: Sequence[SheetItem]) -> str:
    """What the cell of these calls is called; empty where the caller brought messages of its own."""
    definition = _definition(found, task)
    variant = next((item.variant for item in items if item.variant), "")
    return cell_name(variant, items[0].backend, definition.decoding[0] if definition else "free") if variant else ""


def _fixed_base(found: Config, store: Store, task: str, cell: str) -> ReviewBaseline | None:
    """The saved baseline; else the newest whole run of the cell."""
    if _is_other_measure(found, task):
        return None
    saved = baseline.load(found.root, task, cell)
    if saved is not None:
        return ReviewBaseline(_strict(saved), f"baseline of {saved.started_at[:10]}")
    newest = store.newest(RunQuery(eval=task, cell=cell, finished=True, whole=True, origins=OWN_ORIGINS))
    if newest is not None:
        return ReviewBaseline(_strict(outcomes_of(store.with_results(newest))), f"run {newest.run_id}")
    return None


def _earlier(store: Store, sheet: Sheet) -> Iterator[tuple[Sheet, Mapping[int, Sequence[SheetLabel]]]]:
    """The reviews of the half year before a sheet, the newest first, and what was said."""
    oldest = (datetime.fromisoformat(sheet.since) - timedelta(weeks=REFERENCE)).isoformat()
    for name in sheets.reviewed(store):
        one = sheets.load(store, name)
        if oldest <= one.since and one.until <= sheet.since:
            yield one, _by_item(sheets.labels_of(store, name))


def _reviews(
    found: Config, earlier: Sequence[tuple[Sheet, Mapping[int, Sequence[SheetLabel]]]], task: str, cell: str
) -> Iterator[tuple[str, LabelCounts]]:
    """What each said of one cell, if it said enough; of two over the same days, the newer one."""
    after = ""
    for sheet, said in earlier:
        if after and sheet.until > after:
            continue
        measured = measure([i for i in sheet.items if i.task == task and _cell(found, task, [i]) == cell], said)
        if measured.strict.n >= FEWEST:
            after = sheet.since
            yield sheet.sheet, measured


def _strict(of: RunOutcomes) -> Rate:
    return clustered_rate([(case.strict, case.judged) for case in of.cases.values() if case.judged])


def _agreements(sheet: Sheet, labels: Sequence[SheetLabel]) -> Iterator[Agreement]:
    by_reviewer: dict[str, dict[int, str]] = defaultdict(dict)
    for label in labels:
        if label.label != UNCLEAR:
            by_reviewer[label.reviewer][label.item] = label.label
    for task in dict.fromkeys(item.task for item in sheet.items):
        items = [item.item for item in sheet.items if item.task == task]
        for a, b in combinations(sorted(by_reviewer), 2):
            both = [item for item in items if item in by_reviewer[a] and item in by_reviewer[b]]
            apart = tuple(item for item in both if by_reviewer[a][item] != by_reviewer[b][item])
            if both:
                agreed = kappa([by_reviewer[a][item] for item in both], [by_reviewer[b][item] for item in both])
                yield Agreement(task, (a, b), len(both), len(both) - len(apart), agreed, apart)
