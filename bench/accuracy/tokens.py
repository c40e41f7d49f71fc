"""Measure bytes per token of prompts, and compare the packaged encodings with tiktoken.

    python bench/accuracy/tokens.py                                  # needs the extra `tokens`
    TIKTOKEN_CACHE_DIR=… python bench/accuracy/tokens.py  # with tiktoken and its files there: compares the counts

Covers every rendered prompt of every eval of this project, and random text in many scripts.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

import quicktok

from harness.core.types import Message, Request, Sampling
from harness.project import config, evals
from harness.project.run_options import RunOptions
from harness.runner.plan import plan
from harness.runner.tokens import about

ENCODINGS = ("o200k_base", "cl100k_base")
SCRIPTS = ((32, 126), (0xA0, 0x24F), (0x370, 0x5FF), (0x900, 0x97F), (0x4E00, 0x9FFF), (0x1F300, 0x1F6FF), (9, 32))


def prompts() -> dict[str, list[str]]:
    """Return the distinct turns of all prompts: eval -> texts."""
    found = config.load(Path(__file__).parent)
    texts: dict[str, list[str]] = {}
    for definition in evals.find(found.root):
        backend = found.backends[definition.backends[0] if definition.backends else "smollm2"]
        for cell in plan(found.root, [definition], [backend], RunOptions(every_backend=True)):
            turns = [message.content for _, request in cell.requests for message in request.messages]
            texts.setdefault(definition.name, []).extend(turns)
    return {name: list(dict.fromkeys(turns)) for name, turns in texts.items()}


def scrambled(n: int, seed: int = 1) -> list[str]:
    """Return random texts in many scripts."""
    rng = random.Random(seed)
    return ["".join(chr(rng.randint(*rng.choice(SCRIPTS))) for _ in range(rng.randrange(1, 80))) for _ in range(n)]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    texts = prompts()
    texts["random text"] = scrambled(3000)
    print(
        f"{'':22} {'texts':>7} {'bytes':>9}",
        *(f"{name:>12} {'B/token':>8}" for name in ENCODINGS),
        f"{'about is off':>13}",
    )
    for name, turns in texts.items():
        size = sum(len(text.encode()) for text in turns)
        counts = [sum(len(quicktok.get_encoding(e).encode_ordinary(text)) for text in turns) for e in ENCODINGS]
        guess = sum(about(Request((Message("user", text),), Sampling(), embed=True)) for text in turns)
        shown = " ".join(f"{count:12,} {size / count:8.2f}" for count in counts)
        print(f"{name:22} {len(turns):7,} {size:9,} {shown} {100 * (guess / counts[0] - 1):+12.0f}%")
    if "TIKTOKEN_CACHE_DIR" not in os.environ:
        return
    import tiktoken

    for encoding in ENCODINGS:
        ours, theirs = quicktok.get_encoding(encoding), tiktoken.get_encoding(encoding)
        every = [text for turns in texts.values() for text in turns]
        differ = sum(ours.encode_ordinary(text) != theirs.encode_ordinary(text) for text in every)
        print(f"{encoding}: {differ} of {len(every):,} texts are other tokens than tiktoken {tiktoken.__version__}'s")


if __name__ == "__main__":
    main()
