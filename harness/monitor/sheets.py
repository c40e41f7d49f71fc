"""Review sheets: samples of logged calls and people's labels, in their own tables of the store.

The store keeps what the verdict needs: the value, whether the reply kept the contract, the stratum. Customers' texts
are only in the sheet's files. So only the labels of an imported file are trusted, and a review works after the calls
were deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from harness.core import ids
from harness.core.errors import ConfigError, StoreError
from harness.core.types import JSON
from harness.monitor import sampling, weeks
from harness.store import serialize, traffic
from harness.store.runs import Store
from harness.store.schema import REVIEW_ITEMS, REVIEW_LABELS, REVIEW_SHEETS


@dataclass(frozen=True, slots=True)
class SheetItem:
    """One reply to review. `outcome` and `size`: those of its stratum.

    `by_label`: the task has a list of labels and reviewers choose one. Otherwise they choose right or wrong.
    """

    item: int
    task: str
    backend: str
    variant: str
    called_at: str
    call_id: int
    value: JSON
    compliant: bool | None
    outcome: str
    size: int
    by_label: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sample. `choices`: task -> labels, for tasks with a list of labels. `since`, `until`: ISO 8601 times."""

    sheet: str
    drawn_at: str
    since: str
    until: str
    seed: int
    choices: Mapping[str, tuple[str, ...]]
    items: tuple[SheetItem, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SheetLabel:
    """One reviewer's label of one item: a label of the task, `right`, `wrong` or `UNCLEAR`."""

    item: int
    reviewer: str
    label: str
    correct: str = ""
    note: str = ""


RIGHT, WRONG = "right", "wrong"
UNCLEAR = "?"
"""The label of a reply that the reviewer could not judge."""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """What to draw. `since`, `until`: ISO 8601 times; `tasks`: only these tasks, all tasks if empty."""

    since: str
    until: str
    per_task: int = 100
    seed: int = 0
    tasks: tuple[str, ...] = ()


def draw(
    store: Store, labels: Mapping[str, Sequence[str]], request: SampleRequest
) -> tuple[Sheet, tuple[sampling.SampledCall, ...]]:
    """Draw a sample and save its sheet; raises `ConfigError` if there are no calls to draw.

    The same calls and arguments give the same sheet, and keep the labels that it already has.
    """
    since, until, seed = request.since, request.until, request.seed
    tasks = [task for task in traffic.tasks(store) if not request.tasks or task in request.tasks]

    def logged() -> Iterable[traffic.RoutedCall]:
        return (call for task in tasks for call in traffic.read(store, task=task, since=since, until=until))

    by_stratum = sampling.strata(logged(), labels)
    if not by_stratum:
        raise ConfigError(_nothing_to_draw(request, has_calls=any(True for _ in logged())))
    chosen = sampling.choose(by_stratum, request.per_task, seed)
    drawn = sampling.arrange(logged(), chosen, by_stratum, seed)
    items = tuple(_item(sampled, by_label=bool(labels.get(sampled.call.task))) for sampled in drawn)
    used = {item.task for item in items}
    choices = {task: tuple(labels[task]) for task in sorted(used) if labels.get(task)}
    content = serialize.dump([since, until, seed, choices, [serialize.dump(_record(item)) for item in items]])
    week = weeks.name(weeks.holding(since, until))
    name = f"{week.lower()}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    sheet = Sheet(name, ids.now(), since, until, seed, choices, items)
    _save(store, sheet)
    return sheet, drawn


def load(store: Store, sheet: str) -> Sheet:
    """Load a sheet by its name; raises `StoreError` with the newest names if it does not exist."""
    with store.connection() as connection:
        row = connection.execute(sa.select(REVIEW_SHEETS).where(REVIEW_SHEETS.c.sheet == sheet)).one_or_none()
        if row is not None:
            query = sa.select(REVIEW_ITEMS.c.record).where(REVIEW_ITEMS.c.sheet == sheet).order_by(REVIEW_ITEMS.c.item)
            items = tuple(_from_record(json.loads(record)) for record in connection.scalars(query))
            head = json.loads(row.head)
            choices = {task: tuple(labels) for task, labels in head["choices"].items()}
            return Sheet(sheet, row.drawn_at, head["since"], head["until"], head["seed"], choices, items)
    known = names(store)
    newest = f" (newest sheets: {', '.join(known[:3])})" if known else ""
    msg = (
        f"no review sheet {sheet!r} in {store.url}: import labels into the store that the sheet was drawn from{newest}"
    )
    raise StoreError(msg)


def names(store: Store) -> list[str]:
    """Return the names of all sheets, newest period first."""
    with store.connection() as connection:
        rows = connection.execute(
            sa.select(REVIEW_SHEETS.c.sheet, REVIEW_SHEETS.c.drawn_at, REVIEW_SHEETS.c.head)
        ).all()
    return [row.sheet for row in sorted(rows, key=lambda r: (json.loads(r.head)["until"], r.drawn_at), reverse=True)]


def add_labels(store: Store, sheet: str, labels: Sequence[SheetLabel]) -> None:
    """Save labels. A reviewer's earlier label of the same item is replaced."""
    now = ids.now()
    rows = [
        {
            "sheet": sheet,
            "item": label.item,
            "reviewer": label.reviewer,
            "imported_at": now,
            "record": serialize.dump({"label": label.label, "correct": label.correct, "note": label.note}),
        }
        for label in labels
    ]
    with store.connection(writing=True) as connection:
        for row in rows:
            same = [REVIEW_LABELS.c[name] == row[name] for name in ("sheet", "item", "reviewer")]
            connection.execute(REVIEW_LABELS.delete().where(*same))
        connection.execute(REVIEW_LABELS.insert(), rows)


def labels_of(store: Store, sheet: str) -> list[SheetLabel]:
    """Return all labels of a sheet, by item and reviewer."""
    with store.connection() as connection:
        query = (
            sa.select(REVIEW_LABELS)
            .where(REVIEW_LABELS.c.sheet == sheet)
            .order_by(REVIEW_LABELS.c.item, REVIEW_LABELS.c.reviewer)
        )
        return [SheetLabel(row.item, row.reviewer, **json.loads(row.record)) for row in connection.execute(query)]


def labelled_sheets(store: Store) -> list[str]:
    """Return the names of the sheets that have labels, newest period first."""
    with store.connection() as connection:
        labelled = set(connection.scalars(sa.select(REVIEW_LABELS.c.sheet).distinct()))
    return [name for name in names(store) if name in labelled]


def _save(store: Store, sheet: Sheet) -> None:
    head = {"since": sheet.since, "until": sheet.until, "seed": sheet.seed, "choices": sheet.choices}
    rows = [{"sheet": sheet.sheet, "item": i.item, "record": serialize.dump(_record(i))} for i in sheet.items]
    with store.connection(writing=True) as connection:
        for table in (REVIEW_SHEETS, REVIEW_ITEMS):
            connection.execute(table.delete().where(table.c.sheet == sheet.sheet))
        connection.execute(
            REVIEW_SHEETS.insert().values(sheet=sheet.sheet, drawn_at=sheet.drawn_at, head=serialize.dump(head))
        )
        connection.execute(REVIEW_ITEMS.insert(), rows)


def _item(sampled: sampling.SampledCall, *, by_label: bool) -> SheetItem:
    call = sampled.call
    return SheetItem(
        item=sampled.item,
        task=call.task,
        backend=call.backend,
        variant=call.variant,
        called_at=call.called_at,
        call_id=call.call_id or 0,
        value=call.value,
        compliant=call.compliant,
        outcome=sampled.stratum.outcome,
        size=sampled.size,
        by_label=by_label,
    )


def _record(item: SheetItem) -> dict[str, Any]:
    """Return an item as stored. The key of `outcome` is `said`, as in the first version of the table."""
    return {"said" if name == "outcome" else name: getattr(item, name) for name in SheetItem.__slots__}


def _from_record(record: dict[str, Any]) -> SheetItem:
    return SheetItem(outcome=record.pop("said"), **record)


def _nothing_to_draw(request: SampleRequest, *, has_calls: bool) -> str:
    of_tasks = f" of {', '.join(request.tasks)}" if request.tasks else ""
    period = f"{request.since[:10]} to {weeks.last_day(request.until)}"
    if has_calls:
        return (
            f"calls{of_tasks} from {period} were logged without their texts and cannot be reviewed: "
            "set texts = true in [log] of harness.toml, and sample later calls"
        )
    return f"no calls{of_tasks} were logged from {period}: look further back with `harness sample --since 30d`"
