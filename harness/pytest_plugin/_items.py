"""Eval files as pytest sees them: a test per gate of each cell, which judges it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_plugin import RUN_PROPERTY
from harness.pytest_plugin._runs import UPDATE_PROPERTY, GateFailed, project, shared_run

if TYPE_CHECKING:
    from harness.core.types import Run
    from harness.runner.plan import Cell

UPDATE = "update-baseline"
SHOWN_CASES = 5


class EvalFile(pytest.File):
    """One eval file."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test per gate and cell. Asks no model: what is wrong with the files shows here."""
        from harness.core.errors import HarnessError
        from harness.runner import gate_checks

        try:
            with project(self.path) as (opened, planned):
                cells = planned(self.config, [str(self.path)])
                wanted: list[tuple[Cell, list[str]]] = [
                    (cell, gate_checks.wanted(opened.config, cell)) for cell in cells
                ]
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        update = self.config.getoption("--update-baselines")
        for cell, names in wanted:
            of_cell: list[str | None] = list(names)
            if (
                update and cell.is_own and cell.limit is None
            ):  # and nothing is judged by a file that is just being rewritten
                of_cell = [UPDATE, *(name for name in names if name not in gate_checks.BY_BASELINE)]
            sample = cell.limit is not None
            for gate in [None, *of_cell] if sample else of_cell or [None]:
                item = GateItem.from_parent(self, name=f"{cell.name}[{gate or 'answers'}]", cell=cell, gate=gate)
                if sample and gate:
                    reason = f"gates are not judged on a sample ({cell.limit} cases)"
                    item.add_marker(pytest.mark.skip(reason=reason))
                yield item


class GateItem(pytest.Item):
    """One gate of one cell. Without gates in the eval: that every case is answered."""

    def __init__(self, *, cell: Cell, gate: str | None, **kwargs: Any) -> None:
        """`cell` as planned when the file was collected."""
        super().__init__(**kwargs)
        self.cell = cell
        self.gate = gate

    def runtest(self) -> None:
        """Make the run, or find it made, and judge."""
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
            if summary.n_errors:
                msg = f"{self.cell.name}: {summary.n_errors} of {summary.n} calls failed"
                raise GateFailed(msg)
            return
        with project(self.path) as (opened, _):
            result = gate_checks.judge(self.gate, self.cell, gate_checks.evidence(opened, self.cell, run))
        if self.gate == gate_checks.BASELINE and result.status is gates.GateStatus.UNDECIDED and not summary.n_errors:
            pytest.skip(f"nothing proven: {gate_text(result)}")
        if result.status is not gates.GateStatus.PASSED:
            raise GateFailed("\n".join([gate_text(result), *_examples(run)]))

    def _run_reference(self) -> None:
        """Have the reference run over the same cases. Where it is not there, its newest saved run must do."""
        with project(self.path) as (opened, planned):
            found = opened.config
            if found.pair is None:
                return
            reference = found.backends[found.pair.reference]
            cells = planned(self.config, [str(self.path)], (reference.name,), (reference.variant,))
        for cell in cells:  # none where the eval leaves the reference out
            with suppress(pytest.skip.Exception):
                shared_run(self.config, self.path, cell)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A verdict or a user's mistake is told in its own words, without a traceback."""
        from harness.core.errors import HarnessError

        if isinstance(excinfo.value, GateFailed | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """`ticket_triage: local@smollm2[min_accuracy]`."""
        return self.path, None, f"{self.path.stem}: {self.name}"


def _update_baseline(start: Path, run: Run) -> str:
    """Save the run as the baseline of its cell, and say what that changes."""
    from harness.analysis.compare import outcomes_of
    from harness.runner import gate_checks

    with project(start) as (opened, _):
        return gate_checks.renew(opened.root, outcomes_of(run))


def _examples(run: Run) -> list[str]:
    """Some cases that production code would get wrong."""
    from harness.core.formatting import visible

    wrong = [r for r in run.results if r.score is not None and not r.score.strict]
    lines = [
        f"  {r.case.id}: expected {r.case.expected!s}, got {visible(r.response.text.strip())[:70]!r}"
        f" ({', '.join(r.reading.violations) if r.reading and r.reading.violations else 'wrong answer'})"
        for r in wrong[:SHOWN_CASES]
    ]
    more = len(wrong) - SHOWN_CASES
    return lines + ([f"  and {more} more: harness report {run.manifest.eval}"] if more > 0 else [])
