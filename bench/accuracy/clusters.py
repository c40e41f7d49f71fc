"""Coverage and size if cases come in clusters: ten tickets of one customer, the same text several times. Sampled.

    python bench/accuracy/clusters.py

Gains and losses of a cluster are alike with the correlation of the first column: 1 means that a cluster is one case,
repeated. "by cluster" is `clustered_paired` with clusters; "as cases" ignores them.
"""

from __future__ import annotations

import argparse

import numpy as np

from harness.analysis.stats import clustered_paired
from harness.analysis.stats.paired import paired

SAMPLES = 2000
DISCORDANCE, MARGIN = 0.10, 0.05
DESIGNS = ((100, 1), (100, 3), (300, 3), (300, 10), (1000, 3), (1000, 10))
"""Cases, and cases per cluster."""

CORRELATIONS = (0.0, 0.5, 1.0)


def differences(random: np.random.Generator, n: int, size: int, correlation: float, delta: float) -> np.ndarray:
    """-1, 0 or 1 for each case: each takes its cluster's value with a chance that gives the correlation."""
    shares = [(DISCORDANCE - delta) / 2, 1 - DISCORDANCE, (DISCORDANCE + delta) / 2]
    clusters = -(-n // size)
    common = random.choice([-1, 0, 1], clusters, p=shares).repeat(size)[:n]
    own = random.choice([-1, 0, 1], n, p=shares)
    return np.where(random.random(n) < np.sqrt(correlation), common, own)


def measured(n: int, size: int, correlation: float) -> list[str]:
    """Coverage for no difference and size at the margin, by cluster and as cases."""
    random = np.random.default_rng(0)
    names = [str(i // size) for i in range(n)]
    covered, moved = [0, 0], [0, 0]
    for delta, counts in ((0.0, covered), (-MARGIN, moved)):
        for _ in range(SAMPLES):
            d = differences(random, n, size, correlation, delta)
            base, head = [(int(x < 0), 1) for x in d], [(int(x > 0), 1) for x in d]
            by_cluster = clustered_paired(base, head, clusters=names)
            alone = paired(int((d > 0).sum()), int((d < 0).sum()), n)
            for i, p in enumerate((by_cluster, alone)):
                counts[i] += p.low <= delta <= p.high if counts is covered else p.low > delta
    return [f"{count / SAMPLES:.1%}" for pair in (covered, moved) for count in pair]


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"{SAMPLES:,} samples, discordance {DISCORDANCE:.0%}, margin {MARGIN}\n")
    print("| cases | per cluster | correlation | holds 0: by cluster | as cases | MOVE: by cluster | as cases |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for n, size in DESIGNS:
        for correlation in CORRELATIONS:
            if size > 1 or not correlation:
                print(f"| {n} | {size} | {correlation:g} | {' | '.join(measured(n, size, correlation))} |", flush=True)


if __name__ == "__main__":
    main()
