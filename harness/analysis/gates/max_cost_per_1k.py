"""`max_cost_per_1k`: the most USD that 1,000 calls may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import Evidence, GateOutcome, GateReason, at_most, undecided
from harness.project.pricing import usd

ORDER = 60
LIMIT = Annotated[float, Field(gt=0)]


def judge(limit: float, evidence: Evidence) -> GateOutcome:
    """Judge the price of the measured tokens."""
    summary, price = evidence.summary, evidence.price
    if price is None:
        return undecided(GateReason.NO_PRICE, limit)
    per_1k = 1000 * usd(price, summary.prompt_tokens, summary.completion_tokens) / summary.answered
    return at_most(limit, per_1k, "cost", "usd", basis=price.source)
