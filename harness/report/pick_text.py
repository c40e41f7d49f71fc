"""Words and JSON for `harness pick`."""

from __future__ import annotations

from typing import Any

from harness.analysis.compare.pick import Candidate, Pick
from harness.core.formatting import NOTHING, plural
from harness.report import comparison_formats, comparison_text, verdict_text
from harness.report.rate_text import rate_text

HEADINGS = ("candidate", "accuracy", "difference", "verdict", "USD per 1,000 calls")


def row(candidate: Candidate) -> tuple[str, ...]:
    """The figures of a candidate, in the order of `HEADINGS`."""
    c = candidate.comparison
    cost = NOTHING if candidate.usd_per_1k is None else f"{candidate.usd_per_1k:.4g}"
    difference = c.deciding
    return (
        candidate.backend,
        rate_text(difference.head),
        comparison_text.delta_text(difference.paired),
        c.verdict.value,
        cost,
    )


def sentence(pick: Pick) -> str:
    """`Pick q4: the cheapest of 2 that are proven within 3 points of gpt-4o (3 candidates, 98.33% intervals)`."""
    c = pick.candidates[0].comparison
    margin = comparison_text.margin_text(c.question.margin)
    n = len(pick.candidates)
    confidence = comparison_text.confidence_text(c.question.confidence)
    compared = f"{plural(n, 'candidate')} compared, {confidence} intervals"
    if pick.picked is not None:
        which = f"the cheapest of {pick.n_proven}" if pick.n_proven > 1 else "the only one"
        return f"Pick {pick.picked.backend}: {which} proven within {margin} of {c.base.backend} ({compared})"
    if not pick.is_open:
        return f"Pick none: all lose more than {margin} against {c.base.backend} ({compared})"
    undecided = [each for each in pick.candidates if each.comparison.verdict.value != "STAY"]
    closest = max(undecided, key=lambda each: each.comparison.deciding.paired.low)
    return (
        f"Pick none yet: no candidate is proven within {margin} of {c.base.backend} ({compared}). "
        f"The closest is {closest.backend}: {verdict_text.reason_text(closest.comparison)}"
    )


def as_json(pick: Pick) -> dict[str, Any]:
    """`{"picked": backend | null, "candidates": [{"backend", "usd_per_1k", "comparison"}, ...]}`, cheapest first."""
    return {
        "picked": pick.picked.backend if pick.picked else None,
        "candidates": [
            {
                "backend": each.backend,
                "usd_per_1k": each.usd_per_1k,
                "comparison": comparison_formats.as_json(each.comparison),
            }
            for each in pick.candidates
        ],
    }
