"""`AdaptiveLimit`: finds the best number of requests in flight by measuring. Pure: no clock, no event loop.

Search: start low and double each round trip while throughput grows (TCP's slow start). Then compare with a higher and a
lower level, in smaller steps each time, and stay where a higher level adds no throughput. This finds a server's number
of slots. Then rest, longer after each search that finds nothing better. A level that is too high only adds waiting
inside the server, a level that is too low costs throughput. So doubling continues while the samples leave it open.

Refusals (429, 503, time-out): each removes one slot, at most half of the slots in one round trip. The decrease equals
the refused share, as in DCTCP, and ends at the number that the server accepted. Each `REGAIN` answers restore one slot,
so a few random refusals do no harm. If more than a quarter of the slots stay removed, the search restarts from the
rest.
"""

from __future__ import annotations

from math import ceil

from harness.runner.pacing.cohort import LatencyFit, LatencySample, fit, gain

START = 4
MOST = 128
"""Default maximum."""
REGAIN = 10
"""Answers that restore one slot."""
_LEAST = 12
"""Smallest sample for a comparison."""
_EXTENSIONS = 4
"""How often an undecided sample is doubled."""
_SURE = 1.5
"""Standard errors that decide a comparison."""
_BLURRED = 0.3
"""With a larger standard error, a doubling without gain does not end the growth."""
_STEPS = (2.0, 1.42, 1.19)
_FIRST_REST, _LONGEST_REST = 32, 256
"""Rest after a search, in round trips."""
_CHANCE = 0.05
"""Share of refusals in a sample that counts as chance; a single refusal always does."""


