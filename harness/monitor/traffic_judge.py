"""A judge's verdicts on the logged replies of a sheet's period, for `harness judge SHEET`.

A task with one right value for an input is judged by another model that answers the same prompt: the judge accepts a
reply if both values are equal. A free text is judged by a classification eval (`--eval`); its first label accepts. It
gets the inputs of the call, and the text as `summary`.

The verdicts are in the store, without texts, so that the log's retention holds for the texts. The requests run on a
store in memory for the same reason. Verdicts are saved within a second, and a repeated command continues. The sampled
replies are judged first, the others in a random order: with a part of the verdicts, the estimate is right, too.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from harness.core.errors import BackendError, BudgetExhausted, ConfigError, HarnessError, Interrupted
from harness.core.formatting import plural
from harness.core.plugins import task_capabilities
from harness.core.types import Case, Result, Run
from harness.monitor.review_bases import TaskSettings
from harness.monitor.sampling import can_be_reviewed, stratum_of
from harness.monitor.sheets import Sheet
from harness.project.datasets import case_digest
from harness.project.run_options import RunOptions
from harness.runner import execution
from harness.runner.engine import Outcome
from harness.runner.events import ForwardedEvents, RunEvents
from harness.runner.llm_judge import SUMMARY
from harness.runner.plan import Cell, CellKey
from harness.runner.project import Project
from harness.store import traffic, verdicts
from harness.store.runs import Store
from harness.store.traffic import RoutedCall
from harness.store.verdicts import CallVerdict

Execute = Callable[[Sequence[Cell], RunEvents], Outcome]
"""Runs cells on a store in memory, and reports to the events."""

SAVE_S = 1.0
"""Seconds that a verdict waits for others before it is saved."""


@dataclass(frozen=True)
class JudgePlan:
    """The replies of one task to judge.

    Attributes:
        sheet: Name of the sheet.
        task: Name of the task.
        labels: The labels of the task when the sheet was drawn, which name the strata.
        judge: Prompt and cell of the judge.
        judge_key: Hash of the judge's prompt, contract, sampling parameters and model.
        cell: The judge's requests, one for each reply without a verdict.
        calls: The calls of these requests, by case id.
        accepting: The label that accepts a reply; `None` if the judge answers the task's own prompt.
        no_value: Verdicts on replies without a value, which are wrong without a request.
        n_before: Replies that have a verdict already.
        n_other: Replies that cannot be judged: no texts, messages of the caller's own, or replies of the judge itself.

    """

    sheet: str
    task: str
    labels: Sequence[str]
    judge: str
    judge_key: str
    cell: Cell
    calls: Mapping[str, RoutedCall]
    accepting: str | None
    no_value: tuple[CallVerdict, ...]
    n_before: int
    n_other: int

    def verdict(self, result: Result) -> CallVerdict | None:
        """Return the verdict of one reply of the judge; `None` if the request failed."""
        if result.reading is None:
            return None
        call, given = self.calls[result.case.id], result.reading.lenient
        accepted = given == (call.value if self.accepting is None else self.accepting)
        return _verdict(call, self.labels, accepted=accepted)


def plan(project: Project, sheet: Sheet, options: RunOptions, judge_eval: str) -> list[JudgePlan]:
    """Plan the requests of a judge, task by task. Calls no model.

    `options` name one backend. `judge_eval`: the judge of free texts. Raises `ConfigError` if nothing can be judged.
    """
    plans = []
    for task in dict.fromkeys(item.task for item in sheet.items):
        definition = TaskSettings.of(project.config, task).definition
        if definition is not None and not task_capabilities(definition.task).embeds:
            free_text = task_capabilities(definition.task).free_text
            cell = execution.cells(project, [judge_eval if free_text else task], options)[0]
            plans.append(_plan_task(project.store, sheet, task, cell, free_text=free_text))
    if not any(each.calls or each.n_before or each.no_value for each in plans):
        msg = (
            f"sheet {sheet.sheet}: no logged reply of its period can be judged: the log must still have their texts, "
            "the task needs its eval, and the judge must be another backend"
        )
        raise ConfigError(msg)
    return plans


def judge(plans: Sequence[JudgePlan], store: Store, events: RunEvents, execute: Execute) -> int:
    """Judge all planned replies and save the verdicts in `store`; return the number of failed requests.

    Verdicts of another judge on the same task are replaced. Raises `BackendError` if the judge is unavailable,
    `BudgetExhausted`, `Interrupted`; the verdicts so far are saved.
    """
    for each in plans:
        verdicts.drop_other_judges(store, each.sheet, each.task, each.judge_key)
        verdicts.add(store, each.sheet, each.judge, each.judge_key, each.no_value)
    planned = [each for each in plans if each.calls]
    if not planned:
        return 0
    saver = VerdictSaver(store, planned, events)
    try:
        outcome = execute([each.cell for each in planned], saver)
    except Interrupted as error:
        saver.save()
        msg = f"interrupted: {saver.saved_text}"
        raise type(error)(msg) from None
    finally:
        saver.save()
    for failure in outcome.failures:
        raise _to_continue(failure, saver)
    if outcome.skipped:
        raise BackendError("; ".join(why for _, why in outcome.skipped))
    return saver.failed


class VerdictSaver(ForwardedEvents):
    """Saves verdicts as they arrive, and forwards every event."""

    def __init__(self, store: Store, plans: Sequence[JudgePlan], events: RunEvents) -> None:
        """Save the verdicts of `plans` in `store`; `events` receives every event."""
        super().__init__(events)
        self.saved = self.failed = 0
        self._store = store
        self._by_cell: dict[CellKey, JudgePlan] = {each.cell.key: each for each in plans}
        self._waiting: dict[CellKey, list[CallVerdict]] = {key: [] for key in self._by_cell}
        self._saved_at = monotonic()

    @property
    def saved_text(self) -> str:
        """How many verdicts are saved, and how to continue."""
        return f"{plural(self.saved, 'verdict')} of this session saved: to continue, run the same command again"

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Read the verdicts of some replies, and save them if a second has passed."""
        for result in results:
            verdict = self._by_cell[cell.key].verdict(result)
            if verdict is None:
                self.failed += 1
            else:
                self._waiting[cell.key].append(verdict)
        if monotonic() - self._saved_at >= SAVE_S:
            self.save()
        super().answered(cell, results)

    def finished(self, cell: Cell, run: Run) -> None:
        """Forward the event under the sheet's name: the run itself is not kept."""
        named = replace(run.manifest, run_id=self._by_cell[cell.key].sheet)
        super().finished(cell, replace(run, manifest=named))

    def save(self) -> None:
        """Save the verdicts that wait."""
        for key, waiting in self._waiting.items():
            each = self._by_cell[key]
            verdicts.add(self._store, each.sheet, each.judge, each.judge_key, waiting)
            self.saved += len(waiting)
            waiting.clear()
        self._saved_at = monotonic()


