"""What a review is compared with: the saved baseline, a run, or the cell's earlier reviews."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

from harness.analysis import baseline
from harness.analysis.compare import RunOutcomes, outcomes_of
from harness.analysis.compare.verdicts import DEFAULT_MARGIN
from harness.analysis.stats import Rate, clustered_rate
from harness.analysis.stats.unpaired import Stratum, Unpaired, effective_n, stratified_rate, unpaired, varied_n
from harness.core.errors import ConfigError
from harness.core.plugins import task_capabilities
from harness.core.types import OWN_ORIGINS, cell_name
from harness.monitor import sheets
from harness.monitor.review_counts import MIN_LABELS, CellVerdicts, LabelCounts, by_item, count_labels
from harness.monitor.review_rule import ReviewPair, is_lower, week_spread
from harness.monitor.sheets import Sheet, SheetItem
from harness.monitor.signals import REFERENCE_WEEKS
from harness.project import evals
from harness.project.config import Config
from harness.project.evals import Eval
from harness.runner.project import Project
from harness.store import verdicts
from harness.store.run_query import RunQuery
from harness.store.runs import Store
from harness.store.verdicts import VerdictStratum, VerdictTotals

CellId = tuple[str, str]
"""Task and cell."""


@dataclass(frozen=True, slots=True)
class ReviewBaseline:
    """The strict accuracy to compare a review with, its source as text, and the number of reviews that it pools."""

    strict: Rate
    source: str
    reviews: int = 0


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Settings of a reviewed task, from its eval. `definition`: `None` if the eval was deleted or is invalid."""

    task: str
    definition: Eval | None

    @classmethod
    def of(cls, config: Config, task: str) -> TaskSettings:
        """Read the settings of a task."""
        try:
            return cls(task, evals.find(config.root, [task])[0])
        except ConfigError:
            return cls(task, None)

    @property
    def is_comparable(self) -> bool:
        """Whether golden scores measure the same as reviewers' labels."""
        return self.definition is None or task_capabilities(self.definition.task).reviewable

    @property
    def margin(self) -> float:
        """Allowed loss, as a share."""
        return (self.definition and self.definition.gates.max_regression) or DEFAULT_MARGIN

    def cell(self, items: Sequence[SheetItem]) -> str:
        """Return the cell name of these calls; empty if the caller sent messages of its own."""
        variant = next((item.variant for item in items if item.variant), "")
        decoding = self.definition.decoding[0] if self.definition else "free"
        return cell_name(variant, items[0].backend, decoding) if variant else ""


@dataclass(frozen=True, slots=True)
class ReviewHistory:
    """The bases of one cell: a fixed base, or else the cell's earlier reviews, newest first.

    `spread`: standard deviation between weeks of the true accuracy, in log-odds. `cells`: cells under review.
    """

    fixed: ReviewBaseline | None
    reviews: tuple[tuple[str, LabelCounts], ...]
    spread: float
    cells: int

    def compare(self, counts: LabelCounts) -> tuple[ReviewBaseline | None, Unpaired | None]:
        """Return the base of a review and the review's difference from it."""
        base = self.fixed or self._pooled()
        if base is None or not counts.strict.n:
            return base, None
        change = unpaired(
            base.strict,
            counts.strict,
            base_size=self._base_size(base),
            head_size=counts.effective_n,
            spread=self.spread,
        )
        return base, change

    def was_lower(self, margin: float) -> bool:
        """Return whether the newest earlier review was below its own base."""
        if not self.reviews:
            return False
        (_, newest), *older = self.reviews
        _, change = ReviewHistory(self.fixed, tuple(older), self.spread, self.cells).compare(newest)
        return change is not None and is_lower(change, margin, self.cells)

    def _pooled(self) -> ReviewBaseline | None:
        if not self.reviews:
            return None
        n, newest = len(self.reviews), self.reviews[0][0]
        source = f"{n} earlier reviews, the newest {newest}" if n > 1 else f"review of {newest}"
        return ReviewBaseline(stratified_rate(self._strata), source, n)

    @property
    def _strata(self) -> list[Stratum]:
        return [stratum for _, earlier in self.reviews for stratum in earlier.strata]

    def _base_size(self, base: ReviewBaseline) -> float:
        """Return the effective size of the base. Earlier reviews differ from week to week as the new one does."""
        if not base.reviews:
            return float(base.strict.n)
        each = effective_n(self._strata) / base.reviews
        share = base.strict.value
        return base.reviews * varied_n(each, share * (1 - share), self.spread)


