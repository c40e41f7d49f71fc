"""Fixtures for a project's own tests: the report of a cell, and its comparison with the baseline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin._properties import RUN_PROPERTY
from harness.pytest_plugin._runs import open_project, shared_run

if TYPE_CHECKING:
    from harness.analysis.compare import Comparison
    from harness.report import CellReport


def runner(request: pytest.FixtureRequest) -> Callable[..., CellReport]:
    """Return the function behind the fixture `run_eval`."""

    def run_cell(name: str, *, backend: str | None = None, variant: str | None = None) -> CellReport:
        from harness.report import build

        folder = request.path
        with open_project(folder) as (project, plan_cells):
            config = project.config
            backend_name = backend or next(iter(request.config.getoption("--backend")), None)
            backend_name = backend_name or (config.pair.candidate if config.pair else next(iter(config.backends)))
            (cell,) = plan_cells(request.config, [name], (backend_name,), (variant,) if variant else ())
        run = shared_run(request.config, folder, cell)
        request.node.user_properties.append((RUN_PROPERTY, run.manifest.run_id))
        return build([run]).evals[0].cells[0]

    return run_cell


def comparer(request: pytest.FixtureRequest) -> Callable[[CellReport], Comparison]:
    """Return the function behind the fixture `compare_to_baseline`."""

    def compared(cell: CellReport) -> Comparison:
        from harness.analysis.compare import outcomes_of
        from harness.core.types import Run
        from harness.runner import gate_checks
        from harness.runner.questions import question

        with open_project(request.path) as (project, _):
            outcomes = outcomes_of(Run(cell.manifest, cell.results))
            asked = question(project, cell.manifest.eval, "change")
            comparison = gate_checks.to_baseline(project.root, outcomes, asked)
        if comparison is None:
            missing = f"{outcomes.eval} {outcomes.cell} has no baseline"
            pytest.fail(f"{missing}: save one with `harness baseline save {outcomes.eval}`", pytrace=False)
        return comparison

    return compared
