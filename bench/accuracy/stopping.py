"""Is a verdict still right if it is looked at after every case, and how many calls does stopping early save? Simulated.

    python bench/accuracy/stopping.py
    python bench/accuracy/stopping.py --sets 2000 --part savings

`errors`: the candidate is worse by exactly the margin, and the verdict is looked at after each of up to 1,000 cases.
Either verdict is then wrong, and each may have at most 2.5%. The fixed-sample interval, looked at as often, is shown
beside it. `savings`: the verdict is looked at as `harness run --until-decided` does. Two other ways to stop are shown
beside it: group-sequential tests (Lan & DeMets 1983) of the paired difference with O'Brien-Fleming and with Pocock
spending, whose boundaries hold for large samples. `wrong`: their wrong MOVE at the margin.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from harness.analysis.stats.exact_noninferiority import null_variances
from harness.analysis.stats.sequential import bets, looks, sequential_paired

MARGINS = (0.02, 0.03, 0.05, 0.10)
DISCORDANCES = (0.02, 0.05, 0.10, 0.20, 0.40)
LEVEL = 0.025
DIFFERENCE = np.array([1.0, -1.0, 0.0])
MOST = 1000

EASY = (  # margin, discordance, true difference, cases
    (0.10, 0.02, 0.0, 1000),
    (0.10, 0.05, 0.0, 1000),
    (0.05, 0.02, 0.0, 1000),
    (0.05, 0.05, 0.0, 1000),
    (0.10, 0.35, -0.30, 300),
    (0.05, 0.35, -0.30, 300),
    (0.05, 0.25, -0.20, 300),
    (0.03, 0.25, -0.20, 300),
)
HARD = (
    (0.10, 0.35, -0.20, 300),
    (0.05, 0.10, 0.0, 1000),
    (0.05, 0.20, 0.0, 1000),
    (0.03, 0.05, 0.0, 1000),
    (0.03, 0.10, 0.0, 1000),
    (0.02, 0.02, 0.0, 1000),
    (0.03, 0.10, -0.015, 1000),
)


class Sets:
    """Random sets of paired cases, one row each: 0 is a gain, 1 a loss, 2 neither."""

    def __init__(self, sets: int, n: int, discordance: float, delta: float, seed: int) -> None:
        chances = np.cumsum([(discordance + delta) / 2, (discordance - delta) / 2])
        self.kinds = np.searchsorted(chances, np.random.default_rng(seed).random((sets, n)), side="right")

    def counts(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Gains and losses of the first `n` cases."""
        first = self.kinds[:, :n]
        return (first == 0).sum(axis=1), (first == 1).sum(axis=1)