@dataclass(frozen=True, slots=True)
class SheetVerdicts:
    """A judge's verdicts on the replies of a sheet's period; empty without a judge."""

    totals: Mapping[VerdictStratum, VerdictTotals]
    by_call: Mapping[int, bool]

    @classmethod
    def of(cls, store: Store, sheet: Sheet) -> SheetVerdicts:
        """Read the verdicts of a sheet."""
        totals = verdicts.totals(store, sheet.sheet)
        by_call = verdicts.of_calls(store, sheet.sheet, [item.call_id for item in sheet.items]) if totals else {}
        return cls(totals, by_call)

    def of_cell(self, items: Sequence[SheetItem]) -> CellVerdicts:
        """Return the verdicts on the calls that the items of one cell were drawn from."""
        task, backend = items[0].task, items[0].backend
        totals = {each.outcome: found for each, found in self.totals.items() if each[:2] == (task, backend)}
        return CellVerdicts(totals, self.by_call)


@dataclass(frozen=True, slots=True)
class ReviewedSheet:
    """A labelled sheet and the counts of its cells with at least `MIN_LABELS` labels."""

    sheet: Sheet
    counts: Mapping[CellId, LabelCounts]


@dataclass(frozen=True)
class RecentReviews:
    """The reviews of the half year up to a sheet, which give its bases, and the settings of their tasks."""

    project: Project
    sheet: Sheet
    _settings: dict[str, TaskSettings] = field(default_factory=dict)

    def settings(self, task: str) -> TaskSettings:
        """Return the settings of a task, read once."""
        if task not in self._settings:
            self._settings[task] = TaskSettings.of(self.project.config, task)
        return self._settings[task]

    def history(self, task: str, cell: str) -> ReviewHistory:
        """Return the bases of a cell."""
        return ReviewHistory(
            self._fixed_base(task, cell), tuple(self._earlier_of((task, cell))), self.spread, self.n_cells
        )

    @cached_property
    def n_cells(self) -> int:
        """Number of cells under review in this half year, at least 1. The rule for false alarms covers them all."""
        return max(1, len({cell for each in self._labelled for cell in each.counts}))

    @cached_property
    def spread(self) -> float:
        """Standard deviation between weeks of the true accuracy, in log-odds."""
        cells = {cell for each in self._earlier for cell in each.counts}
        pairs = []
        for cell in sorted(cells):
            counts = [each for _, each in self._earlier_of(cell)]
            rates = [(each.strict.value, each.effective_n) for each in reversed(counts)]
            pairs += [ReviewPair(*before, *after) for before, after in pairwise(rates)]
        return week_spread(pairs)

    @cached_property
    def _labelled(self) -> list[ReviewedSheet]:
        """The labelled sheets of the half year up to the end of this sheet, newest first."""
        store, oldest = self.project.store, datetime.fromisoformat(self.sheet.since) - timedelta(weeks=REFERENCE_WEEKS)
        labelled = []
        for name in sheets.labelled_sheets(store):
            sheet = sheets.load(store, name)
            if oldest.isoformat() <= sheet.since and sheet.until <= self.sheet.until:
                labelled.append(ReviewedSheet(sheet, self._counts(store, sheet)))
        return labelled

    @cached_property
    def _earlier(self) -> list[ReviewedSheet]:
        return [each for each in self._labelled if each.sheet.until <= self.sheet.since]

    def _counts(self, store: Store, sheet: Sheet) -> dict[CellId, LabelCounts]:
        items: dict[CellId, list[SheetItem]] = defaultdict(list)
        for item in sheet.items:
            if cell := self.settings(item.task).cell([item]):
                items[item.task, cell].append(item)
        labels = by_item(sheets.labels_of(store, sheet.sheet))
        judged = SheetVerdicts.of(store, sheet)
        counts = {cell: count_labels(of_cell, labels, judged.of_cell(of_cell)) for cell, of_cell in items.items()}
        return {cell: each for cell, each in counts.items() if each.strict.n >= MIN_LABELS}

    def _earlier_of(self, cell: CellId) -> Iterator[tuple[str, LabelCounts]]:
        """Yield the counts of one cell in earlier sheets, newest first. Skip sheets that overlap a newer one."""
        newer_since = ""
        for each in self._earlier:
            if cell in each.counts and not (newer_since and each.sheet.until > newer_since):
                newer_since = each.sheet.since
                yield each.sheet.sheet, each.counts[cell]

    def _fixed_base(self, task: str, cell: str) -> ReviewBaseline | None:
        """Return the saved baseline, or else the newest run of the cell without a case limit."""
        if not self.settings(task).is_comparable:
            return None
        saved = baseline.load(self.project.root, task, cell)
        if saved is not None:
            return ReviewBaseline(_strict(saved), f"baseline of {saved.started_at[:10]}")
        store = self.project.store
        newest = store.newest(RunQuery(eval=task, cell=cell, finished=True, whole=True, origins=OWN_ORIGINS))
        if newest is not None:
            return ReviewBaseline(_strict(outcomes_of(store.with_results(newest))), f"run {newest.run_id}")
        return None


def _strict(outcomes: RunOutcomes) -> Rate:
    return clustered_rate([(case.strict, case.judged) for case in outcomes.cases.values() if case.judged])
