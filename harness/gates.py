"""Gates: what a run must reach. A rate passes by the end of its 95% interval that proves the point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from harness.evals import GateConfig
from harness.metrics.summary import Summary
from harness.stats import Rate


class Verdict(StrEnum):
    """PASSED and FAILED are proven; UNDECIDED is a run with failed calls, about which nothing is."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate of one cell. `message` is the whole story on one line."""

    gate: str
    cell: str
    verdict: Verdict
    message: str


_RATES: dict[str, tuple[str, Callable[[Summary], Rate]]] = {
    "min_accuracy": ("strict accuracy", lambda s: s.accuracy.strict),
    "min_lenient_accuracy": ("lenient accuracy", lambda s: s.accuracy.lenient),
    "min_compliance": ("compliance", lambda s: s.accuracy.compliance),
}


def names(gates: GateConfig) -> list[str]:
    """The gates that an eval sets."""
    return [name for name, value in gates if value is not None]


def judge(gate: str, gates: GateConfig, cell: str, summary: Summary) -> GateResult:
    """Judge one gate of one cell."""
    limit = float(getattr(gates, gate))
    if summary.n_errors or not summary.answered:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.errors)
        message = (
            f"{cell}: {summary.n_errors} of {summary.n} calls failed ({kinds}): {gate} is undecided; "
            "mend the backend and run again with --resume (answered cases are not asked twice)"
        )
        return GateResult(gate, cell, Verdict.UNDECIDED, message)
    if gate in _RATES:
        what, of = _RATES[gate]
        rate = of(summary)
        passed = rate.low >= limit
        said = (
            f"{what} {rate.value:.1%} ({rate.hits} of {rate.n}), 95% interval {rate.low:.1%} to {rate.high:.1%}: its "
            f"lower end is {'not ' if passed else ''}below {gate} = {limit:g}"
        )
        if not passed and rate.value >= limit:
            said += "; the observed rate is not, so more cases may prove it"
    else:
        found = summary.latency_p95_s
        passed = found is not None and found <= limit
        said = f"p95 latency {found:.2f} s, {gate} = {limit:g}" if found is not None else "no latency was measured"
    return GateResult(gate, cell, Verdict.PASSED if passed else Verdict.FAILED, f"{cell}: {said}")
