r"""How well the JSON contract reads: against a benchmark's own parse of the replies of 51 models.

    python bench/accuracy/reading_json.py FILE [--left]

The benchmark (ZeroEval, CRUX) demanded {"reasoning": …, "answer": …}; `authors_parsed_answer` is what its authors took
for the answer. It is text, whatever the model wrote, and where the JSON is broken it is cut out as it stands, its
escapes not decoded; so `\n` and a line break count as the same here. Nothing else does.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts.json.contract import JsonContract
from harness.contracts.json.repair import mend_string
from harness.core.types import Reading, Response

SCHEMA = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "answer": {}},
    "required": ["reasoning", "answer"],
}
"""The prompt does not say what type an answer has, and the benchmark takes any."""


@dataclass(frozen=True)
class Row:
    """One reply, what the benchmark made of it, what the contract makes of it."""

    id: str
    reply: str
    theirs: str | None
    reading: Reading

    @property
    def ours(self) -> str | None:
        """The answer as text, as the benchmark writes it."""
        return None if self.reading.lenient is None else str(self.reading.lenient["answer"])

    @property
    def kind(self) -> str:
        """How the two relate."""
        if self.theirs is None:
            return "neither" if self.ours is None else "only ours"
        if self.ours is None:
            return "theirs is cut off, no ours" if self._cut else "only theirs"
        if self.ours == self.theirs:
            return "same"
        if self.ours == mend_string(self.theirs):
            return "same but for escapes"
        return "theirs is cut off" if self._cut else "differs"

    @property
    def _cut(self) -> bool:
        """Whether theirs is nowhere in the reply the whole value of `answer`: more of the value follows it."""
        whole = rf'"answer"\s*:\s*"?{re.escape(self.theirs or "")}"?\s*(?:,\s*"\w+"\s*:|[,.;:]?\s*}})'
        return re.search(whole, self.reply) is None and '"answer"' in self.reply


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON Lines: id, reply, authors_parsed_answer")
    parser.add_argument("--left", action="store_true", help="list the replies that are read otherwise")
    arguments = parser.parse_args()
    rows = load(arguments.file)
    print_figures(rows)
    if arguments.left:
        print_left(rows)


def load(path: Path) -> list[Row]:
    """Read the rows and let the contract read their replies."""
    contract = JsonContract(SCHEMA)
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: Mapping[str, Any] = json.loads(line)
        reading = contract.read(Response(text=row["reply"]))
        rows.append(Row(row["id"], row["reply"], row["authors_parsed_answer"], reading))
    return rows


def print_figures(rows: Sequence[Row]) -> None:
    """Count."""
    kinds = Counter(row.kind for row in rows)
    same = kinds["same"] + kinds["same but for escapes"]
    given = sum(row.theirs is not None for row in rows)
    cut = kinds["theirs is cut off"] + kinds["theirs is cut off, no ours"]
    both = given - kinds["only theirs"] - kinds["theirs is cut off, no ours"]
    print(f"{len(rows)} replies, {sum(row.reading.compliant for row in rows)} of them strict\n")
    for kind, count in kinds.most_common():
        print(f"  {kind:22}{count:6}")
    print(f"\nagree, of those where the benchmark has an answer  {_share(same, given)}")
    print(f"agree, of those where both have one                {_share(same, both)}")
    print(f"agree, of those where theirs is a whole value      {_share(same, given - cut)}\n")
    for code, count in Counter(code for row in rows for code in row.reading.violations).most_common():
        print(f"  {code:22}{count:6}")


def _share(part: int, whole: int) -> str:
    return f"{part:5}/{whole:<5}{part / whole:7.2%}" if whole else "-"


def print_left(rows: Sequence[Row]) -> None:
    """List what is read otherwise than by the benchmark."""
    for row in rows:
        if row.kind not in ("same", "same but for escapes", "neither"):
            print(f"\n{row.kind}: {row.id} {row.reading.violations}")
            print(f"  theirs {row.theirs!r:.100}\n  ours   {row.ours!r:.100}")
            if not row.kind.startswith("theirs"):
                print(f"  {row.reply[-200:]!r}")


if __name__ == "__main__":
    main()
