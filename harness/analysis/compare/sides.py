"""One side of a comparison: a run, reduced to what happened to each case."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from harness.core.types import Manifest, Reading, Result, Run

NO_ANSWER = "null"
"""The answer of a reply that gives none, as `answer_key` writes it."""


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What became of one case: how often it was judged, and how often each way. What failed is in `errors` only.

    `answer` is a short hash of the commonest answer as a careful reader reads it; `said` and `expected` are labels,
    where the task has any.
    """

    id: str
    digest: str
    asked: int
    strict: int
    lenient: int
    compliant: int
    errors: int = 0
    answer: str = ""
    said: str = ""
    expected: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Production code gets the right answer more often than not."""
        return 2 * self.strict > self.asked

    @property
    def is_compliant(self) -> bool:
        """Production code accepts the reply more often than not."""
        return 2 * self.compliant > self.asked


@dataclass(frozen=True, slots=True)
class RunOutcomes:
    """A run as a comparison sees it. `name` is what to call it; `cases` by id.

    Latency is the median in seconds, tokens are means per call; `None` where nothing was measured. `from_store`: no
    model was asked, every answer is an earlier one.
    """

    name: str
    run_id: str
    eval: str
    cell: str
    backend: str
    started_at: str
    fingerprint: Mapping[str, str]
    cases: Mapping[str, CaseOutcome]
    labels: tuple[str, ...] = ()
    latency_s: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    notes: tuple[str, ...] = field(default=())
    from_store: bool = False

    @property
    def n_errors(self) -> int:
        """Calls that failed for good."""
        return sum(case.errors for case in self.cases.values())


def outcomes_of(run: Run, name: str = "") -> RunOutcomes:
    """A run, reduced. Cases of a task's context are no part of it, but their failed calls count as errors."""
    m = run.manifest
    by_id: dict[str, list[Result]] = {}
    for result in run.results:
        if result.case.expected is not None or result.response.error is not None:
            by_id.setdefault(result.case.id, []).append(result)
    answered = [r.response for r in run.results if r.response.error is None]
    latencies = [r.latency_s for r in answered if r.latency_s is not None]
    return RunOutcomes(
        name=name or m.cell,
        run_id=m.run_id,
        eval=m.eval,
        cell=m.cell,
        backend=m.backend,
        started_at=m.started_at,
        fingerprint=m.fingerprint,
        cases={case_id: _outcome(results, m) for case_id, results in by_id.items()},
        labels=m.labels,
        latency_s=median(latencies) if latencies else None,
        prompt_tokens=_mean([r.prompt_tokens for r in answered]),
        completion_tokens=_mean([r.completion_tokens for r in answered]),
        notes=m.notes,
        from_store=bool(answered) and all(r.cached for r in run.results if r.response.error is None),
    )


def answer_key(reading: Reading) -> str:
    """A hash that two readings share where they give the same answer; of no answer, `NO_ANSWER`."""
    if reading.lenient is None:
        return NO_ANSWER
    text = json.dumps(reading.lenient, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _outcome(results: Sequence[Result], manifest: Manifest) -> CaseOutcome:
    case = results[0].case
    told = [(r.reading, r.score) for r in results if r.reading is not None and r.score is not None]
    answers = Counter(answer_key(reading) for reading, _ in told)
    said = Counter(str(reading.strict) for reading, _ in told if reading.strict is not None)
    has_labels = bool(manifest.labels) and isinstance(case.expected, str)
    return CaseOutcome(
        id=case.id,
        digest=case.digest,
        asked=len(told),
        strict=sum(score.strict for _, score in told),
        lenient=sum(score.lenient for _, score in told),
        compliant=sum(reading.compliant for reading, _ in told),
        errors=len(results) - len(told),
        answer=answers.most_common(1)[0][0] if answers else "",
        said=said.most_common(1)[0][0] if said and has_labels else "",
        expected=case.expected if has_labels else "",
        tags=case.tags,
    )


def _mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None
