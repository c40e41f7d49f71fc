"""Independent check of `harness compare`: flips and McNemar's mid-p with the standard library only.

    python bench/accuracy/mcnemar_check.py FILE Athene-70B gpt-4o-2024-05-13

FILE is JSON Lines. Each line has `correct`: model -> 1, 0 or null. Null means no answer, and such a pair is left out.
The mid-p is the exact two-sided p minus the probability of the observed counts, or minus half of it if losses equal
gains (Fagerland, Lydersen and Laake 2013, supplementary material).
"""

import argparse
import json
import math

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file", help="JSONL with `correct`: model -> 1, 0 or null")
parser.add_argument("base", help="the model before")
parser.add_argument("head", help="the model after")
args = parser.parse_args()
base, head = args.base, args.head
rows = [json.loads(line)["correct"] for line in open(args.file, encoding="utf-8")]  # noqa: SIM115, PTH123
pairs = [(bool(row[base]), bool(row[head])) for row in rows if None not in (row[base], row[head])]
losses, gains = pairs.count((True, False)), pairs.count((False, True))
n, k = losses + gains, min(losses, gains)
chances = [math.comb(n, i) / 2**n for i in range(k + 1)]
p = 2 * sum(chances) - chances[k] if losses != gains else 1 - chances[k] / 2
print(f"n {len(pairs)}  right to wrong {losses}  wrong to right {gains}  mid-p {p:.6g}")