class AdaptiveLimit:
    """Decides how many requests may be in flight.

    `current` is the number now, between 1 and `maximum`. `decreases` counts the decreases after refusals.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = max(1, maximum)
        self.decreases = 0
        self.current = self._level = min(START, self.maximum)
        self._cut = 0  # slots that refusals removed
        self._regained = 0
        self._burst_at = float("-inf")
        self._floor = 1
        self._growing = True
        self._base: LatencyFit | None = None  # the sample to compare with
        self._sample: LatencySample | None = (
            LatencySample(self.current, self.current, full_only=False) if self.maximum > 1 else None
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
        """Whether the search rests."""
        return self._sample is None

    def begin(self, in_flight: int) -> LatencySample | None:
        """Count a request that starts as number `in_flight`; return the sample it belongs to, if any."""
        sample = self._sample
        if sample is None or sample.joined >= sample.target_size or (sample.full_only and in_flight < self.current):
            return None
        sample.joined += 1
        return sample

    def answered(self, sample: LatencySample | None, latency_s: float, tokens: int | None) -> None:
        """Count an answered request. `tokens`: completion tokens, `None` if unknown."""
        if self._cut:
            self._regain()
        if sample is None:
            if self._sample is None and self.maximum > 1:
                self._rest_or_search(latency_s)
        elif sample is self._sample:
            sample.latencies.append(latency_s)
            sample.tokens.append(tokens or 0)
            if sample.complete:
                self._compare(sample)

    def _rest_or_search(self, latency_s: float) -> None:
        """While resting: search again after the rest, or if most replies take twice as long as before."""
        self._resting -= 1
        self._slow = self._slow + 1 if latency_s > 2 * self._usual_s else max(0, self._slow - 1)
        if self._slow > max(_LEAST, self._level):
            self._step, self._rest, self._resting = 0, _FIRST_REST, 0
        if self._resting <= 0:
            self._measure(self._level)

    def dropped(self, sample: LatencySample | None) -> None:
        """Count a request whose end says nothing about load; another request takes its place in the sample."""
        if sample is not None:
            sample.joined -= 1

    def refused(self, sample: LatencySample | None, started: float, now: float) -> None:
        """Count a request, started at `started`, that the server refused because of load."""
        self.dropped(sample)
        trial, lost = self._sample, 1
        if trial is not None and (self._growing or self._trying_more(trial)):
            trial.refused += 1
            if trial.refused <= max(1.0, _CHANCE * trial.target_size):
                return
            lost = trial.refused
        if started > self._burst_at:  # otherwise it started before the last decrease took effect
            self._burst_at = now
            self._floor = max(1, self.current // 2)
            self.decreases += 1
        if trial is not None and self._base is not None and self._trying_more(trial) and not self._growing:
            self._stay(self._base)
            return
        self._cut += min(lost, max(0, self.current - self._floor))
        self._regained = 0
        if self._growing or (4 * self._cut >= self._level and (self._cut > 1 or self._level < 4)):
            self._land()
        self.current = self._level - self._cut

    def _land(self) -> None:
        """Accept the level that refusals left, rest, and search from there."""
        self._level -= self._cut
        self._cut = 0
        self._growing, self._up, self._step, self._futile = False, True, 1, 0
        self._base, self._sample = None, None
        self._resting = max(_LEAST, 4 * self._level)
        self._usual_s, self._slow = float("inf"), 0

    def _regain(self) -> None:
        self._regained += 1
        if self._regained >= REGAIN:
            self._regained = 0
            self._cut -= 1
            self.current = self._level - self._cut

    def _trying_more(self, trial: LatencySample) -> bool:
        return self._base is not None and trial.level > self._base.level

    def _set(self, level: int) -> None:
        self._level = level
        self._cut = min(self._cut, level - 1)
        self.current = level - self._cut

    def _measure(self, level: int) -> None:
        """Run at `level` and take a sample."""
        self._set(level)
        self._extensions = 0
        self._sample = LatencySample(level, max(_LEAST, level), full_only=True)

    def _compare(self, sample: LatencySample) -> None:
        measured = fit(sample)
        if self._growing:
            self._grow(measured)
        elif self._base is None:
            self._base = measured
            self._try()
        else:
            self._decide(self._base, measured, sample)

    def _grow(self, measured: LatencyFit) -> None:
        """Double the level, unless the last doubling added no throughput."""
        base, self._base = self._base, measured
        if base is not None:
            more, error = gain(base, measured)
            if more < min(0.0, _BLURRED - error):
                self._growing = False
                # Little's law: throughput times the latency of a request that does not wait.
                took = ceil(1.1 * measured.level * base.latency_s / max(measured.latency_s, 1e-9))
                self._base = None
                self._measure(min(max(took, base.level), measured.level))
                return
        if measured.level == self.maximum:
            self._growing = False
            self._rest_now()
            return
        level = min(2 * measured.level, self.maximum)
        self._set(level)
        self._sample = LatencySample(level, level - measured.level, full_only=False)

    def _try(self) -> None:
        """Sample the next level in this direction, or in the other direction if there is none."""
        while self._base is not None:
            level, step = self._base.level, _STEPS[self._step]
            if self._up:
                other = min(self.maximum, max(level + 1, round(level * step)))
            else:
                other = max(1, min(level - 1, round(level / step)))
            if other != level:
                self._measure(other)
                return
            self._reverse()

    def _decide(self, base: LatencyFit, measured: LatencyFit, sample: LatencySample) -> None:
        up = measured.level > base.level
        more, error = gain(base, measured) if up else gain(measured, base)
        if abs(more) < _SURE * error and self._extensions < _EXTENSIONS:
            self._extensions += 1
            sample.target_size *= 2
        elif (more > 0) == up:
            self._base, self._futile, self._rest = measured, 0, _FIRST_REST
            self._try()
        else:
            self._stay(base)

    def _stay(self, base: LatencyFit) -> None:
        """Return to the base: the other level is no better."""
        self._set(base.level)
        self._reverse()
        if self._base is not None:
            self._base = None
            self._measure(base.level)  # again, because the server may have changed

    def _reverse(self) -> None:
        self._up = not self._up
        self._futile += 1
        if self._futile == 2:
            self._futile = 0
            self._step += 1
            if self._step == len(_STEPS):
                self._rest_now()

    def _rest_now(self) -> None:
        self._usual_s, self._slow = self._base.latency_s if self._base else float("inf"), 0
        self._base, self._sample = None, None
        self._up, self._step, self._futile = False, len(_STEPS) - 1, 0
        self._resting = self._rest * self._level
        self._rest = min(2 * self._rest, _LONGEST_REST)
