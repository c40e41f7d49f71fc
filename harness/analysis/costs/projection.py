"""Project the monthly cost from measured tokens: current, in batches, on the candidate, and split.

    line.current_usd    every call on the current backend
    bill.hybrid_usd     evals that stay, plus evals that move and their servers
    bill.share_usd      what one eval pays of that server
    bill.advised        the sum for readers: with what is missing in it, and whether it is an estimate

A month has 30 days. A figure is `None` if tokens or price are unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from harness.analysis.costs import capacity as servers
from harness.analysis.costs.capacity import PARTS
from harness.analysis.costs.spend import DAYS, SECONDS, attempts_without_tokens, tokens
from harness.analysis.stats import quantile
from harness.core.types import Result, Run
from harness.project.config import LocalConfig
from harness.project.pricing import BATCH, Price, usd

NOISE = 1e-12
"""Relative tolerance before rounding up to whole calls or servers, so that float noise adds none."""
MOST_CALLS = 10**15
"""Cap on calls a day."""
FEW = 30
"""Token means of fewer calls are marked as rough."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, attempts and time per call, measured over the `n` judged calls of a run.

    Tokens are means per call. `attempts`: mean billed attempts per call; attempts without a token count are assumed to
    be billed. `calls_per_s`: throughput while calls were under way.
    """

    run_id: str
    cell: str
    backend: str
    n: int
    is_complete: bool
    prompt_tokens: float
    completion_tokens: float
    attempts: float
    longest_prompt: int
    calls_per_s: float | None
    latency_p95_s: float | None

    @property
    def is_rough(self) -> bool:
        """Whether the figures come from a sample or from few calls."""
        return not self.is_complete or self.n < FEW

    def usd(self, price: Price) -> float:
        """Cost of a call."""
        return self.attempts * usd(price, self.prompt_tokens, self.completion_tokens)


@dataclass(frozen=True)
class EvalCost:
    """The cost of one eval. `current`: production's backend. `candidate`: where it would move; empty if it cannot.

    `estimated`: `current` was not measured, so its tokens are those of the same prompt on another model.
    """

    eval: str
    task: str
    daily_calls: int
    current: str
    candidate: str
    current_usage: Usage | None
    candidate_usage: Usage | None
    current_price: Price | None
    candidate_price: Price | None
    local: bool
    peak: float
    fixed_usd: float
    estimated: bool = False

    @property
    def calls(self) -> int:
        """Calls a month."""
        return DAYS * min(self.daily_calls, MOST_CALLS)

    @property
    def per_call_usd(self) -> float | None:
        """Cost of a call on the current model."""
        return self.current_usage.usd(self.current_price) if self.current_usage and self.current_price else None

    @property
    def current_usd(self) -> float | None:
        """Cost of a month on the current model."""
        return None if self.per_call_usd is None else self.calls * self.per_call_usd

    @property
    def batch_usd(self) -> float | None:
        """`current_usd` in batches."""
        return None if self.current_usd is None else BATCH * self.current_usd

    @property
    def candidate_usd(self) -> float | None:
        """Cost of a month on the candidate, without servers: 0 for a local candidate.

        Without a candidate it is `current_usd`.
        """
        if self.local:
            return 0.0
        if not self.candidate:
            return self.current_usd
        return (
            self.calls * self.candidate_usage.usd(self.candidate_price)
            if self.candidate_usage and self.candidate_price
            else None
        )

    @property
    def moved_usd(self) -> float | None:
        """`candidate_usd`; `None` if the load on a local server is unknown."""
        return None if self.local and self.load is None else self.candidate_usd

    @property
    def load(self) -> float | None:
        """Share of one server that the busiest hour takes: peak calls a second over measured calls a second."""
        measured = self.candidate_usage.calls_per_s if self.candidate_usage and self.local else None
        return self.peak_calls_per_s / measured if measured else None

    @property
    def peak_calls_per_s(self) -> float:
        """Calls a second in the busiest hour."""
        return self.peak * min(self.daily_calls, MOST_CALLS) / SECONDS

    @property
    def load_parts(self) -> int:
        """The load in millionths of a server, rounded down, so that a load that fits exactly is accepted."""
        return max(1, int(min(self.load, MOST_CALLS) * PARTS)) if self.load else 0

    @property
    def break_even(self) -> int | None:
        """Calls a day from which one local server for this eval alone costs no more than the current model.

        `None` if unknown, or if one server cannot carry that many.
        """
        if not self.local or not self.per_call_usd:
            return None
        calls = self.fixed_usd / (DAYS * self.per_call_usd)
        if calls > MOST_CALLS:
            return None
        even = math.ceil(calls * (1 - NOISE))
        return even if self.capacity is None or even <= self.capacity else None

    @property
    def never_breaks_even(self) -> bool:
        """Whether a server for this eval alone always costs more than the current model."""
        return self.local and self.per_call_usd is not None and self.break_even is None

    @property
    def capacity(self) -> int | None:
        """Calls a day that one server carries at this peak."""
        measured = self.candidate_usage.calls_per_s if self.candidate_usage and self.local else None
        return int(measured * SECONDS / self.peak * (1 + NOISE)) if measured else None


@dataclass(frozen=True, slots=True)
class CostTotal:
    """Total cost of a month over `of` evals. `usd`: `None` if unknown.

    `missing`: evals whose cost is unknown; with any, the total is at least `usd`.
    `estimated`: some tokens were measured on another model.
    """

    usd: float | None
    missing: tuple[str, ...]
    of: int
    estimated: bool

    @property
    def known(self) -> int:
        """The number of evals whose cost is known."""
        return self.of - len(self.missing)


@dataclass(frozen=True)
class CostProjection:
    """The monthly bill. `lines`: one per eval. `moved`: the names of the evals that move.

    Evals whose current cost is unknown are in no sum, so that the sums are comparable. The sums ending in `_usd` are 0
    if nothing is known; `current`, `batch`, `advised` and `all_moved` are `None` instead.
    """

    lines: tuple[EvalCost, ...]
    moved: frozenset[str]
    local: LocalConfig

    @property
    def unknown(self) -> tuple[str, ...]:
        """Evals whose current cost is unknown. They are in no sum."""
        return tuple(line.eval for line in self.lines if line.current_usd is None)

    @property
    def current_usd(self) -> float:
        """Cost of all evals on the current models."""
        return _total(line.current_usd for line in self.lines)

    @property
    def batch_usd(self) -> float:
        """`current_usd` in batches."""
        return BATCH * self.current_usd

    @property
    def all_moved_usd(self) -> float | None:
        """Cost of everything on the candidate, whatever its quality. See `all_moved` for what is missing."""
        return self.all_moved.usd

    @property
    def current(self) -> CostTotal:
        """Cost of all evals on the current models."""
        return self._sum()

    @property
    def batch(self) -> CostTotal:
        """Cost of all evals on the current models, in batches."""
        return self._sum(part=BATCH)

    @property
    def advised(self) -> CostTotal:
        """Cost if the advice is followed."""
        return self._sum(self.moving)

    @property
    def all_moved(self) -> CostTotal:
        """Cost of everything on the candidate, whatever its quality."""
        return self._sum(self.known)

    def _sum(self, moved: Iterable[EvalCost] = (), part: float = 1.0) -> CostTotal:
        """Add up the evals, those in `moved` at the candidate's cost plus servers. `part`: a factor on every cost."""
        on_candidate = {line.eval: line for line in moved if line.current_usd is not None}
        amounts: dict[str, float] = {}
        estimated = False
        for line in self.known:
            usd = line.moved_usd if line.eval in on_candidate else line.current_usd
            if usd is not None:
                amounts[line.eval] = part * usd
                estimated = estimated or (line.estimated and (line.eval not in on_candidate or not line.candidate))
        server = self.server_usd(on_candidate.values())
        return CostTotal(
            usd=_total(amounts.values()) + server if amounts or server else None,
            missing=tuple(line.eval for line in self.lines if line.eval not in amounts),
            of=len(self.lines),
            estimated=estimated,
        )

    @cached_property
    def known(self) -> tuple[EvalCost, ...]:
        """The lines whose current cost is known."""
        return tuple(line for line in self.lines if line.current_usd is not None)

    @property
    def stays_usd(self) -> float:
        """Cost of the evals that stay."""
        return _total(line.current_usd for line in self.lines if line.eval not in self.moved)

    @property
    def moved_api_usd(self) -> float:
        """Cost of the evals that move, without servers."""
        return _total(line.candidate_usd for line in self.moving)

    @property
    def hybrid_usd(self) -> float:
        """Cost if the advice is followed: evals that stay, evals that move, and servers."""
        return self.stays_usd + self.moved_api_usd + self.server_usd(self.moving)

    @cached_property
    def moving(self) -> tuple[EvalCost, ...]:
        """The lines that move."""
        return tuple(line for line in self.lines if line.eval in self.moved)

    def servers(self, lines: Iterable[EvalCost]) -> int:
        """Number of servers that the local ones of these lines need in the busiest hour."""
        own = [line.load_parts for line in lines if line.local]
        return max(1, servers.needed(sum(own))) if own else 0

    def server_usd(self, lines: Iterable[EvalCost]) -> float:
        """Monthly cost of these servers and their overhead."""
        return servers.usd(self.servers(lines), self.local)

    def share_usd(self, line: EvalCost) -> float:
        """Share of the server cost of an eval that moves, in proportion to its current cost.

        Servers have a fixed cost, so any split is a convention. With this one, each eval saves if all together do.
        """
        own = [other for other in self.moving if other.local]
        if line not in own:
            return 0.0
        current = _total(other.current_usd for other in own)
        return self.server_usd(own) * ((line.current_usd or 0.0) / current if current else 1 / len(own))

    def saved_usd(self, line: EvalCost) -> float | None:
        """Monthly savings of an eval that moves."""
        if line.current_usd is None or line.candidate_usd is None:
            return None
        return line.current_usd - line.candidate_usd - self.share_usd(line)


