"""Speed of the label contract, in readings per second.

python bench/speed/reading.py
"""

from __future__ import annotations

import argparse
import time

from harness.contracts.label.contract import LabelContract
from harness.core.types import Response

FEW = ("billing", "technical", "general", "account", "feedback")
_THINGS = ("card", "transfer", "account", "refund", "invoice", "login", "limit", "fee", "top_up", "device")
_MATTERS = (
    *("arrival", "failed", "pending", "status", "declined", "not_working", "wrong_amount", "support", "cancelled"),
    *("lost", "charged_twice", "delivery_estimate", "activation", "exchange", "verification"),
)
MANY = tuple(f"{thing}_{matter}" for thing in _THINGS for matter in _MATTERS)
TAIL = (
    "The customer writes that the application crashes right after the login page and shows an error; "
    "no payment is mentioned anywhere."
)
REPLIES = {
    "bare": "{}",
    "declared": "The category is: {}\n\nExplanation: " + TAIL,
    "explained": "{} — because the main problem is technical in nature. " + TAIL,
    "reasoned": "The message names no invoice, so it is not about money. " + TAIL[:96] + "\n\nFinal answer: **{}**",
}
SECONDS = 0.2
ROUNDS = 5


def main() -> None:
    """Print readings per second by kind of reply."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for labels in (FEW, MANY):
        contract = LabelContract(labels)
        for name, shape in REPLIES.items():
            text = shape.format(labels[1])
            print(
                f"{len(labels):4} labels  {name:10} {len(text):4} characters  {rate(contract, text):9,.0f} readings/s"
            )
    contract = LabelContract(FEW)
    for name, unit in (("prose", TAIL + " "), ("labels", "technical "), ("denials", "not "), ("spaces", " ")):
        text = "x" + unit * (1_000_000 // len(unit))
        print(f"   1 MB of {name:10} {1000 / rate(contract, text):9,.0f} ms a reading")


def rate(contract: LabelContract, text: str) -> float:
    """Return readings per second of one reply: the best of several rounds, because other load only slows it down."""
    response = Response(text=text)
    contract.read(response)
    return max(_round(contract, response) for _ in range(ROUNDS))


def _round(contract: LabelContract, response: Response) -> float:
    count, started = 0, time.process_time()
    while (spent := time.process_time() - started) < SECONDS:
        contract.read(response)
        count += 1
    return count / spent


if __name__ == "__main__":
    main()
