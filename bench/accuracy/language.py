"""Measure language identification on short summaries, and false violations of the text contract.

    python bench/accuracy/language.py

Reads tests/contracts/languages.jsonl: technical English, and five other languages with many English terms.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from py3langid.langid import MODEL_FILE, LanguageIdentifier

TEXTS = Path(__file__).parents[2] / "tests/contracts/languages.jsonl"


def main() -> None:
    """Print the accuracy, then false and true violations for several thresholds."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    told = [(row["language"], *identifier.classify(row["text"])) for row in rows]
    print(f"right: {sum(language == found for language, found, _ in told)} of {len(told)}")
    print("share   faulted although right   seen as not English")
    foreign = [one for one in told if one[0] != "en"]
    for share in (0.0, 0.4, 0.5, 0.6, 0.8, 0.9):
        faulted = sum(language != found and sure >= share for language, found, sure in told)
        seen = sum(found != "en" and sure >= share for _, found, sure in foreign)
        print(f"{share:5.1f}   {faulted:22}   {seen:13} of {len(foreign)}")


if __name__ == "__main__":
    main()
