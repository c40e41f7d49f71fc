"""How many at once: found by measuring, given up where the server refuses. No clock, no loop: it is told what happens.

Start low and double each round trip while that gets more done (TCP's slow start). Then compare: more at once, fewer at
once, in smaller steps each time, and stay where more gets nothing more done; a server's number of slots is found so,
without asking. Where the search ends it rests, longer each time it finds nothing. Too many at once cost no throughput,
only waiting inside the server; too few do, so that doubling goes on where the figures leave it open.

A refusal (429, 503, time-out) takes its own slot away, at most half of them in one round trip: the decrease is as large
as the share that was refused, as in DCTCP, and lands on the number that the server took. A slot comes back after each
`REGAIN` answers, so that a few refusals by chance do no harm; where more stay away than a quarter, the search goes on
from what is left.
"""

from __future__ import annotations

from math import ceil

from harness.runner.pacing.cohort import LatencyFit, LatencySample, gain, measured

START = 4
MOST = 128
"""The most at once where the user names no number."""
REGAIN = 10
_LEAST = 12
"""The smallest cohort that a comparison rests on."""
_EXTENSIONS = 4
"""How often a cohort that decides nothing is doubled."""
_SURE = 1.5
"""Standard errors."""
_BLURRED = 0.3
"""The standard error above which a doubling that seems useless is no reason to stop."""
_STEPS = (2.0, 1.42, 1.19)
_FIRST_REST, _LONGEST_REST = 32, 256
"""Round trips."""
_CHANCE = 0.05
"""The share of refusals that a comparison takes for chance; one always may be."""


