"""Run references: names of saved runs on the command line.

20261124-231500-3f2a        a run id, or a prefix of one
ticket_triage/local@q4      the newest finished run of that cell; `local@q4` or `q4` if only one cell matches
ticket_triage/local@q4~1    the finished run before it
latest, previous            the newest finished run; the run before it of the same eval and cell
previous and latest         together: the newest run of every cell and the run before it, see `newest_pairs`
latest#weekly               #TAG: only runs with this tag, such as `local@q4#weekly` or `local@q4#weekly~1`

A sample (`--limit`, `--case`, `--filter`) is found by its run id, and by the other names only after all whole runs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import NamedTuple

from harness.core.errors import StoreError
from harness.core.formatting import plural
from harness.core.toml import hint
from harness.core.types import Manifest, Run, RunOrigin
from harness.store.run_query import RunQuery
from harness.store.runs import SavedCell, Store

TAG = re.compile(r"[^\W_][\w.-]{0,63}")
"""A tag, as it may follow the #."""
_REFERENCE = re.compile(rf"(.+?)(?:#({TAG.pattern}))?(?:~(\d{{1,6}}))?")


class CellPair(NamedTuple):
    """The newest run of a cell, and the run before it; `None` if there is none."""

    base: Manifest | None
    head: Manifest


def pairing_tag(base: str, head: str) -> str | None:
    """The tag in `previous#TAG` and `latest#TAG`, empty for `previous` and `latest`; else `None`."""
    (name, _, tag), (newest, _, same) = base.partition("#"), head.partition("#")
    return tag if (name, newest) == ("previous", "latest") and tag == same else None


def newest_pairs(store: Store, tag: str = "", eval_name: str | None = None) -> list[CellPair]:
    """The newest finished run of each eval and cell, with the run before it over the same split and sample size.

    Runs over all cases precede samples. Raises `StoreError` if no run matches.
    """
    _check_eval(store, eval_name)
    origins = frozenset(RunOrigin) - {RunOrigin.JUDGED}
    finished = RunQuery(eval=eval_name, finished=True, tags=(tag,) if tag else (), origins=origins)
    if tag:
        _check_tag(store, finished, tag)
    heads = store.manifests(replace(finished, whole_first=True, newest_per_cell=True))
    if not heads:
        raise StoreError(_no_runs(store))
    return [CellPair(_before(store, finished, head), head) for head in sorted(heads, key=lambda m: (m.eval, m.cell))]


def _before(store: Store, finished: RunQuery, head: Manifest) -> Manifest | None:
    same = replace(finished, eval=head.eval, cell=head.cell, splits=(head.split,))
    return store.newest(replace(same, whole=head.limit is None, case_limit=head.limit, offset=1))


def find_run(store: Store, reference: str, eval_name: str | None = None) -> Run:
    """The run that `reference` names, of `eval_name` if given. Raises `StoreError` with the nearest names."""
    _check_eval(store, eval_name)
    parts = _REFERENCE.fullmatch(reference)
    name, tag, age = (parts[1], parts[2], int(parts[3] or 0)) if parts else (reference, None, 0)
    finished = RunQuery(eval=eval_name, finished=True, tags=(tag,) if tag else (), whole_first=True)
    if tag:
        _check_tag(store, finished, tag)
    if name in {"latest", "previous"}:
        cell = _newest_cell(store, finished)
        name, age = f"{cell.eval}/{cell.cell}", age + (name == "previous")
    else:
        named = _cell_named(store, finished, name)
        if named is None:
            return _by_id(store, reference)
        cell = named
    of_cell = replace(finished, eval=cell.eval, cell=cell.cell)
    manifest = store.newest(replace(of_cell, offset=age))
    if manifest is None:
        tagged = f" tagged {tag}" if tag else ""
        n = store.count_runs(of_cell)
        msg = f"{reference!r}: only {plural(n, 'finished run')} of {name}{tagged} in {store.url}"
        raise StoreError(msg)
    return store.with_results(manifest)


def _check_eval(store: Store, eval_name: str | None) -> None:
    if eval_name and store.newest(RunQuery(eval=eval_name)) is None:
        near = hint(eval_name, {cell.eval for cell in store.cells()})
        msg = f"no eval {eval_name!r} with a saved run in {store.url}{near}"
        raise StoreError(msg)


def _no_runs(store: Store) -> str:
    return f"no finished runs in {store.url}: `harness run` makes some"


def _by_id(store: Store, reference: str) -> Run:
    if not store.has_run(reference):
        known = sorted({name for cell in store.cells() for name in cell})
        near = get_close_matches(reference[:100], known, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        msg = f"no run {reference!r} in {store.url}{meant}: `harness history` lists them"
        raise StoreError(msg)
    return store.load(reference)


def _check_tag(store: Store, finished: RunQuery, tag: str) -> None:
    if store.newest(finished) is None:
        known = store.tags(replace(finished, tags=()))
        msg = f"no finished run tagged {tag!r} in {store.url}{hint(tag, known)}"
        raise StoreError(msg)


def _newest_cell(store: Store, finished: RunQuery) -> SavedCell:
    manifest = store.newest(finished)
    if manifest is None:
        raise StoreError(_no_runs(store))
    return SavedCell(manifest.eval, manifest.cell, manifest.backend)


def _cell_named(store: Store, finished: RunQuery, name: str) -> SavedCell | None:
    """The cell called `name`. `None` if the name can only be a run id."""
    cells = store.cells(finished)
    exact = [c for c in cells if name == f"{c.eval}/{c.cell}"]
    matches = exact or [c for c in cells if name in {c.cell, c.backend, f"{c.eval}/{c.backend}"}]
    if len(matches) > 1:
        titles = ", ".join(f"{c.eval}/{c.cell}" for c in matches[:5])
        msg = f"{name!r} is ambiguous: use one of {titles}"
        raise StoreError(msg)
    if matches:
        return matches[0]
    if "@" in name or "/" in name:
        msg = f"no finished run of {name!r} in {store.url}{hint(name, [f'{c.eval}/{c.cell}' for c in cells])}"
        raise StoreError(msg)
    return None
