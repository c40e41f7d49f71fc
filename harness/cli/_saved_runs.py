"""Find saved runs by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.core.types import Run
    from harness.store.runs import Store


def find_runs(store: Store, name: str | None, backends: Iterable[str] = ()) -> list[Run]:
    """The newest run of each cell of an eval (only on `backends`, if given), or the run with that id."""
    from harness.interop import is_imported
    from harness.store.run_refs import find_run

    known = set(backends)
    latest = store.latest(name)
    runs = [run for run in latest if not known or run.manifest.backend in known or is_imported(run.manifest)]
    return runs if runs or name is None else [find_run(store, name)]
