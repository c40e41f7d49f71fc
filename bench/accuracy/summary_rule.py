"""How far the rule that calls a summary right agrees with the labels of datasets/summary_judgements.

    python bench/accuracy/summary_rule.py

The rule asks for facts, forbidden statements and made-up things; the label was given by a reader. Where the rule says
right and the reader unacceptable, something is told wrongly in words that no list foresaw.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from harness.analysis.metrics.summarization import find
from harness.project import datasets

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """The four counts, then each disagreement."""
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
