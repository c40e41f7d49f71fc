"""Quantization ladder: compare the run of each step with the run of the first, such as FP16.

Speeds are as measured during the runs. On a busy machine all of them are too low, but their ratios hold better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.analysis.compare.comparison import Comparison
from harness.analysis.compare.noise import beyond, floor
from harness.analysis.compare.pairing import compare
from harness.analysis.compare.probabilities import TokenProbabilities, compare_probabilities
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes, outcomes_of
from harness.analysis.compare.verdicts import ComparisonQuestion
from harness.analysis.stats import Interval, Rate, clustered_rate, paired_mean, quantile
from harness.core.types import Response, Run


@dataclass(frozen=True, slots=True)
class LadderStep:
    """One backend of a ladder, compared with the first. `None`: not measured, or the first step itself.

    `faster`: the first step's latency over this step's, as the geometric mean over the cases, with its 95% interval.
    `net_changes`: answers changed beyond noise.
    `probabilities`: of the first tokens, if the server reports them for both steps.
    `quartiles`: of the latency in seconds.
    `tokens_per_s`: completion tokens over the server's generation time, or over the calls' latency.
    `prompt_s`: median seconds of prompt evaluation, as the server reports it.
    """

    backend: str
    label: str
    side: RunOutcomes
    accuracy: Rate
    compliance: Rate
    quartiles: tuple[float, float] | None
    tokens_per_s: float | None
    prompt_s: float | None
    model_bytes: int | None
    comparison: Comparison | None
    faster: Interval | None
    net_changes: float | None
    probabilities: TokenProbabilities | None = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps that were run, in order. `missing`: backends of steps without a run."""

    name: str
    margin: float
    steps: tuple[LadderStep, ...]
    missing: tuple[str, ...]
    noise: Comparison | None


_FEWEST_TIMED = 2

_MAY_MOVE = ComparisonQuestion("move")


def climb(
    name: str,
    backends: Sequence[str],
    runs: Sequence[Run],
    question: ComparisonQuestion = _MAY_MOVE,
    noise: Comparison | None = None,
) -> Ladder | None:
    """Compare the run of each backend with the run of the first.

    Args:
        name: The ladder's name.
        backends: The backends of its steps, in order.
        runs: The last run of each backend counts.
        question: Of every comparison. The steps share its error.
        noise: Two runs of the same cell, compared; by default looked for in `runs`.

    Returns:
        `None` if the first step, or every other step, has no run.
    """
    by_backend = {run.manifest.backend: run for run in runs}
    present = [by_backend[backend] for backend in backends if backend in by_backend]
    if backends[0] not in by_backend or len(present) < 2:
        return None
    shared = replace(question, candidates=max(question.candidates, len(present) - 1))  # the steps share the error
    measured = noise or floor([run for run in runs if run.manifest.backend in backends])
    first = outcomes_of(present[0])
    steps = [
        _step(run, label, None if run is present[0] else (first, present[0]), shared, measured)
        for run, label in zip(present, _labels(present), strict=True)
    ]
    steps[1:] = [
        replace(step, probabilities=compare_probabilities(present[0].results, run.results))
        for step, run in zip(steps[1:], present[1:], strict=True)
    ]
    missing = tuple(backend for backend in backends if backend not in by_backend)
    return Ladder(name, question.margin, tuple(steps), missing, measured)


def _labels(runs: Sequence[Run]) -> list[str]:
    """The quantizations, if they are known and distinct; else the backends' names."""
    names = [run.manifest.fingerprint.get("quantization", "") for run in runs]
    return names if all(names) and len(set(names)) == len(names) else [run.manifest.backend for run in runs]


def _step(
    run: Run, label: str, first: tuple[RunOutcomes, Run] | None, question: ComparisonQuestion, noise: Comparison | None
) -> LadderStep:
    own = outcomes_of(run)
    comparison = None if first is None else compare(first[0], own, question)
    return LadderStep(
        backend=own.backend,
        label=label,
        side=own,
        accuracy=_rate(own, lambda case: case.strict),
        compliance=_rate(own, lambda case: case.compliant),
        quartiles=_quartiles(run),
        tokens_per_s=_tokens_per_s(run),
        prompt_s=quantile([r.prompt_s for r in _answered(run) if r.prompt_s is not None], 0.5),
        model_bytes=run.manifest.model_bytes,
        comparison=comparison,
        faster=None if first is None else speed_ratio(first[1], run),
        net_changes=beyond(comparison, noise) if comparison and noise else None,
    )


def _rate(own: RunOutcomes, count: Callable[[CaseOutcome], int]) -> Rate:
    return clustered_rate([(count(case), case.judged) for case in own.cases.values() if case.judged])


def speed_ratio(first: Run, run: Run) -> Interval | None:
    """How many times faster `run` is: the geometric mean of the ratios of latency, case by case, with its 95% interval.

    From Student's t interval of the logarithms; `None` with fewer than two timed cases.
    """
    before, after = _seconds_by_case(first), _seconds_by_case(run)
    logs = [math.log(before[case] / after[case]) for case in before.keys() & after.keys()]
    if len(logs) < _FEWEST_TIMED:
        return None
    mean = paired_mean(sorted(logs))
    return Interval(math.exp(mean.delta), math.exp(mean.low), math.exp(mean.high))


def _seconds_by_case(run: Run) -> dict[tuple[str, int], float]:
    """Seconds per answered call, by case and repeat."""
    return {
        (r.case.id, r.repeat): r.response.latency_s
        for r in run.results
        if r.response.error is None and r.response.latency_s
    }


def _quartiles(run: Run) -> tuple[float, float] | None:
    latencies = [r.latency_s for r in _answered(run) if r.latency_s is not None]
    low, high = quantile(latencies, 0.25), quantile(latencies, 0.75)
    return None if low is None or high is None else (low, high)


def _tokens_per_s(run: Run) -> float | None:
    spans = [(r.completion_tokens, r.generation_s or r.latency_s) for r in _answered(run)]
    timed = [(tokens, seconds) for tokens, seconds in spans if tokens and seconds]
    total_s = math.fsum(seconds for _, seconds in timed)
    return sum(tokens for tokens, _ in timed) / total_s if total_s else None


def _answered(run: Run) -> list[Response]:
    return [result.response for result in run.results if result.response.error is None]
