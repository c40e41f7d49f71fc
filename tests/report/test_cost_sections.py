"""What a run cost, and what should move, on the page and on the terminal."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from rich.console import Console

from harness.analysis.costs.advice_types import Advice, Decision, EvalAdvice, Reason
from harness.analysis.costs.projection import CostProjection, EvalCost, usage
from harness.core.formatting import dollars
from harness.core.types import Run
from harness.project.config import LocalConfig
from harness.project.pricing import Price
from harness.report import Analyses, analyses_of, build
from harness.report.charts import CostBar, bill
from harness.report.formats import html, md
from harness.report.formats import json as as_json
from harness.report.sections import advice, cost
from harness.report.terminal import matrix

from ..support.field_report import made
from ..support.project import CONFIG, Project

PRICE = Price(2.5, 10.0, None, "genai-prices 9.9: openai/gpt-4o")
PRICES: dict[str, Price | None] = {"gpt-4o": PRICE, "home": None}
BIG, HOME = made("triage", "gpt", "gpt-4o", 40), made("triage", "local", "home", 40, 2)


def page_of(*runs: Run, of: Analyses) -> str:
    return html.render(build(runs, analyses=of))


def on_a_terminal(*runs: Run) -> str:
    out = io.StringIO()
    Console(file=out, width=120, color_system=None).print(matrix(build(runs, analyses=Analyses(prices=PRICES))))
    return out.getvalue()


class TestCost:
    def test_cost_row_has_price_and_source(self) -> None:
        content = cost.context(build([BIG, HOME], analyses=Analyses(prices=PRICES)).evals[0])
        assert content is not None
        big, home = content["rows"]
        assert big["cost"].usd == pytest.approx(40 * 0.0008)
        assert (home["price"], home["cost"].usd) == (None, None)
        page = page_of(BIG, HOME, of=Analyses(prices=PRICES))
        assert "$0.032" in page
        assert "2.5 and 10<small>genai-prices 9.9: openai/gpt-4o</small>" in page
        assert "local server" in page

    def test_prices_come_from_the_project(self, project: Project) -> None:
        hosted = '[backends.{0}]\nprovider = "openai"\nmodel = "{0}"\nvariant = "gpt"\n'
        project.config(CONFIG + hosted.format("gpt-4o") + hosted.format("gpt-9"))
        prices = analyses_of(project.load(), ["triage"]).prices
        assert prices["fake"] is None  # a server of one's own
        assert prices["gpt-4o"] == Price(2.5, 10.0, 1.25, prices["gpt-4o"].source if prices["gpt-4o"] else "")
        assert "gpt-9" not in prices  # nobody knows

    def test_cost_section_is_left_out_without_prices(self) -> None:
        for prices in ({}, {"home": None}):
            assert cost.context(build([HOME], analyses=Analyses(prices=prices)).evals[0]) is None

    def test_attempts_without_tokens_are_shown(self) -> None:
        retried = made("triage", "gpt", "gpt-4o", 40, attempts=2)
        assert "at most $0.064" in page_of(retried, of=Analyses(prices=PRICES))
        assert "cost $0.032 for 40 calls ($1.60 per 1,000), at most $0.064: 40 attempts without a count" in (
            on_a_terminal(retried)
        )

    def test_terminal_shows_the_cost_of_api_runs(self) -> None:
        text = on_a_terminal(BIG, HOME)
        assert "gpt@gpt-4o: cost $0.032 for 40 calls ($0.80 per 1,000)" in text
        assert "local@home: cost" not in text
        assert "every answer is from the store" in on_a_terminal(made("triage", "gpt", "gpt-4o", 4, cached=True))


LINE = EvalCost(
    "triage", "classification", 4000, "gpt-4o", "home", usage(BIG), usage(HOME), PRICE, None, True, 3.0, 85.0
)


def advised(decision: Decision = Decision.MOVE, name: str = "triage") -> Advice:
    line = replace(LINE, eval=name)
    moved = frozenset({name}) if decision is Decision.MOVE else frozenset()
    own_advice = EvalAdvice(line, decision, (Reason("quality", "for", "it is good, -0.5 points"),))
    return Advice((own_advice,), CostProjection((line,), moved, LocalConfig()), ("other",))


class TestAdvice:
    def test_section_has_decision_reasons_and_basis_of_figures(self) -> None:
        page = page_of(BIG, HOME, of=Analyses(prices=PRICES, advice=advised()))
        for text_part in (
            "Should it move?",
            '<strong class="badge">MOVE</strong> <span class="cell">gpt-4o → home</span>',
            "it is good, −0.5 points",
            "4,000 calls a day × 30 days × $0.00080 = $96.00",
            "mean of 40 calls of gpt@gpt-4o, run triage-gpt-gpt-4o-free-0-None",
            "a server for this eval alone pays from 3,542 calls a day; one server carries 230,400",
            "$85.00 of $85.00, in proportion to the current cost",
            "Not on the bill (no [traffic]): other.",
        ):
            assert text_part in page, text_part

    def test_several_evals_begin_with_bill_and_decisive_reasons(self) -> None:
        page = page_of(BIG, HOME, made("other", "gpt", "gpt-4o", 5), of=Analyses(prices=PRICES, advice=advised()))
        assert page.index("The bill</h1>") < page.index("2 evals:")
        assert "$96.00 a month today; $85.00 as advised" in page
        assert '<strong class="badge good">MOVE</strong> triage: it is good, −0.5 points' in page

    def test_single_eval_has_no_lead(self) -> None:
        assert "The bill</h1>" not in page_of(BIG, HOME, of=Analyses(prices=PRICES, advice=advised()))

    def test_eval_without_advice_has_no_section(self) -> None:
        for of in (Analyses(), Analyses(advice=advised(name="another"))):
            assert advice.context(build([BIG], analyses=of).evals[0]) is None

    def test_names_are_inert(self) -> None:
        bad = made("<script>x", "gpt", "gpt-4o", 5)
        other = made("other", "gpt", "gpt-4o", 5)
        page = page_of(bad, other, of=Analyses(prices=PRICES, advice=advised(name="<script>x")))
        assert "<script>x" not in page

    def test_bars_are_today_batch_advised_and_all_moved(self) -> None:
        stacks = advice.stacks(advised().bill)
        assert [(stack.label, stack.usd) for stack in stacks] == [
            ("today", pytest.approx(96)),
            ("in batches", pytest.approx(48)),
            ("as advised", pytest.approx(85)),
            ("all moved", pytest.approx(85)),
        ]


def in_json(*runs: Run, of: Analyses) -> Any:
    return json.loads(as_json.render(build(runs, analyses=of)))


def in_markdown(*runs: Run, of: Analyses) -> str:
    return unescape(md.render(build(runs, analyses=of)))


class TestOtherFormats:
    def test_json_has_cost_and_price_per_cell(self) -> None:
        retried = made("triage", "gpt", "gpt-4o", 40, attempts=2)
        gone = made("triage", "gpt", "gone", 40)
        big, home, unknown = in_json(retried, HOME, gone, of=Analyses(prices=PRICES))["evals"][0]["cells"]
        assert big["cost"] == {
            "usd": pytest.approx(0.032),
            "usd_per_1k": pytest.approx(1.6),
            "at_most_usd": pytest.approx(0.064),
            "asked": 40,
            "from_store": 0,
            "attempts": 80,
            "untold": 40,
            "price": {"prompt_usd": 2.5, "completion_usd": 10.0, "cached_usd": None, "source": PRICE.source},
        }
        assert (home["cost"]["usd"], home["cost"]["price"], home["cost"]["asked"]) == (None, None, 40)
        assert unknown["cost"] is None

    def test_json_has_the_advice_and_the_bill(self) -> None:
        content = in_json(BIG, HOME, of=Analyses(prices=PRICES, advice=advised()))["advice"]
        (own_advice,) = content["evals"]
        assert own_advice["reasons"] == [{"code": "quality", "stands": "for", "text": "it is good, -0.5 points"}]
        assert {
            name: own_advice[name] for name in ("eval", "decision", "now", "then", "local", "then_usd", "break_even")
        } == {
            "eval": "triage",
            "decision": "MOVE",
            "now": "gpt-4o",
            "then": "home",
            "local": True,
            "then_usd": None,
            "break_even": 3542,
        }
        assert (own_advice["today_usd"], own_advice["share_usd"], own_advice["saved_usd"]) == (
            pytest.approx(96),
            85,
            pytest.approx(11),
        )
        assert content["bill"]["today"] == {"usd": pytest.approx(96), "missing": [], "of": 1, "estimated": False}
        assert content["bill"]["advised"]["usd"] == content["bill"]["server_usd"] == 85
        assert (content["bill"]["servers"], content["bill"]["moved"], content["left_out"]) == (1, ["triage"], ["other"])

    def test_unknown_cost_is_null_and_not_zero(self) -> None:
        line = replace(LINE, current_usage=None, candidate_usage=None)
        own_advice = EvalAdvice(line, Decision.INCONCLUSIVE, ())
        nothing = Advice((own_advice,), CostProjection((line,), frozenset(), LocalConfig()))
        bill = in_json(BIG, of=Analyses(advice=nothing))["advice"]["bill"]
        sums = [bill[name] for name in ("today", "batch", "advised", "all_moved")]
        assert sums == [{"usd": None, "missing": ["triage"], "of": 1, "estimated": False}] * 4

    def test_json_without_advice_is_null(self) -> None:
        assert in_json(BIG, of=Analyses())["advice"] is None
        assert "Should it move?" not in in_markdown(BIG, of=Analyses())

    @pytest.mark.parametrize("key", ["evals", "bill"])
    def test_every_key_of_the_advice_is_documented(self, key: str) -> None:
        content = in_json(BIG, of=Analyses(advice=advised()))["advice"]
        part = content[key][0] if key == "evals" else content[key]
        assert {name for name in (*content, *part) if f'"{name}"' not in (as_json.__doc__ or "")} == set()

    def test_markdown_has_the_cost_of_each_cell(self) -> None:
        text = in_markdown(made("triage", "gpt", "gpt-4o", 40, attempts=2), HOME, of=Analyses(prices=PRICES))
        price = "2.5 and 10 (genai-prices 9.9: openai/gpt-4o)"
        assert f"| gpt@gpt-4o | $0.032, at most $0.064 | $1.60 | 40 | 0 | 80 | {price} |" in text
        assert "| local@home | local server | – | 40 | 0 | 40 | – |" in text

    def test_markdown_has_no_cost_table_without_prices(self) -> None:
        assert "a million tokens" not in in_markdown(HOME, of=Analyses(prices={"home": None}))

    def test_markdown_begins_with_the_advice_and_the_bill(self) -> None:
        text = in_markdown(BIG, HOME, of=Analyses(prices=PRICES, advice=advised()))
        assert text.startswith("## Should it move?\n\n- **MOVE** triage\n    - for moving: it is good, -0.5 points\n")
        assert "| triage | 4,000 | 300+5 | $96.00 | $48.00 | server | 3,542 |" in text
        assert "| $85.00 | as advised: 1 eval on the candidate |" in text
        assert "- prices: genai-prices 9.9: openai/gpt-4o" in text
        assert "(no [traffic]): other" in text

    def test_names_are_inert_in_markdown(self) -> None:
        bad = "x|y **b** <script>"
        text = md.render(build([BIG], analyses=Analyses(prices=PRICES, advice=advised(name=bad))))
        assert bad not in text
        assert "<script>" not in text


class TestPicture:
    def test_chart_has_a_description_and_unique_ids(self) -> None:
        stacks = [CostBar("today", [("a", 40.0), ("b", 8.0)]), CostBar("split", [("a", 40.0), ("b", 0.0)], 85.0)]
        own_advice, other = bill("a", stacks), bill("b", stacks)
        assert 'aria-label="USD a month: today $48.00, split $125.00"' in own_advice
        ids = [{part.split('"')[0] for part in svg.split(' id="')[1:]} for svg in (own_advice, other)]
        assert not ids[0] & ids[1]
        assert "#03" not in own_advice

    def test_nothing_to_pay_can_be_drawn(self) -> None:
        assert "<svg" in bill("a", [CostBar("today", [("a", 0.0)])])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "$0"),
        (1204.4, "$1,204"),
        (48.0, "$48.00"),
        (0.312, "$0.31"),
        (0.0321, "$0.032"),
        (0.0008, "$0.00080"),
        (1e-12, "$0"),
        (-29.41, "−$29.41"),
    ],
)
def test_dollars(value: float | None, text: str) -> None:
    assert dollars(value) == text
