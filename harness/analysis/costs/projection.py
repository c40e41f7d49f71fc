"""Project the cost of a month from measured tokens: current, in batches, on the candidate, and split.

    line.today_usd      every call on what production asks today
    bill.hybrid_usd     what stays, plus the server that what moves needs
    bill.share_usd      what one eval pays of that server
    bill.advised        the sum for readers: with what is missing in it, and whether it is an estimate

A month has 30 days. Figures are `None` where nothing was measured, or nobody says what a model costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Literal

from harness.analysis.compare import Comparison
from harness.analysis.costs import capacity as servers
from harness.analysis.costs.capacity import PARTS
from harness.analysis.costs.spend import DAYS, SECONDS, tokens, untold
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
    """What one call takes, measured over the judged calls of a run.

    Tokens are means per call. `tries`: how many attempts a call took, those without an answer counted as if each had
    been billed like the others. `calls_per_s`: how many were answered a second while the backend was at work.
    """

    run_id: str
    cell: str
    backend: str
    n: int
    whole: bool
    prompt_tokens: float
    completion_tokens: float
    tries: float
    longest_prompt: int
    calls_per_s: float | None
    latency_p95_s: float | None

    @property
    def few(self) -> bool:
        """A sample, or so few calls that they say little of all others."""
        return not self.whole or self.n < FEW

    def usd(self, price: Price) -> float:
        """What a call costs."""
        return self.tries * usd(price, self.prompt_tokens, self.completion_tokens)


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
    def today_usd(self) -> float | None:
        """Cost of a month on the current model."""
        return None if self.per_call_usd is None else self.calls * self.per_call_usd

    @property
    def batch_usd(self) -> float | None:
        """`today_usd` in batches."""
        return None if self.today_usd is None else BATCH * self.today_usd

    @property
    def candidate_usd(self) -> float | None:
        """A month of the candidate's own price; 0 for a local one, which costs what its server does.

        Where the candidate cannot do it at all, today's.
        """
        if self.local:
            return 0.0
        if not self.candidate:
            return self.today_usd
        return (
            self.calls * self.candidate_usage.usd(self.candidate_price)
            if self.candidate_usage and self.candidate_price
            else None
        )

    @property
    def moved_usd(self) -> float | None:
        """`candidate_usd`, where what the move takes is known: of a local one also how much of a server that is."""
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
    def parts(self) -> int:
        """The load in millionths of a server, rounded down, so that a load that fits exactly is accepted."""
        return max(1, int(min(self.load, MOST_CALLS) * PARTS)) if self.load else 0

    @property
    def break_even(self) -> int | None:
        """From how many calls a day on one local server for this eval alone would cost no more than today's.

        `None` where that is not known, and where it is more than one server carries.
        """
        if not self.local or not self.per_call_usd:
            return None
        calls = self.fixed_usd / (DAYS * self.per_call_usd)
        if calls > MOST_CALLS:
            return None
        even = math.ceil(calls * (1 - NOISE))
        return even if self.capacity is None or even <= self.capacity else None

    @property
    def never_even(self) -> bool:
        """Whether a server for this eval alone costs more than today's model at any volume that it carries."""
        return self.local and self.per_call_usd is not None and self.break_even is None

    @property
    def capacity(self) -> int | None:
        """Calls a day that one server carries at this peak."""
        measured = self.candidate_usage.calls_per_s if self.candidate_usage and self.local else None
        return int(measured * SECONDS / self.peak * (1 + NOISE)) if measured else None


class Decision(StrEnum):
    """Advice on a task."""

    MOVE = "MOVE"
    STAY = "STAY"
    INCONCLUSIVE = "INCONCLUSIVE"

    @classmethod
    def _missing_(cls, value: object) -> Decision | None:
        return cls.STAY if value == "KEEP" else None  # the name in files of older versions


Stands = Literal["for", "against", "open", "note"]
"""Whether a reason is for moving, against it, an open question, or a note."""


