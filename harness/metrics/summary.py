"""What every run has, whatever its task: accuracy, compliance, violations, latency, tokens, errors, slices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.stats import Rate, clustered_rate, quantile, rate
from harness.types import Result


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The three rates that tell unable from badly phrased, all over the same answered cases.

    Where a case was asked repeatedly, its share of right replies counts, so that `n` is always a number of cases.
    """

    strict: Rate
    lenient: Rate
    compliance: Rate


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in numbers. A failed call is in `errors`, never a wrong answer.

    `n` calls, of which `answered`, of which `judged` have something to be right about. `unstable`: the share of cases
    whose repeats do not all give the same answer, `None` where nothing was asked twice. `by_label_source`: over the
    cases labelled by one source; a rate that depends on who labelled says as much of the labels as of the model.
    """

    n: int
    answered: int
    judged: int
    unstable: Rate | None
    cached: int
    errors: tuple[tuple[str, int], ...]
    accuracy: Accuracy
    violations: tuple[tuple[str, int], ...]
    by_tag: tuple[tuple[str, Accuracy], ...]
    by_label_source: tuple[tuple[str, Accuracy], ...]
    latency_p50_s: float | None
    latency_p95_s: float | None
    prompt_tokens: int
    completion_tokens: int

    @property
    def n_errors(self) -> int:
        """Calls that failed for good."""
        return self.n - self.answered


def accuracy(results: Iterable[Result]) -> Accuracy:
    """Strict and lenient accuracy and compliance over those among `results` that could be judged."""
    by_case: dict[str, list[tuple[bool, bool, bool]]] = {}
    for r in results:
        if r.score is not None and r.reading is not None:
            by_case.setdefault(r.case.id, []).append((r.score.strict, r.score.lenient, r.reading.compliant))
    strict, lenient, compliance = (
        clustered_rate([(sum(reply[i] for reply in replies), len(replies)) for replies in by_case.values()])
        for i in range(3)
    )
    return Accuracy(strict, lenient, compliance)


def unstable(results: Iterable[Result]) -> Rate | None:
    """How many of the cases that were asked more than once were not always answered alike, right or wrong."""
    answers: dict[str, list[str]] = {}
    for r in results:
        if r.reading is not None and r.score is not None:
            answers.setdefault(r.case.id, []).append(json.dumps(r.reading.lenient, sort_keys=True, default=str))
    repeated = [given for given in answers.values() if len(given) > 1]
    return rate(sum(len(set(given)) > 1 for given in repeated), len(repeated)) if repeated else None


def summarize(results: Sequence[Result]) -> Summary:
    """All of it. Counts are ordered most frequent first, tags and sources by name."""
    answered = [r for r in results if r.response.error is None]
    tags = sorted({tag for r in results for tag in r.case.tags})
    sources = sorted({r.case.label_source for r in results if r.case.label_source and r.case.expected is not None})
    latencies = [r.response.latency_s for r in answered if r.response.latency_s is not None]
    return Summary(
        n=len(results),
        answered=len(answered),
        judged=sum(r.score is not None for r in answered),
        unstable=unstable(answered),
        cached=sum(r.cached for r in results),
        errors=_counted(r.response.error.kind for r in results if r.response.error is not None),
        accuracy=accuracy(answered),
        violations=_counted(code for r in answered if r.reading for code in r.reading.violations),
        by_tag=tuple((tag, accuracy(r for r in answered if tag in r.case.tags)) for tag in tags),
        by_label_source=tuple(
            (source, accuracy(r for r in answered if r.case.label_source == source)) for source in sources
        ),
        latency_p50_s=quantile(latencies, 0.50),
        latency_p95_s=quantile(latencies, 0.95),
        prompt_tokens=sum(r.response.prompt_tokens or 0 for r in answered),
        completion_tokens=sum(r.response.completion_tokens or 0 for r in answered),
    )


def _counted(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
