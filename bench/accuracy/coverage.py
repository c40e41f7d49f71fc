"""Measure the coverage of the paired interval and the error rates of verdicts. Prints Markdown.

    python bench/accuracy/coverage.py [--cases 50,100,300]

Nothing is sampled. Each of n cases is a gain or a loss with a known probability, and the probabilities of all outcomes
are summed (without outcomes rarer than one in 10^11). The figures are exact and reproducible.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from harness.analysis.stats import (
    mcnemar_exact,
    mcnemar_midp,
    required_n_drop,
    required_n_margin,
    smallest_drop,
    smallest_margin,
    tango,
)

CASES = (50, 100, 300, 1000, 2000)
DISCORDANCE = (0.02, 0.10, 0.20, 0.40)
MARGINS = (0.01, 0.02, 0.03, 0.05, 0.10)
RARE = 1e-11

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """All outcomes (gains, losses) of `n` cases, and their probabilities."""

    n: int
    gains: NDArray[np.int64]
    losses: NDArray[np.int64]
    chance: Floats

    def low(self) -> Floats:
        """Return the lower end of the interval for each outcome."""
        return np.array([tango(gains, losses, self.n)[0] for gains, losses in self._pairs()])

    def high(self) -> Floats:
        """Return the upper end of the interval for each outcome."""
        return np.array([tango(gains, losses, self.n)[1] for gains, losses in self._pairs()])

    def p(self, test: Callable[[int, int], float]) -> Floats:
        """Return the p value for each outcome."""
        return np.array([test(gains, losses) for gains, losses in self._pairs()])

    def share(self, happens: NDArray[np.bool_]) -> float:
        """Return the total probability of the selected outcomes."""
        return float(self.chance[happens].sum())

    def _pairs(self) -> Iterator[tuple[int, int]]:
        return zip(self.gains.tolist(), self.losses.tolist(), strict=True)


def outcomes(n: int, discordance: float, delta: float) -> Outcomes:
    """Return the outcomes of `n` cases for runs with this discordance and accuracy difference `delta`."""
    differing = np.arange(n + 1)
    chance = binom.pmf(differing, n, discordance)
    gains, losses, chances = [], [], []
    for count in differing[chance > RARE]:
        g = np.arange(count + 1)
        c = chance[count] * binom.pmf(g, count, (1 + delta / discordance) / 2)
        kept = c > RARE
        gains.append(g[kept])
        losses.append(count - g[kept])
        chances.append(c[kept])
    return Outcomes(n, np.concatenate(gains), np.concatenate(losses), np.concatenate(chances))


def coverage(n: int, discordance: float, delta: float) -> float:
    """Return the probability that the interval contains the true difference."""
    of = outcomes(n, discordance, delta)
    return of.share((of.low() <= delta) & (delta <= of.high()))


def moved(n: int, discordance: float, delta: float, margin: float) -> float:
    """Return the probability of MOVE: the lower end is above `-margin`."""
    of = outcomes(n, discordance, delta)
    return of.share(of.low() > -margin)


def regressed(n: int, discordance: float, delta: float) -> float:
    """Return the probability of an interval below 0, an upper bound for REGRESSED with any allowed drop."""
    of = outcomes(n, discordance, delta)
    return of.share(of.high() < 0)


def significant(n: int, discordance: float, test: Callable[[int, int], float]) -> float:
    """How often `test` cries a difference (p below 0.05) where there is none."""
    of = outcomes(n, discordance, 0.0)
    return of.share(of.p(test) < 0.05)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def percent(share: float) -> str:
    return f"{share:.1%}"


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(map(str, CASES)), help="numbers of cases, with commas")
    cases = [int(n) for n in parser.parse_args().cases.split(",")]
    shares = [f"{d:.0%}" for d in DISCORDANCE]
    for title, head, rows in (
        ("The interval holds the truth: no difference", ["cases", *shares], covered(cases, 0.0)),
        ("The interval holds the truth: three losses for each gain", ["cases", *shares], covered(cases, -0.5)),
        (
            "MOVE, though worse by exactly the margin",
            ["cases", "discordance", *(f"margin {m:g}" for m in MARGINS)],
            wrongly_moved(cases),
        ),
        ("REGRESSED, though nothing changed", ["cases", *shares], wrongly_regressed(cases)),
        ("p below 0.05, though nothing changed: mid-p (exact test)", ["cases", *shares], tested(cases)),
        (
            "What a set can show, asked for a chance of 80%",
            ["cases", "discordance", "smallest margin", "MOVE if equal", "smallest drop", "REGRESSED if so"],
            shown(cases),
        ),
        ("Cases that show an equal candidate to be within the margin", ["margin", *shares], equal_needs()),
        ("Cases that show a drop", ["drop", *shares], drop_needs()),
    ):
        print(f"**{title}**\n\n{table(head, rows)}\n", flush=True)


def covered(cases: Sequence[int], tilt: float) -> list[list[str]]:
    """The true difference is `tilt` times the discordance."""
    return [[f"{n:,}", *(percent(coverage(n, d, tilt * d)) for d in DISCORDANCE)] for n in cases]


def wrongly_moved(cases: Sequence[int]) -> list[list[str]]:
    """A dash where the runs would have to differ on more cases than they do."""
    return [
        [f"{n:,}", f"{d:.0%}", *(f"{moved(n, d, -m, m):.2%}" if m <= d else "–" for m in MARGINS)]
        for n in cases
        for d in DISCORDANCE
    ]


def wrongly_regressed(cases: Sequence[int]) -> list[list[str]]:
    return [[f"{n:,}", *(f"{regressed(n, d, 0.0):.2%}" for d in DISCORDANCE)] for n in cases]


def tested(cases: Sequence[int]) -> list[list[str]]:
    def both(n: int, d: float) -> str:
        return f"{percent(significant(n, d, mcnemar_midp))} ({percent(significant(n, d, mcnemar_exact))})"

    return [[f"{n:,}", *(both(n, d) for d in DISCORDANCE)] for n in cases if n <= 300]


def shown(cases: Sequence[int]) -> list[list[str]]:
    """What the formulas say, and what comes of it."""
    rows = []
    for n in cases:
        for d in DISCORDANCE:
            margin, drop = smallest_margin(n, d), smallest_drop(n, d)
            told = ["–", "–"] if drop is None else [f"{drop:.3f}", percent(regressed(n, max(d, drop), -drop))]
            rows.append([f"{n:,}", f"{d:.0%}", f"{margin:.3f}", percent(moved(n, d, 0.0, margin)), *told])
    return rows


def equal_needs() -> list[list[str]]:
    return [[f"{m:g}", *(f"{required_n_margin(m, d):,}" for d in DISCORDANCE)] for m in MARGINS]


def drop_needs() -> list[list[str]]:
    """A dash where the runs would have to differ on more cases than they do."""
    return [[f"{m:g}", *(f"{required_n_drop(m, d):,}" if m <= d else "–" for d in DISCORDANCE)] for m in MARGINS]


if __name__ == "__main__":
    main()
