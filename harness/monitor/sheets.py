"""What was drawn for review, and what people said of it, in tables of their own in the store.

Of a call is kept what the verdict needs (what was read from the reply, whether it was as agreed, its stratum), not what
customers wrote: that is in the sheet's files only. So a label file that comes back brings labels, and nothing else of
it has to be believed; and the verdict can be told when the calls are long forgotten.
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
    """One reply to be reviewed. `said`: its stratum's; `size`: how many calls that stratum had.

    `by_label`: its task has a list of labels, and people say which is right; else they say whether the reply is.
    """

    item: int
    task: str
    backend: str
    variant: str
    called_at: str
    call_id: int
    value: JSON
    compliant: bool | None
    said: str
    size: int
    by_label: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sample. `choices`: task -> labels, of tasks that have a list of them. `since`, `until` as calls' times."""

    sheet: str
    drawn_at: str
    since: str
    until: str
    seed: int
    choices: Mapping[str, tuple[str, ...]]
    items: tuple[SheetItem, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SheetLabel:
    """What one person said of one item: a label of the task or `right`, `wrong`; or `UNCLEAR`."""

    item: int
    reviewer: str
    label: str
    correct: str = ""
    note: str = ""


RIGHT, WRONG = "right", "wrong"
UNCLEAR = "?"
"""Said of what a person could not tell."""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """What to draw. `since`, `until` as calls' times; `tasks`: only these, all if there are none."""

    since: str
    until: str
    per_task: int = 100
    seed: int = 0
    tasks: tuple[str, ...] = ()


def draw(
    store: Store, labels: Mapping[str, Sequence[str]], wanted: SampleRequest
) -> tuple[Sheet, tuple[sampling.SampledCall, ...]]:
    """Draw a sample and keep what it takes to judge it; raises `ConfigError` where there is nothing to draw.

    The same calls and the same arguments give the same sheet, and do not touch what was said of it.
    """
    since, until, seed = wanted.since, wanted.until, wanted.seed
    there = [task for task in traffic.tasks(store) if not wanted.tasks or task in wanted.tasks]

    def logged() -> Iterable[traffic.RoutedCall]:
        return (call for task in there for call in traffic.read(store, task=task, since=since, until=until))

    found = sampling.strata(logged(), labels)
    if not found:
        raise ConfigError(_nothing(wanted, has_calls=any(True for _ in logged())))
    drawn = sampling.arrange(logged(), sampling.choose(found, wanted.per_task, seed), found, seed)
    items = tuple(
        SheetItem(
            item=one.item,
            task=one.call.task,
            backend=one.call.backend,
            variant=one.call.variant,
            called_at=one.call.called_at,
            call_id=one.call.call_id or 0,
            value=one.call.value,
            compliant=one.call.compliant,
            said=one.stratum.said,
            size=one.size,
            by_label=bool(labels.get(one.call.task)),
        )
        for one in drawn
    )
    used = {item.task for item in items}
    choices = {task: tuple(labels[task]) for task in sorted(used) if labels.get(task)}
    content = serialize.dump([since, until, seed, choices, [serialize.dump(_record(item)) for item in items]])
    week = weeks.name(weeks.holding(since, until))
    sheet = f"{week.lower()}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    made = Sheet(sheet, ids.now(), since, until, seed, choices, items)
    _keep(store, made)
    return made, drawn


def load(store: Store, sheet: str) -> Sheet:
    """A sheet by its name; raises `StoreError` with what there is."""
    with store.connection() as connection:
        row = connection.execute(sa.select(REVIEW_SHEETS).where(REVIEW_SHEETS.c.sheet == sheet)).one_or_none()
        if row is not None:
            query = sa.select(REVIEW_ITEMS.c.record).where(REVIEW_ITEMS.c.sheet == sheet).order_by(REVIEW_ITEMS.c.item)
            items = tuple(SheetItem(**json.loads(record)) for record in connection.scalars(query))
            head = json.loads(row.head)
            choices = {task: tuple(labels) for task, labels in head["choices"].items()}
            return Sheet(sheet, row.drawn_at, head["since"], head["until"], head["seed"], choices, items)
    known = names(store)
    there = f"; the newest there are: {', '.join(known[:3])}" if known else ""
    msg = f"no review sheet {sheet!r} in {store.url}: labels go to the store that it was drawn from{there}"
    raise StoreError(msg)


def names(store: Store) -> list[str]:
    """All sheets, by the end of what they were drawn from, the newest first."""
    with store.connection() as connection:
        rows = connection.execute(
            sa.select(REVIEW_SHEETS.c.sheet, REVIEW_SHEETS.c.drawn_at, REVIEW_SHEETS.c.head)
        ).all()
    return [row.sheet for row in sorted(rows, key=lambda r: (json.loads(r.head)["until"], r.drawn_at), reverse=True)]


def add_labels(store: Store, sheet: str, labels: Sequence[SheetLabel]) -> None:
    """Keep what people said; what the same person said of the same item before is replaced."""
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
    """All that was said of a sheet, by item and reviewer."""
    with store.connection() as connection:
        query = (
            sa.select(REVIEW_LABELS)
            .where(REVIEW_LABELS.c.sheet == sheet)
            .order_by(REVIEW_LABELS.c.item, REVIEW_LABELS.c.reviewer)
        )
        return [SheetLabel(row.item, row.reviewer, **json.loads(row.record)) for row in connection.execute(query)]


def reviewed(store: Store) -> list[str]:
    """The sheets of which anything was said, the newest first."""
    with store.connection() as connection:
        labelled = set(connection.scalars(sa.select(REVIEW_LABELS.c.sheet).distinct()))
    return [name for name in names(store) if name in labelled]


def _keep(store: Store, sheet: Sheet) -> None:
    head = {"since": sheet.since, "until": sheet.until, "seed": sheet.seed, "choices": sheet.choices}
    rows = [{"sheet": sheet.sheet, "item": i.item, "record": serialize.dump(_record(i))} for i in sheet.items]
    with store.connection(writing=True) as connection:
        for table in (REVIEW_SHEETS, REVIEW_ITEMS):
            connection.execute(table.delete().where(table.c.sheet == sheet.sheet))
        connection.execute(
            REVIEW_SHEETS.insert().values(sheet=sheet.sheet, drawn_at=sheet.drawn_at, head=serialize.dump(head))
        )
        connection.execute(REVIEW_ITEMS.insert(), rows)


def _record(item: SheetItem) -> dict[str, Any]:
    return {name: getattr(item, name) for name in SheetItem.__slots__}


def _nothing(wanted: SampleRequest, *, has_calls: bool) -> str:
    of = f" of {', '.join(wanted.tasks)}" if wanted.tasks else ""
    between = f"{wanted.since[:10]} to {weeks.last_day(wanted.until)}"
    if has_calls:
        return (
            f"calls{of} from {between} were logged without their texts, so nobody can review them: "
            "set texts = true in [log] of harness.toml, and sample what is logged from then on"
        )
    return f"no calls{of} were logged from {between}: `harness sample --since 30d` looks further back"
