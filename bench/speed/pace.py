"""How `harness.pace` finds a server's number of slots, in a simulation: no clock, no network, always the same figures.

    python bench/speed/pace.py [-n 10000] [--seeds 3]

A server has slots and a queue. What is in the slots is worked on side by side: one token of each takes
`step_s + each_s * busy` (each_s = 0: the slots do not feel each other; otherwise they are a batch). Above
`refuses_above` it answers 429 at once. `best` is the fixed concurrency with the shortest wall, `lost` how much longer
the wall is than with that one, `at once` the median over time of the second half, `waits` the share of a reply's
latency that is spent in the server's queue.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.runner.pacing import AdaptiveLimit, retry_wait_s

GRID = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 50, 64, 80, 100, 128)


@dataclass(frozen=True)
class Server:
    """A kind of server. `prompt`: what reading the prompt costs, in tokens written; `tokens`: the mean reply.

    `noise`: the standard deviation of the logarithm of a reply's length; `jitter` the same of what is not its length.
    `broken`: the share of requests that get a 503 whatever the load. From `changes_s` on there are `slots_later`.
    """

    name: str
    slots: int
    step_s: float = 0.01
    each_s: float = 0.0
    prompt: float = 2.0
    tokens: float = 8.0
    noise: float = 0.0
    jitter: float = 0.0
    refuses_above: int = 10**9
    broken: float = 0.0
    limit: int = 128
    slots_later: int | None = None
    changes_s: float = float("inf")

    def slots_at(self, clock: float) -> int:
        """How many slots there are at that time."""
        return self.slots if self.slots_later is None or clock < self.changes_s else self.slots_later


@dataclass
class Job:
    """One request: what it needs, and when it came."""

    work: float
    tokens: int
    attempt: int = 1
    started: float = 0.0
    cohort: object = None


class Fixed:
    """So many at once, whatever happens."""

    slowed = 0

    def __init__(self, now: int) -> None:
        self.now = now

    def begin(self, _in_flight: int) -> None:
        """It measures nothing."""

    def answered(self, *_: object) -> None:
        """It does not care."""

    def refused(self, *_: object) -> None:
        """It does not care."""


@dataclass
class Told:
    """What came of a simulation. `held`: how long which concurrency was allowed, in the order of time."""

    wall_s: float = 0.0
    refusals: int = 0
    waits: float = 0.0
    held: list[tuple[float, int]] = field(default_factory=list)

    @property
    def at_once(self) -> int:
        """The median over time of the second half."""
        late = sorted((now, until - since) for (since, now), (until, _) in zip(self.held, self.held[1:], strict=False)
                      if since >= self.wall_s / 2)  # fmt: skip
        if not late:
            return self.held[-1][1]
        half, seen = sum(lasted for _, lasted in late) / 2, 0.0
        for now, lasted in late:
            seen += lasted
            if seen >= half:
                return now
        return late[-1][0]


class Simulation:
    """A client that asks `server` for `n` cases with as many at once as `slots` says, and its clock."""

    def __init__(self, server: Server, slots: AdaptiveLimit | Fixed, n: int, seed: int) -> None:
        self.server, self.slots, self.draw = server, slots, random.Random(seed)
        self.ready: deque[Job] = deque(_job(server, self.draw) for _ in range(n))
        self.refusals: list[tuple[float, int, Job]] = []  # on their way back
        self.retries: list[tuple[float, int, Job]] = []
        self.batch: list[tuple[float, int, Job]] = []  # in the slots, by the work done when each is finished
        self.queue: deque[Job] = deque()
        self.clock = self.work_done = self.waited = self.served = 0.0
        self.in_flight = self.ticket = 0
        self.left = n
        self.told = Told(held=[(0.0, slots.now)])

    def run(self) -> Told:
        """Until every case is answered."""
        while self.left:
            while self.ready and self.in_flight < self.slots.now:
                self.send(self.ready.popleft())
            self.step()
            if self.told.held[-1][1] != self.slots.now:
                self.told.held.append((self.clock, self.slots.now))
        self.told.wall_s, self.told.waits = self.clock, self.waited / self.served
        self.told.held.append((self.clock, self.slots.now))
        return self.told

    def send(self, job: Job) -> None:
        """A request leaves, and is refused, worked on or put into the queue."""
        self.in_flight += 1
        self.ticket += 1
        job.started, job.cohort = self.clock, self.slots.begin(self.in_flight)
        full = len(self.batch) + len(self.queue) >= self.server.refuses_above
        if full or self.draw.random() < self.server.broken:
            heapq.heappush(self.refusals, (self.clock + 0.005, self.ticket, job))
        else:
            self.queue.append(job)
            self.fill()

    def fill(self) -> None:
        """Take from the queue what the slots hold."""
        while self.queue and len(self.batch) < self.server.slots_at(self.clock):
            job = self.queue.popleft()
            self.waited += self.clock - job.started
            self.ticket += 1
            heapq.heappush(self.batch, (self.work_done + job.work, self.ticket, job))

    def step(self) -> None:
        """What happens next."""
        per_token = self.server.step_s + self.server.each_s * len(self.batch)
        finishes = self.clock + (self.batch[0][0] - self.work_done) * per_token if self.batch else float("inf")
        refused = self.refusals[0][0] if self.refusals else float("inf")
        retried = self.retries[0][0] if self.retries else float("inf")
        before, self.clock = self.clock, min(finishes, refused, retried)
        if self.batch:
            self.work_done += (self.clock - before) / per_token
        if self.clock == refused:
            self.refuse(heapq.heappop(self.refusals)[2])
        elif self.clock == retried:
            self.ready.appendleft(heapq.heappop(self.retries)[2])
        else:
            self.finish(heapq.heappop(self.batch)[2])

    def refuse(self, job: Job) -> None:
        """A refusal arrives, and the client waits before it asks again."""
        self.in_flight -= 1
        self.told.refusals += 1
        self.slots.refused(job.cohort, job.started, self.clock)
        self.ticket += 1
        wait_s = retry_wait_s(job.attempt, None, self.draw.random)
        heapq.heappush(self.retries, (self.clock + wait_s, self.ticket, job))
        job.attempt += 1

    def finish(self, job: Job) -> None:
        """An answer arrives."""
        self.in_flight -= 1
        self.left -= 1
        self.served += self.clock - job.started
        self.slots.answered(job.cohort, self.clock - job.started, job.tokens)
        self.fill()


def simulate(server: Server, slots: AdaptiveLimit | Fixed, n: int, seed: int = 0) -> Told:
    """What comes of `n` cases."""
    return Simulation(server, slots, n, seed).run()


def _job(server: Server, draw: random.Random) -> Job:
    tokens = max(1, round(server.tokens * draw.lognormvariate(0, server.noise)))
    return Job((server.prompt + tokens) * draw.lognormvariate(0, server.jitter), tokens)


def best_fixed(server: Server, n: int, seed: int = 0) -> tuple[int, float]:
    """The fixed concurrency with the shortest wall (within 1%, the smallest), and that wall."""
    most = min(server.limit, server.refuses_above)  # above it a fixed number only makes refusals
    walls = {now: simulate(server, Fixed(now), n, seed).wall_s for now in GRID if now <= most}
    shortest = min(walls.values())
    return next((now, wall) for now, wall in walls.items() if wall <= 1.01 * shortest)


def servers(n: int) -> list[Server]:
    """The kinds that are tried."""
    plain = [Server(f"{slots} slots", slots) for slots in (1, 4, 8, 32, 64)]
    batch = [Server(f"batch of {s}", s, each_s=0.001, step_s=0.01) for s in (4, 8, 32, 64)]
    noisy = [
        replace(s, name=f"{s.name}, noisy", noise=0.8, jitter=0.3, tokens=40) for s in (*plain, batch[1], batch[2])
    ]
    cpu = Server("CPU, 8 slots of no use", 8, step_s=0.0, each_s=0.01)
    hosted = Server("50 ms, 50 connections", 10**6, step_s=0.005, limit=50)
    refusing = [Server(f"429 above {top}", 10**6, step_s=0.05, refuses_above=top) for top in (1, 2, 8, 40)]
    both = Server("8 slots, 429 above 20", 8, refuses_above=20)
    changing = [
        Server(f"{slots} slots, then {later}", slots, slots_later=later, changes_s=n * 0.1 / slots / 2)
        for slots, later in ((32, 8), (8, 32))
    ]
    broken = [Server(f"503 to {share:.0%}", 32, broken=share) for share in (0.01, 0.05)]
    return [*plain, *batch, *noisy, cpu, hosted, *refusing, both, *changing, *broken]


def row(server: Server, n: int, seeds: Sequence[int]) -> str:
    told = [simulate(server, AdaptiveLimit(server.limit), n, seed) for seed in seeds]
    best, wall = best_fixed(server, n, seeds[0])
    lost = statistics.mean(t.wall_s for t in told) / wall - 1
    return (
        f"{server.name:26}  {best:4}  {statistics.median(t.at_once for t in told):7.0f}  {lost:6.1%}  "
        f"{statistics.mean(t.waits for t in told):5.0%}  {statistics.mean(t.refusals for t in told) / n:8.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10_000, help="cases a run")
    parser.add_argument("--seeds", type=int, default=3, help="runs a row; means are shown")
    chosen = parser.parse_args()
    print(f"{'server':26}  {'best':>4}  {'at once':>7}  {'lost':>6}  waits  429, 503")
    for server in servers(chosen.n):
        print(row(server, chosen.n, range(chosen.seeds)), flush=True)


if __name__ == "__main__":
    main()