def betting(sets: Sets, margin: float, at: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each set ends with MOVE (1), STAY (2) or neither (0), and after how many cases."""
    sizes, shares = bets()
    number, n = sets.kinds.shape
    factors = [1 - sizes + sizes * (1 + side * DIFFERENCE[:, None]) / (1 - side * margin) for side in (1, -1)]
    wealth = [np.tile(shares, (number, 1)) for _ in factors]
    verdict, when, live = np.zeros(number, int), np.full(number, n), np.arange(number)
    for case in range(n):
        kind = sets.kinds[live, case]
        wealth = [each * factor[kind] for each, factor in zip(wealth, factors, strict=True)]
        if case + 1 not in at:
            continue
        proven = [each.sum(axis=1) >= 1 / LEVEL for each in wealth]
        ended = proven[0] | proven[1]
        verdict[live[proven[0]]], verdict[live[proven[1]]] = 1, 2
        when[live[ended]] = case + 1
        live, wealth = live[~ended], [each[~ended] for each in wealth]
    return verdict, when


def z_values(gains: np.ndarray, losses: np.ndarray, n: int, margin: float) -> np.ndarray:
    """The score statistic of a loss of exactly `margin`, as Tango's interval has it."""
    spread = np.sqrt(n * null_variances(gains / n, losses / n, -margin))
    return (gains - losses + n * margin) / np.maximum(spread, 1e-12)


def by_score(sets: Sets, margin: float, at: list[int], bounds: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """The same for a score test at the looks `at` with these bounds."""
    number, n = sets.kinds.shape
    verdict, when = np.zeros(number, int), np.full(number, n)
    for cases, bound in zip(at, bounds, strict=True):
        z = z_values(*sets.counts(cases), cases, margin)
        new = (verdict == 0) & (np.abs(z) >= bound)
        verdict[new], when[new] = np.where(z[new] > 0, 1, 2), cases
    return verdict, when


def spending_bounds(at: list[int], spent: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """Bounds that spend the error of one side as `spent` says, by simulated Brownian motion."""
    times = np.array(at) / at[-1]
    steps = np.sqrt(np.diff(times, prepend=0.0))
    paths = np.cumsum(np.random.default_rng(0).standard_normal((400_000, len(at))) * steps, axis=1) / np.sqrt(times)
    bounds, live = [], np.ones(len(paths), bool)
    for look, share in enumerate(np.diff(spent(times), prepend=0.0)):
        crossing = round(share * len(paths))
        z = paths[live, look]
        bound = np.partition(z, -crossing)[-crossing] if crossing else np.inf
        bounds.append(float(bound))
        live &= paths[:, look] < bound
    return bounds


def obrien_fleming(times: np.ndarray) -> np.ndarray:
    """Error spent up to each time."""
    normal = NormalDist()
    z = normal.inv_cdf(1 - LEVEL / 2)
    return np.array([2 - 2 * normal.cdf(z / t**0.5) for t in times])


def pocock(times: np.ndarray) -> np.ndarray:
    """Error spent up to each time."""
    return LEVEL * np.log(1 + (np.e - 1) * times)


def check(sets: Sets, margin: float, verdict: np.ndarray, when: np.ndarray) -> None:
    """Check that the bench decides as the harness does."""
    for row in range(0, len(verdict), max(1, len(verdict) // 50)):
        p = sequential_paired(DIFFERENCE[sets.kinds[row, : when[row]]])
        expected = 1 if p.low > -margin else 2 if p.high < -margin else 0
        assert verdict[row] == expected, (row, verdict[row], p)


def errors(number: int) -> None:
    """Print how often a candidate that is worse by exactly the margin gets a verdict."""
    print("| margin | discordance | MOVE | STAY | MOVE by the fixed-sample interval | STAY by it |")
    print("| --- | --- | --- | --- | --- | --- |")
    for margin in MARGINS:
        for discordance in DISCORDANCES:
            if discordance < margin:  # a loss of the margin needs as many cases that differ
                continue
            sets = Sets(number, MOST, discordance, -margin, seed=1)
            verdict, when = betting(sets, margin, set(range(1, MOST + 1)))
            check(sets, margin, verdict, when)
            every = list(range(20, MOST + 1))
            fixed, _ = by_score(sets, margin, every, [NormalDist().inv_cdf(1 - LEVEL)] * len(every))
            shares = [np.mean(each == side) for each in (verdict, fixed) for side in (1, 2)]
            print(f"| {margin:.2f} | {discordance:.0%} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")


def savings(number: int) -> None:
    """Print how many calls are saved and how often a verdict is reached."""
    print("| margin | discordance | difference | cases | decided | saved | O'Brien-Fleming | Pocock | all cases |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    worst = {"O'Brien-Fleming": 0.0, "Pocock": 0.0}
    for group in (EASY, HARD):
        for margin, discordance, delta, n in group:
            at = looks(n)
            sets = Sets(number, n, discordance, delta, seed=2)
            verdict, when = betting(sets, margin, set(at))
            check(sets, margin, verdict, when)
            cells = [f"{np.mean(verdict > 0):.0%}", f"**{1 - when.mean() / n:.0%}**"]
            for name, spent in (("O'Brien-Fleming", obrien_fleming), ("Pocock", pocock)):
                bounds = spending_bounds(at, spent)
                decided, ended = by_score(sets, margin, at, bounds)
                cells.append(f"{np.mean(decided > 0):.0%}, {1 - ended.mean() / n:.0%} saved")
                null = Sets(number, n, max(discordance, margin), -margin, seed=3)
                worst[name] = max(worst[name], np.mean(by_score(null, margin, at, bounds)[0] == 1))
            fixed, _ = by_score(sets, margin, [n], [NormalDist().inv_cdf(1 - LEVEL)])
            row = f"{margin:.2f} | {discordance:.0%} | {100 * delta:+.1f} points | {n:,}"
            print(f"| {row} | {' | '.join(cells)} | {np.mean(fixed > 0):.0%} |")
    print("\nwrong MOVE at the margin, at most: " + ", ".join(f"{name} {share:.1%}" for name, share in worst.items()))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=4000)
    parser.add_argument("--part", choices=["errors", "savings"])
    options = parser.parse_args()
    for name, part in (("errors", errors), ("savings", savings)):
        if options.part in {None, name}:
            part(options.sets)
            print()


if __name__ == "__main__":
    main()