class AdviceCode(StrEnum):
    """What a reason is about."""

    CAPACITY = "capacity"
    CONTEXT = "context"
    FORMAT = "format"
    GATE = "gate"
    INDEX = "index"
    KEEP = "keep"
    LATENCY = "latency"
    PRICE = "price"
    QUALITY = "quality"
    ROUTE = "route"
    SAMPLE = "sample"
    SAVINGS = "savings"
    SERVICE = "service"
    STALE = "stale"
    TOKENS = "tokens"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of an advice. `text` is rendered by report/advice_text.py."""

    code: AdviceCode
    stands: Stands
    text: str


@dataclass(frozen=True, slots=True)
class EvalAdvice:
    """Advice on one eval with its reasons. `comparison`: the basis of the quality verdict."""

    line: EvalCost
    decision: Decision
    reasons: tuple[Reason, ...]
    comparison: Comparison | None = None


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
    def over(self) -> int:
        """The number of evals whose cost is known."""
        return self.of - len(self.missing)


@dataclass(frozen=True)
class CostProjection:
    """The bill of a month: `lines`, and the names of those evals that move.

    An eval of which nobody knows what it costs today is in no sum, so that sums can be compared. The sums as numbers
    are 0 where nothing is known; `today`, `batch`, `advised` and `all_moved` tell that apart from nothing to pay.
    """

    lines: tuple[EvalCost, ...]
    moved: frozenset[str]
    local: LocalConfig

    @property
    def unknown(self) -> tuple[str, ...]:
        """The evals of which nobody can say what they cost today. They are in no sum."""
        return tuple(line.eval for line in self.lines if line.today_usd is None)

    @property
    def today_usd(self) -> float:
        """All as it is."""
        return _total(line.today_usd for line in self.lines)

    @property
    def batch_usd(self) -> float:
        """All as it is, in batches."""
        return BATCH * self.today_usd

    @property
    def then_usd(self) -> float | None:
        """Cost of everything on the candidate, whatever its quality. See `all_moved` for what is missing."""
        return self.all_moved.usd

    @property
    def today(self) -> CostTotal:
        """All as it is."""
        return self._sum()

    @property
    def batch(self) -> CostTotal:
        """All as it is, in batches."""
        return self._sum(part=BATCH)

    @property
    def advised(self) -> CostTotal:
        """What stays, plus what moves."""
        return self._sum(self.moving)

    @property
    def all_moved(self) -> CostTotal:
        """Cost of everything on the candidate, whatever its quality."""
        return self._sum(self.known)

    def _sum(self, moved: Iterable[EvalCost] = (), part: float = 1.0) -> CostTotal:
        """So much of what all of it costs today, those that are `moved` with what they cost then and their servers."""
        then = {line.eval: line for line in moved if line.today_usd is not None}
        amounts: dict[str, float] = {}
        guessed = False
        for line in self.known:
            usd = line.moved_usd if line.eval in then else line.today_usd
            if usd is not None:
                amounts[line.eval] = part * usd
                guessed = guessed or (line.estimated and (line.eval not in then or not line.candidate))
        server = self.server_usd(then.values())
        return CostTotal(
            usd=_total(amounts.values()) + server if amounts or server else None,
            missing=tuple(line.eval for line in self.lines if line.eval not in amounts),
            of=len(self.lines),
            estimated=guessed,
        )

    @cached_property
    def known(self) -> tuple[EvalCost, ...]:
        """The lines of which is known what they cost today."""
        return tuple(line for line in self.lines if line.today_usd is not None)

    @property
    def stays_usd(self) -> float:
        """What is still paid to today's models after the move."""
        return _total(line.today_usd for line in self.lines if line.eval not in self.moved)

    @property
    def moved_api_usd(self) -> float:
        """What is paid to the candidate after the move, if it is one that charges by the token."""
        return _total(line.candidate_usd for line in self.moving)

    @property
    def hybrid_usd(self) -> float:
        """What stays, plus what moves."""
        return self.stays_usd + self.moved_api_usd + self.server_usd(self.moving)

    @cached_property
    def moving(self) -> tuple[EvalCost, ...]:
        """The lines that move."""
        return tuple(line for line in self.lines if line.eval in self.moved)

    def servers(self, lines: Iterable[EvalCost]) -> int:
        """How many local servers carry these lines in the busiest hour; none where none of them is local."""
        own = [line.parts for line in lines if line.local]
        return max(1, servers.needed(sum(own))) if own else 0

    def server_usd(self, lines: Iterable[EvalCost]) -> float:
        """What these servers cost, whatever they are asked, and what is around them."""
        return servers.usd(self.servers(lines), self.local)

    def share_usd(self, line: EvalCost) -> float:
        """What one of the lines that move pays of the server: in proportion to what it costs today.

        The servers cost the same with or without most of them, so no other share would be truer; by this one each saves
        if all of them together do.
        """
        own = [one for one in self.moving if one.local]
        if line not in own:
            return 0.0
        today = _total(one.today_usd for one in own)
        return self.server_usd(own) * ((line.today_usd or 0.0) / today if today else 1 / len(own))

    def saved_usd(self, line: EvalCost) -> float | None:
        """What a line that moves saves a month."""
        if line.today_usd is None or line.candidate_usd is None:
            return None
        return line.today_usd - line.candidate_usd - self.share_usd(line)


def cheapest(lines: Sequence[EvalCost], local: LocalConfig) -> frozenset[str]:
    """Which evals to move, of those that could, so that the whole bill is lowest: local ones, on the servers there are.

    Of equal bills that is taken which moves less.
    """
    gains = {line.eval: (line.today_usd or 0.0) - (line.candidate_usd or 0.0) for line in lines}
    own = [line for line in lines if line.local and gains[line.eval] > 0 and line.parts <= local.servers * PARTS]
    own.sort(key=lambda line: (-gains[line.eval] / max(1, line.parts), line.eval))
    best = servers.cheapest([line.parts for line in own], [gains[line.eval] for line in own], local)
    return frozenset(line.eval for i, line in enumerate(own) if best >> i & 1)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with every eval that has traffic. `left_out`: those that have none."""

    advised: tuple[EvalAdvice, ...]
    bill: CostProjection
    left_out: tuple[str, ...] = ()

    def of(self, name: str) -> EvalAdvice | None:
        """The advice on one eval."""
        return next((one for one in self.advised if one.line.eval == name), None)


def usage(run: Run) -> Usage | None:
    """What a call takes, by a run; `None` where no server told tokens. A task's context is no call of production."""
    m = run.manifest
    prompts: list[int] = []
    latencies: list[float] = []
    spans: list[tuple[float, float]] = []
    completion = unknown = 0
    for r in run.results:  # once: a run may have more of them than fit into memory
        if r.case.expected is None:
            continue
        unknown += untold(r)
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
        whole=m.limit is None and m.finished_at is not None,
        prompt_tokens=sum(prompts) / len(prompts),
        completion_tokens=completion / len(prompts),
        tries=1 + unknown / len(prompts),
        longest_prompt=max(prompts),
        calls_per_s=_per_second(spans),
        latency_p95_s=quantile(latencies, 0.95),
    )


def throughput(results: Iterable[Result]) -> float | None:
    """Calls answered a second while at least one was under way: pauses between sessions are no work.

    An answer from the store has the time of its own call, so it counts where it was made, not where it was used.
    """
    return _per_second([span for result in results for span in _span(result)])


def _span(result: Result) -> list[tuple[float, float]]:
    """From when to when a call that answered was under way, in seconds; nothing where that is not known."""
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
