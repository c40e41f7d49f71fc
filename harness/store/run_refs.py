"""Which run a user means: by id, by cell, by age.

20261124-231500-3f2a        an id, or the beginning of one
ticket_triage/local@q4      the newest finished run of that cell; `local@q4` or `q4` where that is clear
ticket_triage/local@q4~1    the one before it
latest, previous            the newest finished run of all, and the one before it of the same eval and cell
latest#weekly               with #TAG, of the runs that have this tag only: `local@q4#weekly`, `local@q4#weekly~1`

A number of hundreds of runs is looked through by their manifests alone; results are read of the one that is meant.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from harness.core.errors import StoreError
from harness.core.toml import hint
from harness.core.types import Manifest, Run
from harness.store.runs import Store

TAG = re.compile(r"[^\W_][\w.-]{0,63}")
"""What may stand after the #."""
_REFERENCE = re.compile(rf"(.+?)(?:#({TAG.pattern}))?(?:~(\d{{1,6}}))?")


def find_run(store: Store, reference: str, eval_name: str | None = None) -> Run:
    """The run that `reference` names, among those of `eval_name` if given; raises `StoreError` with what there is."""
    saved = store.manifests(eval_name)
    if eval_name and not saved:
        near = hint(eval_name, {m.eval for m in store.manifests()})
        msg = f"no eval {eval_name!r} with a saved run in {store.url}{near}"
        raise StoreError(msg)
    finished = [m for m in saved if m.finished_at]
    parts = _REFERENCE.fullmatch(reference)
    name, tag, age = (parts[1], parts[2], int(parts[3] or 0)) if parts else (reference, None, 0)
    if tag:
        finished = _tagged(store, finished, tag)
    if name in {"latest", "previous"}:
        name, age = _newest(store, finished), age + (name == "previous")
    found = _named(store, finished, name)
    if not found:
        return _by_id(store, reference)
    if age >= len(found):
        tagged = f" tagged {tag}" if tag else ""
        msg = f"{reference!r}: there are only {len(found)} finished runs of {name}{tagged} in {store.url}"
        raise StoreError(msg)
    return Run(found[age], tuple(store.results(found[age].run_id)))


def _by_id(store: Store, reference: str) -> Run:
    """The run of that id, or of the one that begins so; raises `StoreError` with the nearest name of something else."""
    saved = store.manifests()
    if not any(m.run_id.lower().startswith(reference.lower()) for m in saved):  # as SQLite's LIKE looks for it
        known = sorted({name for m in saved for name in (m.eval, m.cell, m.backend)})
        near = get_close_matches(reference[:100], known, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        msg = f"no run {reference!r} in {store.url}{meant}: `harness history` lists them"
        raise StoreError(msg)
    return store.load(reference)


def _tagged(store: Store, finished: list[Manifest], tag: str) -> list[Manifest]:
    found = [m for m in finished if tag in m.tags]
    if not found:
        msg = f"no finished run tagged {tag!r} in {store.url}{hint(tag, {tag for m in finished for tag in m.tags})}"
        raise StoreError(msg)
    return found


def _newest(store: Store, finished: list[Manifest]) -> str:
    if not finished:
        msg = f"no finished runs in {store.url}: `harness run` makes some"
        raise StoreError(msg)
    return f"{finished[0].eval}/{finished[0].cell}"


def _named(store: Store, finished: list[Manifest], name: str) -> list[Manifest]:
    """The runs of the cell called `name`, newest first; empty where it is no cell."""
    for names_of in (lambda m: {f"{m.eval}/{m.cell}"}, lambda m: {m.cell, m.backend, f"{m.eval}/{m.backend}"}):
        found = [m for m in finished if name in names_of(m)]
        cells = sorted({f"{m.eval}/{m.cell}" for m in found})
        if len(cells) > 1:
            msg = f"{name!r} could be {', '.join(cells[:5])}: say which"
            raise StoreError(msg)
        if found:
            return found
    if "@" in name or "/" in name:
        cells = sorted({f"{m.eval}/{m.cell}" for m in finished})
        msg = f"no finished run of {name!r} in {store.url}{hint(name, cells)}"
        raise StoreError(msg)
    return []
