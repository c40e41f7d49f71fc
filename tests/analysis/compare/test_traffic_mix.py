"""Weights by the traffic of labels and tags, and costs of errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.compare import ComparisonQuestion, ReasonCode, RunOutcomes, Verdict, compare
from harness.analysis.compare.verdicts import TrafficMix
from harness.project.evals import CostsConfig
from harness.report.comparison_text import cost_text, mix_text
from harness.report.verdict_text import reason_text

from .sides import made

MOVE = ComparisonQuestion("move", max_label_loss=1)
NAMES = {"h": "ham", "s": "spam"}


def labelled(expected: str, predicted: str, name: str = "local@q8") -> RunOutcomes:
    """A case per letter, `h` ham or `s` spam, and what the model says: `-` no answer."""
    side = made(
        "".join("R" if e == p else "-" if p == "-" else "w" for e, p in zip(expected, predicted, strict=True)), name
    )
    cases = {
        i: replace(case, expected=NAMES[e], predicted=NAMES.get(p, ""), predicted_leniently=NAMES.get(p, ""))
        for (i, case), e, p in zip(side.cases.items(), expected, predicted, strict=True)
    }
    return replace(side, cases=cases, labels=("ham", "spam"))


GOLD = "h" * 500 + "s" * 500
BASE = labelled(GOLD, GOLD, "gpt@gpt-4o")
LOSES_SPAM = labelled(GOLD, "h" * 500 + "h" * 50 + "s" * 450)  # 10% of spam, which is half of the golden set


class TestWeights:
    def test_rates_and_difference_are_those_of_the_traffic(self) -> None:
        mix = TrafficMix("label", (("ham", 90.0), ("spam", 10.0)))
        c = compare(BASE, LOSES_SPAM, replace(MOVE, mix=mix))
        assert c.strict.head.value == pytest.approx(0.99)
        assert c.strict.paired.delta == pytest.approx(-0.01)
        assert mix_text(c) == "cases are weighted by the traffic of their labels: ham 90%, spam 10%"

    def test_traffic_decides_the_verdict(self) -> None:
        mostly_ham = TrafficMix("label", (("ham", 0.9), ("spam", 0.1)))
        mostly_spam = TrafficMix("label", (("ham", 0.1), ("spam", 0.9)))
        verdicts = [
            compare(BASE, LOSES_SPAM, replace(MOVE, mix=mix)).verdict for mix in (None, mostly_ham, mostly_spam)
        ]
        assert verdicts == [Verdict.STAY, Verdict.MOVE, Verdict.STAY]

    def test_shares_of_the_golden_set_change_nothing(self) -> None:
        same = replace(MOVE, mix=TrafficMix("label", (("ham", 1.0), ("spam", 1.0))))
        assert compare(BASE, LOSES_SPAM, same).strict == compare(BASE, LOSES_SPAM, MOVE).strict

    def test_slices_are_not_weighted(self) -> None:
        mix = TrafficMix("label", (("ham", 0.9), ("spam", 0.1)))
        spam = next(s for s in compare(BASE, LOSES_SPAM, replace(MOVE, mix=mix)).slices if s.name == "spam")
        assert spam.strict.paired.delta == pytest.approx(-0.1)

    def test_tags_can_be_weighted(self) -> None:
        tags = {i: "rare" if i < 100 else "common" for i in range(400)}
        base, head = made("R" * 400, tags=tags), made("w" * 40 + "R" * 360, tags=tags)
        mix = TrafficMix("tag", (("rare", 1.0), ("common", 99.0)))
        assert compare(base, head, replace(MOVE, mix=mix)).strict.paired.delta == pytest.approx(-0.004)


class TestCosts:
    COSTS = CostsConfig.model_validate({"spam->ham": 5, "default": 1, "margin": 0.1, "unit": "USD"})
    # As many errors as before, but the expensive ones.
    CHEAP = labelled(GOLD, "s" * 25 + "h" * 475 + "s" * 500, "gpt@gpt-4o")
    DEAR = labelled(GOLD, "h" * 500 + "h" * 25 + "s" * 475)

    def test_equal_accuracy_with_expensive_errors_stays(self) -> None:
        priced = replace(MOVE, costs=self.COSTS, margin=0.05)
        assert compare(self.CHEAP, self.DEAR, replace(priced, costs=None)).verdict is Verdict.MOVE
        c = compare(self.CHEAP, self.DEAR, replace(priced, costs=self.COSTS.model_copy(update={"margin": 0.03})))
        assert c.cost is not None
        assert (c.cost.base, c.cost.head) == (pytest.approx(0.025), pytest.approx(0.125))
        assert (c.verdict, c.reason.code) == (Verdict.STAY, ReasonCode.COST_LOSS)
        assert reason_text(c).startswith("cost of errors +0.1 USD per case (95% interval ")

    def test_cost_near_its_margin_is_open(self) -> None:
        c = compare(self.CHEAP, self.DEAR, replace(MOVE, costs=self.COSTS, margin=0.05))
        assert (c.verdict, c.reason.code) == (Verdict.INCONCLUSIVE, ReasonCode.COST_OPEN)

    def test_costs_without_a_margin_are_only_shown(self) -> None:
        shown = self.COSTS.model_copy(update={"margin": None})
        c = compare(self.CHEAP, self.DEAR, replace(MOVE, costs=shown, margin=0.05))
        assert c.verdict is Verdict.MOVE
        assert "USD per case" in cost_text(c)

    def test_no_answer_has_its_own_cost(self) -> None:
        costs = CostsConfig.model_validate({"no_answer": 3})
        c = compare(BASE, labelled(GOLD, "-" * 100 + "h" * 400 + "s" * 500), replace(MOVE, costs=costs))
        assert c.cost is not None
        assert c.cost.head == pytest.approx(0.3)
