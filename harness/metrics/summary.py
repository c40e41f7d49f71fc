"""What every run has, whatever its task: accuracy, compliance, violations, latency, tokens, errors, slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.stats import Rate, quantile, rate
from harness.types import Result


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The three rates that tell unable from badly phrased, all over the same answered cases."""

    strict: Rate
    lenient: Rate
    compliance: Rate


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in numbers. Rates are over `answered` cases: a failed call is in `errors`, never a wrong answer."""

    n: int
    answered: int
    cached: int
    errors: tuple[tuple[str, int], ...]
    accuracy: Accuracy
    violations: tuple[tuple[str, int], ...]
    by_tag: tuple[tuple[str, Accuracy], ...]
    latency_p50_s: float | None
    latency_p95_s: float | None
    prompt_tokens: int
    completion_tokens: int

    @property
    def n_errors(self) -> int:
        """Calls that failed for good."""
        return self.n - self.answered


def accuracy(results: Iterable[Result]) -> Accuracy:
    """Strict and lenient accuracy and compliance over the answered among `results`."""
    pairs = [(r.score, r.reading) for r in results if r.score is not None and r.reading is not None]
    n = len(pairs)
    return Accuracy(
        strict=rate(sum(score.strict for score, _ in pairs), n),
        lenient=rate(sum(score.lenient for score, _ in pairs), n),
        compliance=rate(sum(reading.compliant for _, reading in pairs), n),
    )


def summarize(results: Sequence[Result]) -> Summary:
    """All of it. Counts are ordered most frequent first, tags by name."""
    answered = [r for r in results if r.response.error is None]
    tags = sorted({tag for r in results for tag in r.case.tags})
    latencies = [r.response.latency_s for r in answered if r.response.latency_s is not None]
    return Summary(
        n=len(results),
        answered=len(answered),
        cached=sum(r.cached for r in results),
        errors=_counted(r.response.error.kind for r in results if r.response.error is not None),
        accuracy=accuracy(answered),
        violations=_counted(code for r in answered if r.reading for code in r.reading.violations),
        by_tag=tuple((tag, accuracy(r for r in answered if tag in r.case.tags)) for tag in tags),
        latency_p50_s=quantile(latencies, 0.50),
        latency_p95_s=quantile(latencies, 0.95),
        prompt_tokens=sum(r.response.prompt_tokens or 0 for r in answered),
        completion_tokens=sum(r.response.completion_tokens or 0 for r in answered),
    )


def _counted(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