def _to_continue(failure: HarnessError, saver: VerdictSaver) -> HarnessError:
    """Return the failure with what is saved, and how to continue without `--resume`."""
    if isinstance(failure, BudgetExhausted):
        return BudgetExhausted(f"the next request could exceed the budget: {saver.saved_text}")
    if isinstance(failure, BackendError) and saver.saved:
        stopped = failure.message.partition("; replies so far are saved")[0]
        return BackendError(f"{stopped}; {saver.saved_text}", backend=failure.backend)
    return failure


def _plan_task(store: Store, sheet: Sheet, task: str, judge_cell: Cell, *, free_text: bool) -> JudgePlan:
    own, labels = not free_text, sheet.choices.get(task, ())
    key = _judge_key(judge_cell)
    done = verdicts.judged_calls(store, sheet.sheet, task, key)
    to_send: dict[str, RoutedCall] = {}
    no_value, n_before, n_other = [], 0, 0
    for call in traffic.read(store, task=task, since=sheet.since, until=sheet.until):
        if call.error:
            continue
        if call.call_id in done:
            n_before += 1
        elif not can_be_reviewed(call) or not call.variant or (own and call.backend == judge_cell.backend.name):
            n_other += 1
        elif call.value is None:
            no_value.append(_verdict(call, labels, accepted=False))
        else:
            to_send[str(call.call_id)] = replace(call, reply=None)
    cases = list(_cases(sheet, to_send, free_text=free_text))
    return JudgePlan(
        sheet=sheet.sheet,
        task=task,
        labels=labels,
        judge=f"{judge_cell.prompt.id} {judge_cell.name}",
        judge_key=key,
        cell=_over_calls(judge_cell, cases, f"sheet:{sheet.sheet}/{task}", free_text=free_text),
        calls=to_send,
        accepting=None if own else judge_cell.task.labels[0],
        no_value=tuple(no_value),
        n_before=n_before,
        n_other=n_other,
    )


def _over_calls(cell: Cell, cases: Sequence[Case], source: str, *, free_text: bool) -> Cell:
    try:
        return cell.over_replies(cases, source)
    except ConfigError as error:
        if not free_text:
            raise
        msg = (
            f"{error}: logged replies have no reference: name a judge with --eval whose prompt uses only the inputs of "
            f"the task and `{SUMMARY}`"
        )
        raise ConfigError(msg) from None


def _cases(sheet: Sheet, calls: Mapping[str, RoutedCall], *, free_text: bool) -> Iterator[Case]:
    """Yield the judge's cases: the sampled replies, then the others in a random order that depends on the sheet."""
    order = sorted(calls)
    random.Random(f"{sheet.sheet}\njudge").shuffle(order)  # noqa: S311  no secret
    sampled = {str(item.call_id) for item in sheet.items}
    for case_id in sorted(order, key=lambda each: each not in sampled):
        call = calls[case_id]
        inputs = {**(call.inputs or {}), **({SUMMARY: call.value} if free_text else {})}
        yield Case(case_id, inputs, None, digest=case_digest(case_id, inputs, None))


def _verdict(call: RoutedCall, labels: Sequence[str], *, accepted: bool) -> CallVerdict:
    return CallVerdict(
        call_id=call.call_id or 0,
        task=call.task,
        backend=call.backend,
        outcome=stratum_of(call, labels).outcome,
        compliant=call.compliant is not False,
        accepted=accepted,
    )


def _judge_key(cell: Cell) -> str:
    """Return a hash of what decides the judge's replies, as far as it is known before the first request."""
    known = cell.fingerprint()
    parts = [known[name] for name in ("prompt_hash", "contract_hash", "sampling", "decoding")]
    backend = cell.backend
    parts += [backend.provider, backend.model, backend.base_url or "", backend.quantization or ""]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
