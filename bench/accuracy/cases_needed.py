"""Does the number of cases that a report asks for lead to a verdict in 80% of the cases? Simulated.

    python bench/accuracy/cases_needed.py

For observed gains and losses, prints the number of cases of `cases_to_decide`, and how often that many new cases from
the observed shares are decided.
"""

from __future__ import annotations

import argparse
from typing import Literal

import numpy as np
from scipy.stats import binom

from harness.analysis.stats import DecisionRule, cases_to_decide
from harness.analysis.stats.exact_noninferiority import null_variances

SAMPLES = 100_000
MARGIN = 0.03
OBSERVED = ((10, 19, 300), (10, 20, 300), (12, 18, 300), (2, 3, 60), (5, 8, 300), (0, 3, 100), (30, 36, 500))
Z = 1.959964


def decided(gains: int, losses: int, n: int, kind: Literal["move", "change"], cases: int) -> float:
    """The share of samples of `cases` cases with a verdict."""
    random = np.random.default_rng(0)
    shares = np.array([gains, losses, n - gains - losses]) / n
    drawn = random.multinomial(cases, shares, SAMPLES)
    g, c = drawn[:, 0], drawn[:, 1]
    spread = np.sqrt(cases * null_variances(g / cases, c / cases, -MARGIN))
    at_margin = (g - c + cases * MARGIN) / spread
    if kind == "move":
        return float(np.mean(np.abs(at_margin) > Z))
    differ = g + c
    at_zero = np.divide(g - c, np.sqrt(differ), out=np.zeros(SAMPLES), where=differ > 0)
    fewer = np.minimum(g, c)
    midp = 2 * binom.cdf(fewer, differ, 0.5) - binom.pmf(fewer, differ, 0.5)
    changed = (np.abs(at_zero) > Z) & (midp < 0.05)
    return float(np.mean((at_margin > Z) | changed))


def rows() -> list[tuple[str, ...]]:
    """A row per observation and question."""
    found = []
    for gains, losses, n in OBSERVED:
        for kind in ("change", "move"):
            needed = cases_to_decide((gains - losses) / n, (gains + losses) / n, n, DecisionRule(kind, MARGIN))
            reached = "–" if needed is None else f"{decided(gains, losses, n, kind, needed):.1%}"
            number = "more than 20,000" if needed is None else f"{needed:,}"
            found.append((f"{gains} / {losses} of {n}", kind, number, reached))
    return found


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"margin {MARGIN}, {SAMPLES:,} samples\n")
    print("| gains / losses | question | cases needed | decided with that many |\n| --- | --- | --- | --- |")
    for row in rows():
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
