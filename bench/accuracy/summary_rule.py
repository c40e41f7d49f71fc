"""Measure the agreement of the summary rule with the labels of datasets/summary_judgements.

    python bench/accuracy/summary_rule.py

The rule checks facts, forbidden statements and inventions; a person gave the label. If the rule accepts a summary that
the person rejects, the summary has an error whose wording the lists do not cover.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from harness.analysis.metrics.summarization import find
from harness.project import datasets

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Print the four counts, then each disagreement."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    by_thread = {case.inputs["thread"]: case for case in datasets.load(ROOT, "incident_summaries").cases}
    counts: Counter[tuple[str, bool]] = Counter()
    apart = []
    for row in datasets.load(ROOT, "summary_judgements").cases:
        found = find(by_thread[row.inputs["thread"]], row.inputs["summary"])
        counts[row.expected, found.right] += 1
        if found.right != (row.expected == "acceptable"):
            apart.append(f"{row.id} {row.expected} {', '.join(row.tags)}: misses {list(found.missed)}")
    for (label, right), count in sorted(counts.items()):
        print(f"{label:12} {'right' if right else 'not right':10} {count}")
    print("\n".join(apart))


if __name__ == "__main__":
    main()
