"""One run per cell and session, whoever needs it: the tests of an eval and the workers of `pytest -n` share it.

The first that needs a run makes it under a lock, the others read it from the store.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.core.types import Run
    from harness.runner.engine import Outcome
    from harness.runner.plan import Cell
    from harness.runner.project import Project

UPDATE_PROPERTY = "harness_baseline"

_SESSION = pytest.StashKey[str]()


class GateFailed(Exception):
    """A gate did not pass."""


def _session(config: pytest.Config) -> str:
    """Return the name of the session, which all its workers share."""
    if _SESSION not in config.stash:
        worker = getattr(config, "workerinput", None)
        config.stash[_SESSION] = worker["testrunuid"] if worker else uuid.uuid4().hex
    return config.stash[_SESSION]


def shared_run(config: pytest.Config, start: Path, cell: Cell) -> Run:
    """The run of a cell, made once in a session whoever needs it first; skips the test where its backend is missing."""
    from filelock import FileLock

    from harness.core.errors import Interrupted
    from harness.project.run_options import RunOptions
    from harness.runner import execution
    from harness.runner.events import RunEvents

    with project(start) as (opened, _):
        folder = Path(gettempdir()) / f"harness-pytest-{_session(config)}"
        folder.mkdir(mode=0o700, exist_ok=True)
        key = hashlib.sha256(f"{cell.definition.path}\n{cell.name}".encode()).hexdigest()[:16]
        told = folder / f"{key}.json"
        with FileLock(folder / f"{key}.lock"):
            if not told.exists():
                named = tuple(config.getoption("--backend"))
                try:
                    outcome = execution.execute(opened, [cell], RunOptions(backend=named), RunEvents())
                except Interrupted as error:  # Ctrl-C ends the session, not this test alone
                    raise KeyboardInterrupt(str(error)) from None
                told.write_text(json.dumps(_told(outcome)), encoding="utf-8")
        saved = json.loads(told.read_text(encoding="utf-8"))
        if saved["skipped"]:
            pytest.skip(saved["skipped"])
        if saved["failure"]:
            raise GateFailed(saved["failure"])
        return opened.store.load(saved["run_id"])


def _told(outcome: Outcome) -> dict[str, str]:
    """What the other tests of the session must know."""
    return {
        "run_id": outcome.runs[0].manifest.run_id if outcome.runs else "",
        "skipped": outcome.skipped[0][1] if outcome.skipped else "",
        "failure": str(outcome.failures[0]) if outcome.failures else "",
    }


@contextmanager
def project(start: Path) -> Iterator[tuple[Project, Callable[..., list[Cell]]]]:
    """The project around `start`, and what plans cells as pytest's options say."""
    from harness.project.run_options import RunOptions
    from harness.runner import execution
    from harness.runner.project import Project

    with Project.open(start if start.is_dir() else start.parent) as opened:

        def planned(
            config: pytest.Config, names: list[str], backends: tuple[str, ...] = (), variants: tuple[str, ...] = ()
        ) -> list[Cell]:
            variant = variants or tuple(config.getoption("--variant"))
            backend = backends or tuple(config.getoption("--backend"))
            options = RunOptions(
                backend=backend,
                variant=variant,
                own_variant_only=not variant,
                demo=config.getoption("--eval-demo"),
                whole=True,
            )
            cells = execution.cells(opened, names, options)
            return [cell for cell in cells if cell.decoding == cell.definition.decoding[0]]

        yield opened, planned
