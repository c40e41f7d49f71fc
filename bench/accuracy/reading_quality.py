"""Measure the label contract against human readings of replies.

    python bench/accuracy/reading_quality.py FILE [--half 0|1] [--left]

Rows are split in two by a hash of their id. The rules were written with half 0; half 1 was held out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts.label.contract import LabelContract
from harness.core.types import Reading, Response


@dataclass(frozen=True)
class Row:
    """Reply with the human reading and the reading of the contract."""

    id: str
    reply: str
    human: Mapping[str, Any]
    reading: Reading
    strict_ci: bool

    @property
    def half(self) -> int:
        """0 for rows that were used to write the rules, 1 for held-out rows."""
        return hashlib.sha256(self.id.encode()).digest()[0] & 1

    @property
    def wrong(self) -> bool:
        """Whether the contract has a label, and the human has another or none."""
        return self.reading.lenient is not None and self.reading.lenient != self.human["lenient"]

    @property
    def missed(self) -> bool:
        """Whether only the human has a label."""
        return self.reading.lenient is None and self.human["lenient"] is not None


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON Lines: allowed, reply, strict_exact, strict_ci, lenient, codes")
    parser.add_argument("--half", type=int, choices=(0, 1), help="list what is left of this half only")
    parser.add_argument("--left", action="store_true", help="list the replies that are read wrongly or not at all")
    arguments = parser.parse_args()
    rows = load(arguments.file)
    print(f"{'':12}{'rows':>6}{'wrong lenient':>16}{'recovered':>18}{'strict':>10}{'strict_ci':>11}")
    for name, part in (("all", rows), *((f"half {h}", [r for r in rows if r.half == h]) for h in (0, 1))):
        print(line(name, part))
    shown = [row for row in rows if arguments.half is None or row.half == arguments.half]
    if arguments.left:
        print_left(shown)
    print_codes(shown)


def load(path: Path) -> list[Row]:
    """Load the rows and parse their replies with the contract."""
    contracts: dict[tuple[str, ...], tuple[LabelContract, LabelContract]] = {}
    rows = []
    for text in path.read_text(encoding="utf-8").splitlines():
        human = json.loads(text)
        labels = tuple(human["allowed"])
        if labels not in contracts:
            contracts[labels] = (LabelContract(labels), LabelContract(labels, case_sensitive=False))
        response = Response(text=human["reply"])
        exact, folded = (contract.read(response) for contract in contracts[labels])
        rows.append(Row(human["id"], human["reply"], human, exact, folded.compliant))
    return rows


def line(name: str, rows: Sequence[Row]) -> str:
    """Format one line of the table."""
    n = len(rows)
    answered = [row for row in rows if row.human["lenient"] is not None]
    right = sum(row.reading.lenient == row.human["lenient"] for row in answered)
    wrong = sum(row.wrong for row in rows)
    strict = sum(row.reading.compliant == row.human["strict_exact"] for row in rows)
    strict_ci = sum(row.strict_ci == row.human["strict_ci"] for row in rows)
    return (
        f"{name:12}{n:6}{wrong:8} {_percent(wrong, n)}{right:6}/{len(answered):<4}{_percent(right, len(answered))}"
        f"{_percent(strict, n):>10}{_percent(strict_ci, n):>11}"
    )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:7.1%}" if whole else "      -"


def print_left(rows: Sequence[Row]) -> None:
    """List the replies whose label differs from the human label."""
    for row in rows:
        if row.wrong or row.missed:
            kind = "WRONG " if row.wrong else "missed"
            ours = f"{row.reading.lenient} ({', '.join(row.reading.violations)})"
            print(f"\n{kind} {row.id}: human {row.human['lenient']}, contract {ours}")
            print("   ", repr(row.reply[:600]))


def print_codes(rows: Sequence[Row]) -> None:
    """Count, code by code, where human and contract agree."""
    both: Counter[str] = Counter()
    human_only: Counter[str] = Counter()
    contract_only: Counter[str] = Counter()
    for row in rows:
        human, ours = set(row.human["codes"]), set(row.reading.violations)
        both.update(human & ours)
        human_only.update(human - ours)
        contract_only.update(ours - human)
    print(f"\n{'code':18}{'both':>6}{'human only':>12}{'contract only':>15}")
    for code in sorted({*both, *human_only, *contract_only}):
        print(f"{code:18}{both[code]:6}{human_only[code]:12}{contract_only[code]:15}")


if __name__ == "__main__":
    main()
