"""The figures of a report, computed once from saved runs. No markup here, and no figures elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from harness.analysis.gates import GateResult
from harness.analysis.metrics.classification import ClassificationMetrics, classify
from harness.analysis.metrics.extraction import ExtractionMetrics, extract
from harness.analysis.metrics.summary import Summary, summarize
from harness.analysis.trend import Trend
from harness.core.plugins import task_capabilities
from harness.core.types import Case, Manifest, Message, Result, Run
from harness.report.analyses import NO_RESULTS, Analyses, AnalysisResults, analyze

if TYPE_CHECKING:
    from harness.report.model_findings import Finding

Outcome = Literal["right", "phrasing", "wrong", "unclear", "error"]
"""The outcome of one call: right · right, but phrased so that production code cannot use it · a clear, wrong answer ·
no clear answer · a failed call. Exactly one applies, so that the counts add up to the calls."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class CellReport:
    """One run. `name`: `variant@backend`, with version or run id if several runs are of the same cell.

    `unfinished`: it was interrupted before all cases were done. `scorable`: it has labels, and every expected label is
    one of them. Figures for single sections are computed when they are first used.
    """

    name: str
    manifest: Manifest
    summary: Summary
    outcomes: Mapping[Outcome, int]
    results: Sequence[Result]
    unfinished: bool
    scorable: bool

    @cached_property
    def classification(self) -> ClassificationMetrics | None:
        """Label by label, read strictly."""
        return classify(self.results, self.manifest.labels) if self.scorable else None

    @cached_property
    def classification_lenient(self) -> ClassificationMetrics | None:
        """Label by label, read leniently."""
        return classify(self.results, self.manifest.labels, lenient=True) if self.scorable else None

    @cached_property
    def extraction(self) -> ExtractionMetrics | None:
        """Field by field, read strictly."""
        return extract(self.results) if task_capabilities(self.manifest.task).has_fields else None

    @cached_property
    def extraction_lenient(self) -> ExtractionMetrics | None:
        """Field by field, read leniently."""
        return extract(self.results, lenient=True) if task_capabilities(self.manifest.task).has_fields else None

    @property
    def judged(self) -> tuple[Result, ...]:
        """All results but those of a task's context."""
        return tuple(r for r in self.results if r.case.expected is not None)


@dataclass(frozen=True, slots=True)
class JoinedCase:
    """One case (and repeat) over all cells of an eval; `None` for cells without a result."""

    case: Case
    repeat: int
    results: tuple[Result | None, ...]

    @property
    def flipped(self) -> bool:
        """Whether the answering cells disagree about strict correctness."""
        return len({r.score.strict for r in self.results if r is not None and r.score is not None}) > 1


@dataclass(frozen=True, slots=True)
class PromptText:
    """A prompt of an eval. `render`: its messages for a case; empty if the case cannot be rendered."""

    eval: str
    name: str
    render: Callable[[Case], Sequence[Message]]


@dataclass(frozen=True)
class EvalReport:
    """All cells of one eval. `trends`, `analysis` and `prompts`: empty unless `build` was given them."""

    name: str
    cells: tuple[CellReport, ...]
    runs: tuple[Run, ...]
    trends: tuple[Trend, ...] = ()
    analysis: AnalysisResults = NO_RESULTS
    prompts: tuple[PromptText, ...] = ()

    @cached_property
    def cases(self) -> tuple[JoinedCase, ...]:
        """Every case with its results; computed on demand, because most screens do not need it."""
        return _join(self.runs)

    @property
    def task(self) -> str:
        """The kind of work."""
        return self.cells[0].manifest.task

    @property
    def answer_word(self) -> str:
        """`label` if the task has labels, else `answer`."""
        return "label" if self.cells[0].manifest.labels else "answer"


@dataclass(frozen=True, slots=True)
class Report:
    """The content of every format. `findings`: of an unattended run. `gates`: judged by the caller."""

    evals: tuple[EvalReport, ...]
    runs: tuple[Run, ...]
    findings: tuple[Finding, ...] = ()
    gates: tuple[GateResult, ...] = ()