def cheapest(lines: Sequence[EvalCost], local: LocalConfig) -> frozenset[str]:
    """Choose the local evals to move so that the total bill is lowest, within the allowed number of servers.

    Of equal bills, the one that moves less is chosen.
    """
    gains = {line.eval: (line.current_usd or 0.0) - (line.candidate_usd or 0.0) for line in lines}
    own = [line for line in lines if line.local and gains[line.eval] > 0 and line.load_parts <= local.servers * PARTS]
    own.sort(key=lambda line: (-gains[line.eval] / max(1, line.load_parts), line.eval))
    best = servers.cheapest([line.load_parts for line in own], [gains[line.eval] for line in own], local)
    return frozenset(line.eval for i, line in enumerate(own) if best >> i & 1)


def usage(run: Run) -> Usage | None:
    """Measure a run; `None` if it has no token counts. Cases of a task's context are not calls of production."""
    m = run.manifest
    prompts: list[int] = []
    latencies: list[float] = []
    spans: list[tuple[float, float]] = []
    completion = unknown = 0
    for r in run.results:  # one pass: the results may not fit into memory
        if r.case.expected is None:
            continue
        unknown += attempts_without_tokens(r)
        spans += _span(r)
        counted = tokens(r)
        if counted is None or r.response.error is not None:
            continue
        prompts.append(counted[0])
        completion += counted[1]
        if r.response.latency_s is not None:
            latencies.append(r.response.latency_s)
    if not prompts:
        return None
    return Usage(
        run_id=m.run_id,
        cell=m.cell,
        backend=m.backend,
        n=len(prompts),
        is_complete=m.limit is None and m.finished_at is not None,
        prompt_tokens=sum(prompts) / len(prompts),
        completion_tokens=completion / len(prompts),
        attempts=1 + unknown / len(prompts),
        longest_prompt=max(prompts),
        calls_per_s=_per_second(spans),
        latency_p95_s=quantile(latencies, 0.95),
    )


def throughput(results: Iterable[Result]) -> float | None:
    """Calls answered per second while at least one was under way. Pauses between sessions do not count.

    An answer from the store counts at the time of its original call.
    """
    return _per_second([span for result in results for span in _span(result)])


def _span(result: Result) -> list[tuple[float, float]]:
    """Start and end of an answered call in seconds; empty if unknown."""
    if result.response.error is not None or not result.response.latency_s or not result.answered_at:
        return []
    end = datetime.fromisoformat(result.answered_at).timestamp()
    return [(end - result.response.latency_s, end)]


def _per_second(spans: list[tuple[float, float]]) -> float | None:
    busy = until = 0.0
    for start, end in sorted(spans):
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return len(spans) / busy if busy else None


def _total(amounts: Iterable[float | None]) -> float:
    return sum(amount for amount in amounts if amount is not None)
