"""What the fixtures give to a project's own tests: a cell's report, and its comparison with the baseline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin import RUN_PROPERTY
from harness.pytest_plugin._runs import project, shared_run

if TYPE_CHECKING:
    from harness.analysis.compare import Comparison
    from harness.report import CellReport


def runner(request: pytest.FixtureRequest) -> Callable[..., CellReport]:
    """Return the function that the fixture `run_eval` is."""

    def run_one(name: str, *, backend: str | None = None, variant: str | None = None) -> CellReport:
        from harness.report import build

        folder = request.path
        with project(folder) as (opened, planned):
            found = opened.config
            chosen = backend or next(iter(request.config.getoption("--backend")), None)
            chosen = chosen or (found.pair.candidate if found.pair else next(iter(found.backends)))
            (cell,) = planned(request.config, [name], (chosen,), (variant,) if variant else ())
        run = shared_run(request.config, folder, cell)
        request.node.user_properties.append((RUN_PROPERTY, run.manifest.run_id))
        return build([run]).evals[0].cells[0]

    return run_one


def comparer(request: pytest.FixtureRequest) -> Callable[[CellReport], Comparison]:
    """Return the function that the fixture `compare_to_baseline` is."""

    def compared(cell: CellReport) -> Comparison:
        from harness.analysis.compare import outcomes_of
        from harness.core.types import Run
        from harness.project import evals
        from harness.runner import gate_checks

        with project(request.path) as (opened, _):
            (definition,) = evals.find(opened.root, [cell.manifest.eval])
            own = outcomes_of(Run(cell.manifest, cell.results))
            comparison = gate_checks.to_baseline(opened.root, own, definition.gates.max_regression)
        if comparison is None:
            pytest.fail(f"{own.eval} {own.cell} has no baseline: `harness baseline save {own.eval}`", pytrace=False)
        return comparison

    return compared
