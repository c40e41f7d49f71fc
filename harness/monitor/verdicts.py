"""What the labels of a sheet come to: the week's accuracy with its interval, held against the baseline.

Right is a reply whose value, as a careful reader reads it, is what people say is right; strict accuracy counts of these
only the replies that were as agreed, as everywhere. It is judged per cell, as baselines are. What people could not tell
counts on neither side. Where several people labelled a reply it counts once, by the share of them who found it right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness import baseline, evals
from harness.compare import Question, Side, Verdict, side
from harness.compare.verdicts import DEFAULT_MARGIN
from harness.config import Config
from harness.errors import ConfigError
from harness.monitor import sheets
from harness.monitor.sheets import RIGHT, UNCLEAR, Item, Label, Sheet
from harness.stats import Interval, Rate, clustered_rate, kappa
from harness.stats.unpaired import Stratum, Unpaired, effective_n, stratified_rate, unpaired
from harness.store import Store
from harness.types import cell_name

FEWEST = 20
"""A cell of which fewer replies were labelled is not judged: it answers only where another did not."""

OTHER_MEASURE = frozenset({"summarization", "embedding"})
"""Task kinds whose golden score is no right or wrong that people would give: held against an earlier review only."""


@dataclass(frozen=True, slots=True)
class Base:
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
    effective: float
    size: int
    n_unclear: int
    n_open: int
    margin: float
    base: Base | None
    change: Unpaired | None
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
    by_cell: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in sheet.items:
        by_cell[item.task, item.backend].append(item)
    said = _by_item(labels)
    cells = []
    for (task, _), items in sorted(by_cell.items(), key=lambda one: (one[0][0], -len(one[1]), one[0][1])):
        measured = measure(items, said)
        cell = _cell(found, task, items)
        base = _base(found, store, task, cell, sheet) if cell else None
        cells.append(_judged(found, task, cell or f"(own messages)@{items[0].backend}", measured, base))
    reviewers = tuple(sorted({label.reviewer for label in labels}))
    return Review(sheet, reviewers, tuple(cells), tuple(_agreements(sheet, labels)))


@dataclass(frozen=True, slots=True)
class Measured:
    """The labels of one cell, counted."""

    strict: Rate
    lenient: Rate
    effective: float
    size: int
    n_unclear: int
    n_open: int


def measure(items: Sequence[Item], said: Mapping[int, Sequence[Label]]) -> Measured:
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
    return Measured(
        stratified_rate(strict),
        stratified_rate(lenient),
        effective_n(strict),
        sum(sizes.values()),
        n_unclear,
        n_open,
    )


def is_right(item: Item, label: Label) -> bool:
    """Whether what was read from the reply is what a person says it should be."""
    return label.label == (item.value if item.by_label else RIGHT)


def _judged(found: Config, task: str, cell: str, m: Measured, base: Base | None) -> CellReview:
    margin = _margin(found, task)
    change = unpaired(base.strict, m.strict, head_size=m.effective) if base and m.strict.n else None
    verdict: Verdict | None = None
    if m.strict.n >= FEWEST:
        verdict = Question("change", margin).answer(change) if change else Verdict.INCONCLUSIVE
    return CellReview(
        task, cell, m.strict, m.lenient, m.effective, m.size, m.n_unclear, m.n_open, margin, base, change, verdict
    )


def _by_item(labels: Sequence[Label]) -> dict[int, list[Label]]:
    found: dict[int, list[Label]] = defaultdict(list)
    for label in labels:
        found[label.item].append(label)
    return found


def _definition(found: Config, task: str) -> evals.Eval | None:
    """The eval of a task, `None` where it is no longer there."""
    try:
        return evals.find(found.root, [task])[0]
    except ConfigError:
        return None


def _margin(found: Config, task: str) -> float:
    definition = _definition(found, task)
    return (definition and definition.gates.max_regression) or DEFAULT_MARGIN


def _cell(found: Config, task: str, items: Sequence[Item]) -> str:
    """What the cell of these calls is called; empty where the caller brought messages of its own."""
    definition = _definition(found, task)
    variant = next((item.variant for item in items if item.variant), "")
    return cell_name(variant, items[0].backend, definition.decoding[0] if definition else "free") if variant else ""


def _base(found: Config, store: Store, task: str, cell: str, sheet: Sheet) -> Base | None:
    """The saved baseline; else the newest whole run of the cell; else the newest earlier review of it."""
    definition = _definition(found, task)
    if definition is None or definition.task not in OTHER_MEASURE:
        saved = baseline.load(found.root, task, cell)
        if saved is not None:
            return Base(_strict(saved), f"baseline of {saved.started_at[:10]}")
        newest = next((run for run in store.latest(task) if run.manifest.cell == cell), None)
        if newest is not None and newest.manifest.limit is None:
            return Base(_strict(side(newest)), f"run {newest.manifest.run_id}")
    for name in sheets.reviewed(store):
        earlier = sheets.load(store, name)
        if earlier.until > sheet.since:
            continue
        items = [i for i in earlier.items if i.task == task and _cell(found, task, [i]) == cell]
        measured = measure(items, _by_item(sheets.labels_of(store, name)))
        if measured.strict.n >= FEWEST:
            return Base(measured.strict, f"review of {name}")
    return None


def _strict(of: Side) -> Rate:
    return clustered_rate([(case.strict, case.asked) for case in of.cases.values() if case.asked])


def _agreements(sheet: Sheet, labels: Sequence[Label]) -> Iterator[Agreement]:
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
