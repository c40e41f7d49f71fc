"""Prices, where they come from, and what a run came to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.costs import spend
from harness.analysis.costs.spend import run_usd, spent
from harness.backends import openai_responses
from harness.core.errors import ConfigError
from harness.core.types import CallError, Response, Result
from harness.project import pricing
from harness.project.config import AdviceConfig, Config, LocalConfig, PriceConfig
from harness.project.evals import TrafficConfig
from harness.project.pricing import Price, is_local, price_of, usd

from ..support.field_report import made
from ..support.project import CONFIG, Project

OPENAI = '[backends.big]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'
PRICE = Price(2.5, 10.0, None, "a test")


def config(project: Project, *tables: str) -> Config:
    project.config("\n".join((CONFIG, *tables)))
    return project.load()


def price(project: Project, *tables: str, name: str = "big") -> Price | None:
    found = config(project, *tables)
    return price_of(found, found.backends[name])


class TestPriceOf:
    def test_the_librarys_price_says_its_version(self, project: Project) -> None:
        found = price(project, OPENAI)
        assert found is not None
        assert (found.prompt_usd, found.completion_usd, found.cached_usd) == (2.5, 10.0, 1.25)
        assert found.source.startswith("genai-prices 0.")
        assert found.source.endswith("openai/gpt-4o")

    def test_the_projects_list_goes_before_the_library(self, project: Project) -> None:
        mine = '[prices."gpt-4o"]\nprompt_usd = 1.0\ncompletion_usd = 2.0\n'
        assert price(project, OPENAI, mine) == Price(1.0, 2.0, None, '[prices."gpt-4o"]')

    def test_the_backends_own_keys_go_before_both(self, project: Project) -> None:
        mine = '[prices."gpt-4o"]\nprompt_usd = 1.0\ncompletion_usd = 2.0\n'
        assert price(project, OPENAI + "prompt_usd = 7.0\ncompletion_usd = 9.0\n", mine) == Price(
            7.0, 9.0, None, "[backends.big]"
        )

    def test_a_model_of_tomorrow_has_no_price_and_is_not_local(self, project: Project) -> None:
        found = config(project, OPENAI.replace("gpt-4o", "gpt-9-ultra"))
        assert price_of(found, found.backends["big"]) is None
        assert not is_local(found, found.backends["big"])

    def test_embeddings_cost_nothing_out(self, project: Project) -> None:
        found = price(project, OPENAI.replace("gpt-4o", "text-embedding-3-small"))
        assert found is not None
        assert (found.prompt_usd, found.completion_usd) == (0.02, 0.0)

    def test_where_a_price_depends_on_the_length_the_lowest_is_taken(self, project: Project) -> None:
        gemini = OPENAI.replace("gpt-4o", "gemini-2.5-pro")
        url = 'base_url = "https://generativelanguage.googleapis.com/v1beta/openai"\n'
        found = price(project, gemini + url)
        assert found is not None
        assert 0 < found.prompt_usd < found.completion_usd

    def test_a_price_for_a_model_that_no_backend_has_is_a_slip(self, project: Project) -> None:
        with pytest.raises(ConfigError, match=r'\[prices\."gpt-4\.o"\] is the model of no backend.*mean .gpt-4o'):
            config(project, OPENAI, '[prices."gpt-4.o"]\nprompt_usd = 1.0\n')

    @pytest.mark.parametrize("usd", ["inf", "1e300", "1000000001.0"])
    def test_invalid_price_names_the_line(self, project: Project, usd: str) -> None:
        with pytest.raises(ConfigError, match=r"harness\.toml:\d+: \[prices\.gpt-4o\] completion_usd = .* is no price"):
            price(project, OPENAI, f'[prices."gpt-4o"]\nprompt_usd = 1.0\ncompletion_usd = {usd}\n')
        with pytest.raises(ConfigError, match=r"harness\.toml:\d+: \[backends\.big\] prompt_usd = .* is no price"):
            price(project, OPENAI + f"prompt_usd = {usd}\ncompletion_usd = 1.0\n")

    @pytest.mark.parametrize(
        ("tables", "told"),
        [
            (
                '[prices."gpt-4o"]\nprompt_usd = 2.5\n',
                r"\[prices\.gpt-4o\] has no completion_usd, by which replies of big",
            ),
            (
                "prompt_usd = 2.5\n",
                r"\[backends\.big\] has no completion_usd, by which replies of big would cost nothing",
            ),
            (
                "completion_usd = 2.5\n",
                r"\[backends\.big\] has no prompt_usd, by which prompts of big would cost nothing",
            ),
        ],
    )
    def test_half_a_price_makes_nothing_free(self, project: Project, tables: str, told: str) -> None:
        with pytest.raises(ConfigError, match=rf"harness\.toml:\d+: {told}"):
            price(project, OPENAI + tables)

    def test_zero_is_a_price_where_somebody_says_so(self, project: Project) -> None:
        found = price(project, OPENAI + "prompt_usd = 2.5\ncompletion_usd = 0.0\n")
        assert found == Price(2.5, 0.0, None, "[backends.big]")

    def test_what_serves_embeddings_alone_has_no_replies_to_price(self, project: Project) -> None:
        embeds = OPENAI.replace("gpt-4o", "e5") + 'serves = ["embeddings"]\n'
        assert price(project, embeds, "[prices.e5]\nprompt_usd = 0.1\n") == Price(0.1, 0.0, None, '[prices."e5"]')
        assert price(project, embeds + "prompt_usd = 0.2\n") == Price(0.2, 0.0, None, "[backends.big]")


class TestLocal:
    @pytest.mark.parametrize(
        ("keys", "local"),
        [
            ('provider = "vllm"', True),
            ('provider = "ollama"', True),
            ('provider = "llamacpp"', True),
            ('provider = "openai"\nbase_url = "http://10.0.0.7:8000/v1"', True),
            ('provider = "openai"\nbase_url = "https://models.example.com/v1"', True),
            ('provider = "openai"', False),
            ('provider = "openai"\nbase_url = "https://api.groq.com/openai/v1"', False),
            ('provider = "openai"\nbase_url = "https://openrouter.ai/api/v1"', False),
            ('provider = "vllm"\nprompt_usd = 0.2', False),
            ('provider = "openai"\nbase_url = "https://models.example.com/v1"\nprompt_usd = 0.2', False),
        ],
    )
    def test_whose_server_it_is(self, project: Project, keys: str, local: bool) -> None:
        found = config(project, f'[backends.b]\n{keys}\nmodel = "m"\nvariant = "local"\n')
        assert is_local(found, found.backends["b"]) is local
        if local:
            assert price_of(found, found.backends["b"]) is None

    def test_openai_by_the_environment_is_where_it_leads(self, project: Project, monkeypatch: Any) -> None:
        found = config(project, OPENAI)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
        assert is_local(found, found.backends["big"])


def test_usd_is_by_the_million() -> None:
    assert usd(PRICE, 1_000_000, 100_000) == pytest.approx(3.5)
    assert usd(PRICE, 0, 0) == 0
    assert usd(PRICE, 10**400, 0) == math.inf


def results(n: int = 10, **more: Any) -> list[Result]:
    """Calls of 300 tokens in and 5 out: 0.0008 USD each."""
    return list(made("triage", "gpt", "big", n, **more).results)


def failed(result: Result, kind: str, attempts: int = 1) -> Result:
    return replace(result, response=Response(error=CallError(kind, "no")), reading=None, score=None, attempts=attempts)


class TestSpent:
    def test_every_call_by_its_tokens(self) -> None:
        found = spent(results(), PRICE)
        assert (found.asked, found.prompt_tokens, found.completion_tokens) == (10, 3000, 50)
        assert found.usd == found.at_most_usd == pytest.approx(0.008)
        assert found.usd_per_1k == pytest.approx(0.8)

    def test_an_answer_from_the_store_costs_nothing_again(self) -> None:
        found = spent(results(cached=True), PRICE)
        assert (found.asked, found.from_store, found.usd, found.usd_per_1k) == (0, 10, 0.0, None)

    def test_earlier_attempts_count_as_possibly_billed(self) -> None:
        found = spent(results(attempts=3), PRICE)
        assert (found.attempts, found.untold) == (30, 20)
        assert found.usd == pytest.approx(0.008)
        assert found.at_most_usd == pytest.approx(0.024)

    @pytest.mark.parametrize(
        ("kind", "untold"), [("timeout", 3), ("bad_reply", 3), ("rate_limit", 0), ("connection", 0), ("server", 0)]
    )
    def test_failed_call_costs_only_possible_server_work(self, kind: str, untold: int) -> None:
        first, *rest = results()
        found = spent([failed(first, kind, attempts=3), *rest], PRICE)
        assert found.untold == untold
        assert found.usd == pytest.approx(9 * 0.0008)
        assert found.at_most_usd == pytest.approx((9 + untold) * 0.0008)

    def test_a_server_that_counts_nothing_leaves_it_open(self) -> None:
        silent = [replace(r, response=replace(r.response, prompt_tokens=None)) for r in results()]
        found = spent(silent, PRICE)
        assert (found.untold, found.usd, found.at_most_usd) == (10, 0.0, None)

    @pytest.mark.parametrize("absurd", [{"prompt_tokens": 10**400}, {"completion_tokens": 10**400}])
    def test_a_count_that_no_call_can_have_counts_as_none(self, absurd: dict[str, int]) -> None:
        first, *rest = results()
        found = spent([replace(first, response=replace(first.response, **absurd)), *rest], PRICE)  # type: ignore[arg-type]
        assert (found.untold, found.prompt_tokens, found.completion_tokens) == (1, 2700, 45)
        assert found.at_most_usd == pytest.approx(0.008)

    def test_without_a_price_there_are_tokens_only(self) -> None:
        found = spent(results(), None)
        assert (found.usd, found.at_most_usd, found.prompt_tokens) == (None, None, 3000)

    def test_a_run_is_priced_by_its_backend(self, project: Project) -> None:
        found = config(project, OPENAI)
        assert run_usd(found, made("triage", "gpt", "big", 10)).usd == pytest.approx(0.008)
        assert run_usd(found, made("triage", "gpt", "gone", 10)).usd is None


def test_a_month_has_30_days_and_batches_cost_half() -> None:
    assert (spend.DAYS, pricing.BATCH) == (30, 0.5)


def test_what_a_backend_takes_for_a_count_is_one_here() -> None:
    assert spend.MOST_TOKENS == openai_responses.MOST_TOKENS


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/cost.md").read_text(encoding="utf-8")
    for model in (PriceConfig, LocalConfig, AdviceConfig, TrafficConfig):
        for key in model.model_fields:
            assert key in page, key
