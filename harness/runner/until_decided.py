"""Run the models of a comparison only until its verdict is proven: `harness run EVAL --until-decided`.

Both models get the cases in the same random order, batch by batch. After each batch the answered cases are compared,
with intervals that hold at every number of cases (`analysis.stats.sequential`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.analysis.compare import Comparison, ComparisonQuestion, ReasonCode, RunOutcomes, compare, outcomes_of
from harness.analysis.compare.verdicts import UNDECIDED
from harness.core.types import Run
from harness.project.config import Config
from harness.project.pricing import is_local, price_of, usd
from harness.project.run_options import RunOptions
from harness.runner import execution, questions
from harness.runner.backend_session import Abandoned
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.pair_plan import PairPlan
from harness.runner.plan import Cell
from harness.runner.project import Project

HOPELESS = frozenset({ReasonCode.CONTRACT_KIND, ReasonCode.CONTRACT_SETTINGS})
"""Reasons of INCOMPARABLE that no further case removes."""


@dataclass(frozen=True, slots=True)
class DecidedRun:
    """A comparison that ended with its verdict, or with its cases.

    `comparison`: the last one; `None` if a failure came before the first. `n_cases` of `total` cases were sent.
    `calls_saved` were not made. `usd_saved`: what they would have cost, `None` if a price is not known.
    """

    outcome: Outcome
    comparison: Comparison | None
    n_cases: int
    total: int
    calls_saved: int
    usd_saved: float | None


def execute(project: Project, plan: PairPlan, options: RunOptions, events: RunEvents) -> DecidedRun:
    """Run the cells of a plan until the verdict is proven, and wait. Raises as `execution.execute`."""
    stopping = UntilDecided(project, plan)
    options = replace(options, backend=tuple(cell.backend.name for cell in plan.cells), whole=True)
    outcome = execution.execute(project, plan.cells, options, events, stopping)
    n_calls = sum(stopping.n_open * cell.definition.repeats for cell in plan.cells)
    return DecidedRun(
        outcome=outcome,
        comparison=stopping.comparison,
        n_cases=stopping.n_cases,
        total=len(plan.order),
        calls_saved=n_calls,
        usd_saved=_usd_saved(project.config, plan, outcome.runs, stopping.n_open),
    )


@dataclass
class UntilDecided:
    """Opens the next batch when all cells have answered the last one, until the verdict is proven."""

    project: Project
    plan: PairPlan
    comparison: Comparison | None = None
    first: int = field(init=False)
    n_cases: int = 0
    """Cases that are compared so far."""
    _ends: tuple[int, ...] = field(init=False)
    _question: ComparisonQuestion | None = None
    _arrived: dict[str, RunOutcomes] = field(default_factory=dict)
    _waiting: dict[str, asyncio.Future[int]] = field(default_factory=dict)
    _has_left: bool = False

    def __post_init__(self) -> None:
        self._ends = self.plan.ends
        self.first = self._ends[0]

    @property
    def n_open(self) -> int:
        """Cases that are not sent."""
        return len(self.plan.order) - self.n_cases

    async def next_batch(self, run: Run) -> int:
        """Wait for the other cell, compare, and return how many more cases to send.

        Raises `Abandoned` if the other backend has failed.
        """
        backend, outcomes = run.manifest.backend, await asyncio.to_thread(outcomes_of, run)
        if self._has_left:  # perhaps during the await
            raise _abandoned(backend)
        self._arrived[backend] = outcomes
        if len(self._arrived) < len(self.plan.cells):
            waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._waiting[backend] = waiting
            return await waiting
        arrived, self._arrived = self._arrived, {}
        more: int = await asyncio.to_thread(self._look, arrived)
        for other in self._waiting.values():
            if not other.done():
                other.set_result(more)
        self._waiting.clear()
        return more

    def leave(self, backend: str) -> None:
        """End the wait of the other cell, because this backend sends nothing more."""
        self._has_left = True
        for name, waiting in self._waiting.items():
            if name != backend and not waiting.done():
                waiting.set_exception(_abandoned(name))

    def _look(self, arrived: Mapping[str, RunOutcomes]) -> int:
        if self._question is None:  # the runs have begun, so that they count among the candidates
            self._question = questions.question(self.project, self.plan.eval, self.plan.kind)
        self.n_cases, *later = self._ends
        sent = self.plan.order[: self.n_cases]
        base, head = (
            arrived[side.backend.name]
            if isinstance(side, Cell)
            else replace(side, cases={i: side.cases[i] for i in sent if i in side.cases})
            for side in (self.plan.base, self.plan.head)
        )
        self.comparison = compare(base, head, self._question)
        decided = self.comparison.verdict not in UNDECIDED or self.comparison.reason.code in HOPELESS
        if decided or not later:
            return 0
        self._ends = tuple(later)
        return later[0] - self.n_cases


def _usd_saved(config: Config, plan: PairPlan, runs: Sequence[Run], n_cases: int) -> float | None:
    """The cost of `n_cases` more cases at the mean tokens of the runs; `None` if a price or a count is not known."""
    total = 0.0
    by_backend = {run.manifest.backend: run for run in runs}
    for cell in plan.cells:
        if is_local(config, cell.backend):
            continue
        run, price = by_backend.get(cell.backend.name), price_of(config, cell.backend)
        answered = [r.response for r in run.results if r.response.error is None] if run else []
        counts = [(r.prompt_tokens, r.completion_tokens) for r in answered]
        known = [(prompt, completion) for prompt, completion in counts if prompt is not None and completion is not None]
        if price is None or not known:
            return None
        prompt, completion = (sum(column) / len(known) for column in zip(*known, strict=True))
        total += n_cases * cell.definition.repeats * usd(price, prompt, completion)
    return total


def _abandoned(backend: str) -> Abandoned:
    return Abandoned("the other model of the comparison has stopped: continue with --resume", backend=backend)
