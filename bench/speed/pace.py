"""How well `AdaptiveLimit` finds a server's number of slots. A simulation: no clock, no network, fixed figures.

    python bench/speed/pace.py [-n 10000] [--seeds 3]

A server has slots and a queue. All requests in slots advance together: one token of each takes
`step_s + each_s * busy` (each_s = 0: independent slots; otherwise a batch). Above `refuses_above` the server replies
429 at once. Columns:

    best      the fixed concurrency with the shortest run
    at once   median concurrency over the second half of the run
    lost      how much longer the run takes than with `best`
    waits     share of a reply's latency spent in the server's queue
    429, 503  refused requests per case
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
    """A kind of server. `prompt`: cost of reading the prompt, in reply tokens; `tokens`: mean length of a reply.

    `noise`: standard deviation of the log of a reply's length; `jitter`: the same of the remaining work.
    `broken`: share of requests that get a 503 at any load. From `changes_s` on, the server has `slots_later` slots.
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
        """Return the number of slots at a time."""
        return self.slots if self.slots_later is None or clock < self.changes_s else self.slots_later


@dataclass
class Job:
    """One request: its work, and when it was sent."""

    work: float
    tokens: int
    attempt: int = 1
    started: float = 0.0
    sample: object = None


class Fixed:
    """A fixed concurrency with the interface of `AdaptiveLimit`."""

    decreases = 0

    def __init__(self, concurrency: int) -> None:
        self.current = concurrency

    def begin(self, _in_flight: int) -> None:
        """Do nothing."""

    def answered(self, *_: object) -> None:
        """Do nothing."""

    def refused(self, *_: object) -> None:
        """Do nothing."""


@dataclass
class Outcome:
    """The outcome of a simulation. `held`: (time, concurrency allowed from then on), in order of time."""

    wall_s: float = 0.0
    refusals: int = 0
    waits: float = 0.0
    held: list[tuple[float, int]] = field(default_factory=list)

    @property
    def at_once(self) -> int:
        """Median concurrency over the second half of the run."""
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
    """A client that sends `n` cases to `server` with the concurrency of `slots`, and the clock of both."""

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
        self.outcome = Outcome(held=[(0.0, slots.current)])

    def run(self) -> Outcome:
        """Run until every case is answered."""
        while self.left:
            while self.ready and self.in_flight < self.slots.current:
                self.send(self.ready.popleft())
            self.step()
            if self.outcome.held[-1][1] != self.slots.current:
                self.outcome.held.append((self.clock, self.slots.current))
        self.outcome.wall_s, self.outcome.waits = self.clock, self.waited / self.served
        self.outcome.held.append((self.clock, self.slots.current))
        return self.outcome

    def send(self, job: Job) -> None:
        """Send a request; the server refuses it, starts it, or queues it."""
        self.in_flight += 1
        self.ticket += 1
        job.started, job.sample = self.clock, self.slots.begin(self.in_flight)
        full = len(self.batch) + len(self.queue) >= self.server.refuses_above
        if full or self.draw.random() < self.server.broken:
            heapq.heappush(self.refusals, (self.clock + 0.005, self.ticket, job))
        else:
            self.queue.append(job)
            self.fill()

    def fill(self) -> None:
        """Move requests from the queue to free slots."""
        while self.queue and len(self.batch) < self.server.slots_at(self.clock):
            job = self.queue.popleft()
            self.waited += self.clock - job.started
            self.ticket += 1
            heapq.heappush(self.batch, (self.work_done + job.work, self.ticket, job))

    def step(self) -> None:
        """Advance the clock to the next event."""
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
        """Receive a refusal and schedule the retry."""
        self.in_flight -= 1
        self.outcome.refusals += 1
        self.slots.refused(job.sample, job.started, self.clock)
        self.ticket += 1
        wait_s = retry_wait_s(job.attempt, None, self.draw.random)
        heapq.heappush(self.retries, (self.clock + wait_s, self.ticket, job))
        job.attempt += 1

    def finish(self, job: Job) -> None:
        """Receive a reply."""
        self.in_flight -= 1
        self.left -= 1
        self.served += self.clock - job.started
        self.slots.answered(job.sample, self.clock - job.started, job.tokens)
        self.fill()


def simulate(server: Server, slots: AdaptiveLimit | Fixed, n: int, seed: int = 0) -> Outcome:
    """Simulate `n` cases."""
    return Simulation(server, slots, n, seed).run()


def _job(server: Server, draw: random.Random) -> Job:
    tokens = max(1, round(server.tokens * draw.lognormvariate(0, server.noise)))
    return Job((server.prompt + tokens) * draw.lognormvariate(0, server.jitter), tokens)


def best_fixed(server: Server, n: int, seed: int = 0) -> tuple[int, float]:
    """Return the smallest fixed concurrency within 1% of the shortest run, and the length of its run."""
    most = min(server.limit, server.refuses_above)  # a higher number would only cause refusals
    walls = {now: simulate(server, Fixed(now), n, seed).wall_s for now in GRID if now <= most}
    shortest = min(walls.values())
    return next((now, wall) for now, wall in walls.items() if wall <= 1.01 * shortest)


def servers(n: int) -> list[Server]:
    """Return the simulated servers."""
    plain = [Server(f"{slots} slots", slots) for slots in (1, 4, 8, 32, 64)]
    batch = [Server(f"batch of {s}", s, each_s=0.001, step_s=0.01) for s in (4, 8, 32, 64)]
    noisy = [
        replace(s, name=f"{s.name}, noisy", noise=0.8, jitter=0.3, tokens=40) for s in (*plain, batch[1], batch[2])
    ]
    cpu = Server("CPU, 8 useless slots", 8, step_s=0.0, each_s=0.01)
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
    outcomes = [simulate(server, AdaptiveLimit(server.limit), n, seed) for seed in seeds]
    best, wall = best_fixed(server, n, seeds[0])
    lost = statistics.mean(o.wall_s for o in outcomes) / wall - 1
    return (
        f"{server.name:26}  {best:4}  {statistics.median(o.at_once for o in outcomes):7.0f}  {lost:6.1%}  "
        f"{statistics.mean(o.waits for o in outcomes):5.0%}  {statistics.mean(o.refusals for o in outcomes) / n:8.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10_000, help="cases per run")
    parser.add_argument("--seeds", type=int, default=3, help="runs per row; means are printed")
    args = parser.parse_args()
    print(f"{'server':26}  {'best':>4}  {'at once':>7}  {'lost':>6}  waits  429, 503")
    for server in servers(args.n):
        print(row(server, args.n, range(args.seeds)), flush=True)


if __name__ == "__main__":
    main()
