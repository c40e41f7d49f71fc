"""How often is a candidate picked, if all are worse by exactly the margin? Simulated.

    python bench/accuracy/pick.py

"best observed" takes the candidate with the best observed difference and judges it alone, as people do by eye. The
candidates answer the same cases, and half of their losses are the same.
"""

from __future__ import annotations

import argparse

import numpy as np

from harness.analysis.stats.exact_noninferiority import null_variances
from harness.analysis.stats.power import DecisionRule

SAMPLES, N, MARGIN, DISCORDANCE = 20_000, 400, 0.03, 0.10


def moves(gains: np.ndarray, losses: np.ndarray, level: float) -> np.ndarray:
    """Whether each difference is proven within the margin: the score test behind Tango's interval."""
    from scipy.stats import norm

    spread = np.sqrt(N * null_variances(gains / N, losses / N, -MARGIN))
    return gains - losses + N * MARGIN > norm.isf(level / 2) * spread


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    level = DecisionRule("move", MARGIN).level
    random = np.random.default_rng(0)
    gain, loss = (DISCORDANCE - MARGIN) / 2, (DISCORDANCE + MARGIN) / 2
    print(f"{SAMPLES:,} samples of {N} cases, discordance {DISCORDANCE:.0%}, margin {MARGIN}\n")
    print("| candidates | picked by `harness pick` | picked, best observed |\n| --- | --- | --- |")
    for k in (1, 2, 3, 5, 10, 20):
        common = random.multinomial(N // 2, [gain, loss, 1 - gain - loss], SAMPLES)[:, None, :]
        own = random.multinomial(N - N // 2, [gain, loss, 1 - gain - loss], (SAMPLES, k))
        gains, losses = (common + own)[..., 0], (common + own)[..., 1]
        shared = moves(gains, losses, level / k).any(axis=1)
        best = np.argmax(gains - losses, axis=1)[:, None]
        alone = moves(np.take_along_axis(gains, best, 1), np.take_along_axis(losses, best, 1), level)
        print(f"| {k} | {shared.mean():.1%} | {alone.mean():.1%} |", flush=True)


if __name__ == "__main__":
    main()