def build(
    runs: Sequence[Run],
    trends: Sequence[Trend] = (),
    analyses: Analyses | None = None,
    gates: Sequence[GateResult] = (),
    prompts: Sequence[PromptText] = (),
) -> Report:
    """Group the runs by eval and compute every figure. Evals, cells and cases keep their order.

    Args:
        runs: Saved runs of any evals.
        trends: Trends of other cells are left out.
        analyses: Comparisons and other optional analyses; none by default.
        gates: Results of the gates of these runs; none by default.
        prompts: Prompts of the evals, shown with each case; none by default.
    """
    names = dict.fromkeys(run.manifest.eval for run in runs)
    by_eval = ((name, [run for run in runs if run.manifest.eval == name]) for name in names)
    evals = tuple(_eval(name, of, trends, analyses or Analyses(), prompts) for name, of in by_eval)
    return Report(evals, tuple(runs), gates=tuple(gates))


def outcome(result: Result) -> Outcome:
    """Classify the outcome of one call."""
    if result.reading is None or result.score is None:
        return "error"
    if result.score.strict:
        return "right"
    if result.score.lenient:
        return "phrasing"
    return "unclear" if result.reading.lenient is None else "wrong"


def _eval(
    name: str, runs: list[Run], trends: Sequence[Trend], analyses: Analyses, prompts: Sequence[PromptText]
) -> EvalReport:
    cells = tuple(_cell(run, label) for run, label in zip(runs, _labels(runs), strict=True))
    shown = {(name, run.manifest.cell, run.manifest.split) for run in runs}
    own_trends = tuple(t for t in trends if (t.eval, t.cell, t.split) in shown)
    own_prompts = tuple(prompt for prompt in prompts if prompt.eval == name)
    return EvalReport(name, cells, tuple(runs), own_trends, analyze(analyses, name, runs), own_prompts)


def _cell(run: Run, name: str) -> CellReport:
    manifest = run.manifest
    counted: Counter[Outcome] = Counter()
    n_cases, previous_id, has_unknown_label = 0, "", False
    for result in run.results:
        if result.case.expected is not None:
            counted[outcome(result)] += 1
            has_unknown_label = has_unknown_label or result.case.expected not in manifest.labels
            n_cases, previous_id = n_cases + (result.case.id != previous_id), result.case.id
    return CellReport(
        name=name,
        manifest=manifest,
        summary=summarize(run.results),
        outcomes={kind: counted[kind] for kind in OUTCOMES},
        results=run.results,
        unfinished=manifest.finished_at is None or n_cases < manifest.n_cases,
        # A label that the manifest does not know cannot be scored; the rates still can.
        scorable=task_capabilities(manifest.task).single_label and not has_unknown_label,
    )


def _labels(runs: list[Run]) -> list[str]:
    """The cells, with the prompt version or else the run id if several runs are of the same cell."""
    labels = [run.manifest.cell for run in runs]
    versions = [run.manifest.prompt.rpartition("/")[2] for run in runs]
    for more in (versions, [run.manifest.run_id for run in runs]):
        counted = Counter(labels)
        labels = [f"{label} {m}" if counted[label] > 1 else label for label, m in zip(labels, more, strict=True)]
    return labels


def _join(runs: Sequence[Run]) -> tuple[JoinedCase, ...]:
    """Join results by case id, content and repeat, so that an edited case is never compared with its old version."""
    judged = [[r for r in run.results if r.case.expected is not None] for run in runs]
    by_run = [{(r.case.id, r.case.digest, r.repeat): r for r in results} for results in judged]
    keys = dict.fromkeys(key for results in by_run for key in results)
    joined = []
    for key in keys:
        results = tuple(by_key.get(key) for by_key in by_run)
        case = next(r.case for r in results if r is not None)
        joined.append(JoinedCase(case, key[2], results))
    return tuple(joined)