class AdaptiveLimit:
    """How many requests may be in flight; `now` changes as it is told how they fare. `slowed` counts the decreases."""

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self.slowed = 0
        self.now = self._level = min(START, self.limit)
        self._cut = 0  # slots of the level that refusals took away
        self._regained = 0
        self._burst_at = float("-inf")
        self._floor = 1
        self._growing = True
        self._base: LatencyFit | None = None  # what a cohort is compared with
        self._cohort: LatencySample | None = (
            LatencySample(self.now, self.now, full_only=False) if self.limit > 1 else None
        )
        self._extensions = 0
        self._up = False
        self._step = 0
        self._futile = 0
        self._rest = _FIRST_REST
        self._resting = 0
        self._usual_s = float("inf")  # latency when the search ended
        self._slow = 0

    @property
    def settled(self) -> bool:
        """Whether the search has ended for now."""
        return self._cohort is None

    def begin(self, in_flight: int) -> LatencySample | None:
        """A request starts, the `in_flight`th now under way: the cohort that it belongs to, if any."""
        cohort = self._cohort
        if cohort is None or cohort.joined >= cohort.want or (cohort.full_only and in_flight < self.now):
            return None
        cohort.joined += 1
        return cohort

    def answered(self, cohort: LatencySample | None, latency_s: float, tokens: int | None) -> None:
        """A request was answered: after how long, and with how many completion tokens, where that is told."""
        if self._cut:
            self._regain()
        if cohort is None:
            if self._cohort is None and self.limit > 1:
                self._look_up(latency_s)
        elif cohort is self._cohort:
            cohort.latencies.append(latency_s)
            cohort.tokens.append(tokens or 0)
            if cohort.whole:
                self._compare(cohort)

    def _look_up(self, latency_s: float) -> None:
        """While it rests: search again in time, or when most replies take twice as long as they did."""
        self._resting -= 1
        self._slow = self._slow + 1 if latency_s > 2 * self._usual_s else max(0, self._slow - 1)
        if self._slow > max(_LEAST, self._level):
            self._step, self._rest, self._resting = 0, _FIRST_REST, 0
        if self._resting <= 0:
            self._measure(self._level)

    def dropped(self, cohort: LatencySample | None) -> None:
        """A request ended in a way that says nothing about how busy the server is: another takes its place."""
        if cohort is not None:
            cohort.joined -= 1

    def refused(self, cohort: LatencySample | None, started: float, now: float) -> None:
        """The server had too much to do for a request that started at `started`."""
        self.dropped(cohort)
        trial, lost = self._cohort, 1
        if trial is not None and (self._growing or self._trying_more(trial)):
            trial.refused += 1
            if trial.refused <= max(1.0, _CHANCE * trial.want):
                return
            lost = trial.refused
        if started > self._burst_at:  # else it started before the last decrease could show
            self._burst_at = now
            self._floor = max(1, self.now // 2)
            self.slowed += 1
        if trial is not None and self._base is not None and self._trying_more(trial) and not self._growing:
            self._stay(self._base)
            return
        self._cut += min(lost, max(0, self.now - self._floor))
        self._regained = 0
        if self._growing or (4 * self._cut >= self._level and (self._cut > 1 or self._level < 4)):
            self._land()
        self.now = self._level - self._cut

    def _land(self) -> None:
        """Take what refusals left for the level, and search on from there when things have been calm for a while."""
        self._level -= self._cut
        self._cut = 0
        self._growing, self._up, self._step, self._futile = False, True, 1, 0
        self._base, self._cohort = None, None
        self._resting = max(_LEAST, 4 * self._level)
        self._usual_s, self._slow = float("inf"), 0

    def _regain(self) -> None:
        self._regained += 1
        if self._regained >= REGAIN:
            self._regained = 0
            self._cut -= 1
            self.now = self._level - self._cut

    def _trying_more(self, trial: LatencySample) -> bool:
        return self._base is not None and trial.level > self._base.level

    def _set(self, level: int) -> None:
        self._level = level
        self._cut = min(self._cut, level - 1)
        self.now = level - self._cut

    def _measure(self, level: int) -> None:
        """Run at `level`, and see what that comes to."""
        self._set(level)
        self._extensions = 0
        self._cohort = LatencySample(level, max(_LEAST, level), full_only=True)

    def _compare(self, cohort: LatencySample) -> None:
        found = measured(cohort)
        if self._growing:
            self._grow(found)
        elif self._base is None:
            self._base = found
            self._try()
        else:
            self._decide(self._base, found, cohort)

    def _grow(self, found: LatencyFit) -> None:
        """Double, unless the last doubling got nothing more done."""
        base, self._base = self._base, found
        if base is not None:
            more, error = gain(base, found)
            if more < min(0.0, _BLURRED - error):
                self._growing = False
                # Little's law: what the server did in the time that a request takes where none waits.
                took = ceil(1.1 * found.level * base.latency_s / max(found.latency_s, 1e-9))
                self._base = None
                self._measure(min(max(took, base.level), found.level))
                return
        if found.level == self.limit:
            self._growing = False
            self._rest_now()
            return
        level = min(2 * found.level, self.limit)
        self._set(level)
        self._cohort = LatencySample(level, level - found.level, full_only=False)

    def _try(self) -> None:
        """Go to the next level to compare with the base; where there is none in this direction, in the other one."""
        while self._base is not None:
            level, step = self._base.level, _STEPS[self._step]
            if self._up:
                other = min(self.limit, max(level + 1, round(level * step)))
            else:
                other = max(1, min(level - 1, round(level / step)))
            if other != level:
                self._measure(other)
                return
            self._turn_round()

    def _decide(self, base: LatencyFit, found: LatencyFit, cohort: LatencySample) -> None:
        up = found.level > base.level
        more, error = gain(base, found) if up else gain(found, base)
        if abs(more) < _SURE * error and self._extensions < _EXTENSIONS:
            self._extensions += 1
            cohort.want *= 2
        elif (more > 0) == up:
            self._base, self._futile, self._rest = found, 0, _FIRST_REST
            self._try()
        else:
            self._stay(base)

    def _stay(self, base: LatencyFit) -> None:
        """The level that was tried is no better."""
        self._set(base.level)
        self._turn_round()
        if self._base is not None:
            self._base = None
            self._measure(base.level)  # anew: the server may have changed meanwhile

    def _turn_round(self) -> None:
        self._up = not self._up
        self._futile += 1
        if self._futile == 2:
            self._futile = 0
            self._step += 1
            if self._step == len(_STEPS):
                self._rest_now()

    def _rest_now(self) -> None:
        self._usual_s, self._slow = self._base.latency_s if self._base else float("inf"), 0
        self._base, self._cohort = None, None
        self._up, self._step, self._futile = False, len(_STEPS) - 1, 0
        self._resting = self._rest * self._level
        self._rest = min(2 * self._rest, _LONGEST_REST)
