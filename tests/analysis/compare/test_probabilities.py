"""Probabilities of the first token: divergence, and how probable the expected label is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.analysis.compare.probabilities import compare_probabilities, divergence, gold_probability
from harness.core.types import Case, Response, Result

SURE = (("bill", math.log(0.9)), ("tech", math.log(0.09)))
UNSURE = (("bill", math.log(0.6)), ("tech", math.log(0.39)))


def result(case_id: str, tokens: tuple[tuple[str, float], ...], expected: str = "billing") -> Result:
    """A reply with these first tokens."""
    case = Case(case_id, {"text": case_id}, expected)
    return Result(case, Response(text="billing", first_token=tokens), None, None, "key")


def test_equal_tokens_have_no_divergence() -> None:
    assert divergence(SURE, SURE) == 0


def test_divergence_grows_with_the_difference() -> None:
    by_hand = 0.9 * math.log(0.9 / 0.6) + 0.09 * math.log(0.09 / 0.39)
    assert divergence(SURE, UNSURE) == pytest.approx(by_hand, abs=1e-6)
    assert divergence(SURE, (("other", math.log(0.99)),)) > divergence(SURE, UNSURE)


def test_unlisted_token_has_at_most_the_rest() -> None:
    assert math.isfinite(divergence(SURE, (("x", 0.0),)))


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((("bill", -0.1),), math.exp(-0.1)),
        ((("Billing", math.log(0.5)), (" bill", math.log(0.25))), 0.75),
        ((("tech", -0.1),), 0.0),
        ((("", -0.1), (" ", -0.1)), 0.0),
        ((('"billing', -0.2),), math.exp(-0.2)),
    ],
)
def test_label_is_as_probable_as_its_beginnings(tokens: tuple[tuple[str, float], ...], expected: float) -> None:
    assert gold_probability(tokens, "billing") == pytest.approx(expected)


def test_runs_are_compared_over_the_cases_of_both() -> None:
    base = [result(f"c{i}", SURE) for i in range(50)]
    head = [result(f"c{i}", UNSURE) for i in range(40)]
    found = compare_probabilities(base, head)
    assert found is not None
    assert found.n == 40
    assert found.divergence.value == pytest.approx(divergence(SURE, UNSURE))
    assert found.gold is not None
    assert found.gold.delta == pytest.approx(-0.3)


def test_runs_without_probabilities_are_not_compared() -> None:
    silent = [replace(result("c0", SURE), response=Response(text="billing"))]
    assert compare_probabilities(silent, silent) is None
