"""Pytest collects eval files: one test per gate of each cell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_plugin._properties import RUN_PROPERTY, UPDATE_PROPERTY
from harness.pytest_plugin._runs import GateFailed, open_project, shared_run

if TYPE_CHECKING:
    from harness.core.types import Run
    from harness.runner.gate_checks import BaselineRule
    from harness.runner.plan import Cell

UPDATE = "update-baseline"
SHOWN_CASES = 5


class EvalFile(pytest.File):
    """An eval file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test per gate and cell. Sends no requests, but reports mistakes in the project's files."""
        from harness.core.errors import HarnessError
        from harness.core.formatting import plural
        from harness.runner import gate_checks

        try:
            with open_project(self.path) as (project, plan_cells):
                cells = plan_cells(self.config, [str(self.path)])
                gates: list[tuple[Cell, list[str]]] = [
                    (cell, gate_checks.wanted(project.config, cell)) for cell in cells
                ]
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        update = self.config.getoption("--update-baselines")
        for cell, names in gates:
            of_cell: list[str | None] = list(names)
            if update and cell.is_own and cell.limit is None:  # do not judge by a baseline that is being rewritten
                of_cell = [UPDATE, *(name for name in names if name not in gate_checks.BY_BASELINE)]
            is_sample = cell.limit is not None
            for gate in [None, *of_cell] if is_sample else of_cell or [None]:
                item = GateItem.from_parent(self, name=f"{cell.name}[{gate or 'answers'}]", cell=cell, gate=gate)
                if cell.limit is not None and gate:
                    reason = f"gates are not judged on a sample ({plural(cell.limit, 'case')})"
                    item.add_marker(pytest.mark.skip(reason=reason))
                yield item


class GateItem(pytest.Item):
    """A gate of a cell. `gate` is None in an eval without gates: the test checks that no call failed."""

    def __init__(self, *, cell: Cell, gate: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.gate = gate

    def runtest(self) -> None:
        """Run the cell once per session, and judge the gate."""
        from harness.analysis import gates
        from harness.analysis.metrics.summary import summarize
        from harness.report.gate_text import gate_text
        from harness.runner import gate_checks

        run = shared_run(self.config, self.path, self.cell)
        self.user_properties.append((RUN_PROPERTY, run.manifest.run_id))
        if self.gate == UPDATE:
            self.user_properties.append((UPDATE_PROPERTY, _update_baseline(self.path, run)))
            return
        if self.gate == "margin":
            self._run_reference()
        summary = summarize(run.results)
        if self.gate is None:
            from harness.core.formatting import plural

            if summary.n_errors:
                msg = f"{self.cell.name}: {summary.n_errors} of {plural(summary.n, 'call')} failed"
                raise GateFailed(msg)
            return
        with open_project(self.path) as (project, _):
            evidence = gate_checks.evidence(project, self.cell, run, rule=self._rule())
            result = gate_checks.judge(self.gate, self.cell, evidence)
        if self.gate == gate_checks.BASELINE and result.status is gates.GateStatus.UNDECIDED and not summary.n_errors:
            pytest.skip(f"inconclusive: {gate_text(result)}")
        if result.status is not gates.GateStatus.PASSED:
            raise GateFailed("\n".join([gate_text(result), *_examples(run)]))

    def _rule(self) -> BaselineRule:
        """The rule for comparisons with baselines. All of them in a session share one false alarm a year."""
        from harness.analysis.compare.alarms import family_level
        from harness.runner import gate_checks

        items = (item for item in self.session.items if isinstance(item, GateItem))
        return gate_checks.BaselineRule(family_level(sum(item.gate in gate_checks.BY_BASELINE for item in items)))

    def _run_reference(self) -> None:
        """Run the reference over the same cases. If it is unavailable, the gate uses its newest saved run."""
        with open_project(self.path) as (project, plan_cells):
            config = project.config
            if config.pair is None:
                return
            reference = config.backends[config.pair.reference]
            cells = plan_cells(self.config, [str(self.path)], (reference.name,), (reference.variant,))
        for cell in cells:  # none if the eval excludes the reference
            with suppress(pytest.skip.Exception):
                shared_run(self.config, self.path, cell)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show failed gates and user errors without a traceback."""
        from harness.core.errors import HarnessError

        if isinstance(excinfo.value, GateFailed | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """`ticket_triage: local@smollm2[min_accuracy]`."""
        return self.path, None, f"{self.path.stem}: {self.name}"


def _update_baseline(start: Path, run: Run) -> str:
    """Save the run as the baseline of its cell. Returns the changes as text."""
    from harness.analysis.compare import outcomes_of
    from harness.runner import gate_checks

    with open_project(start) as (project, _):
        return gate_checks.renew(project.root, outcomes_of(run))


def _examples(run: Run) -> list[str]:
    """Lines with the first wrong cases."""
    from harness.core.formatting import visible

    wrong = [r for r in run.results if r.score is not None and not r.score.strict]
    lines = [
        f"  {r.case.id}: expected {r.case.expected!s}, got {visible(r.response.text.strip())[:70]!r}"
        f" ({', '.join(r.reading.violations) if r.reading and r.reading.violations else 'wrong answer'})"
        for r in wrong[:SHOWN_CASES]
    ]
    more = len(wrong) - SHOWN_CASES
    return lines + ([f"  and {more} more: harness report {run.manifest.eval}"] if more > 0 else [])
