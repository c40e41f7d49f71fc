"""One run per cell and session, shared by the tests of an eval and the workers of `pytest -n`.

The first test that needs a run starts it under a lock. The others read it from the store.
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
    """Run a cell, once per session. Skips the test if the backend is unavailable.

    Raises:
        GateFailed: The run failed.
    """
    from filelock import FileLock

    from harness.core.errors import Interrupted
    from harness.project.run_options import RunOptions
    from harness.runner import execution
    from harness.runner.events import RunEvents

    with open_project(start) as (project, _):
        folder = Path(gettempdir()) / f"harness-pytest-{_session(config)}"
        folder.mkdir(mode=0o700, exist_ok=True)
        key = hashlib.sha256(f"{cell.definition.path}\n{cell.name}".encode()).hexdigest()[:16]
        summary_file = folder / f"{key}.json"
        with FileLock(folder / f"{key}.lock"):
            if not summary_file.exists():
                named = tuple(config.getoption("--backend"))
                try:
                    outcome = execution.execute(project, [cell], RunOptions(backend=named), RunEvents())
                except Interrupted as error:  # Ctrl-C ends the session, not this test alone
                    raise KeyboardInterrupt(str(error)) from None
                summary_file.write_text(json.dumps(_summary(outcome)), encoding="utf-8")
        saved = json.loads(summary_file.read_text(encoding="utf-8"))
        if saved["skipped"]:
            pytest.skip(saved["skipped"])
        if saved["failure"]:
            raise GateFailed(saved["failure"])
        return project.store.load(saved["run_id"])


def _summary(outcome: Outcome) -> dict[str, str]:
    """The outcome for the other tests of the session."""
    return {
        "run_id": outcome.runs[0].manifest.run_id if outcome.runs else "",
        "skipped": outcome.skipped[0][1] if outcome.skipped else "",
        "failure": str(outcome.failures[0]) if outcome.failures else "",
    }


@contextmanager
def open_project(start: Path) -> Iterator[tuple[Project, Callable[..., list[Cell]]]]:
    """The open project around `start`, and a function that plans cells by pytest's options."""
    from harness.project.run_options import RunOptions
    from harness.runner import execution
    from harness.runner.project import Project

    with Project.open(start if start.is_dir() else start.parent) as project:

        def plan_cells(
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
                strict=config.getoption("--eval-strict"),
            )
            cells = execution.cells(project, names, options)
            return [cell for cell in cells if cell.decoding == cell.definition.decoding[0]]

        yield project, plan_cells
