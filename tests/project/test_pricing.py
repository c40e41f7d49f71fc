"""Prices, their origin, and the cost of a run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.costs import spend
from harness.analysis.costs.spend import cost_of, run_cost
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
    loaded = config(project, *tables)
    return price_of(loaded, loaded.backends[name])


class TestPriceOf:
    def test_library_price_names_its_version(self, project: Project) -> None:
        listed = price(project, OPENAI)
        assert listed is not None
        assert (listed.prompt_usd, listed.completion_usd, listed.cached_usd) == (2.5, 10.0, 1.25)
        assert listed.source.startswith("genai-prices 0.")
        assert listed.source.endswith("openai/gpt-4o")

    def test_project_prices_override_the_library(self, project: Project) -> None:
        mine = '[prices."gpt-4o"]\nprompt_usd = 1.0\ncompletion_usd = 2.0\n'
        assert price(project, OPENAI, mine) == Price(1.0, 2.0, None, '[prices."gpt-4o"]')

    def test_backend_keys_override_project_prices(self, project: Project) -> None:
        mine = '[prices."gpt-4o"]\nprompt_usd = 1.0\ncompletion_usd = 2.0\n'
        assert price(project, OPENAI + "prompt_usd = 7.0\ncompletion_usd = 9.0\n", mine) == Price(
            7.0, 9.0, None, "[backends.big]"
        )

    def test_unknown_hosted_model_has_no_price(self, project: Project) -> None:
        loaded = config(project, OPENAI.replace("gpt-4o", "gpt-9-ultra"))
        assert price_of(loaded, loaded.backends["big"]) is None
        assert not is_local(loaded, loaded.backends["big"])

    def test_embeddings_have_no_completion_price(self, project: Project) -> None:
        listed = price(project, OPENAI.replace("gpt-4o", "text-embedding-3-small"))
        assert listed is not None
        assert (listed.prompt_usd, listed.completion_usd) == (0.02, 0.0)

    def test_tiered_price_uses_the_lowest_tier(self, project: Project) -> None:
        gemini = OPENAI.replace("gpt-4o", "gemini-2.5-pro")
        url = 'base_url = "https://generativelanguage.googleapis.com/v1beta/openai"\n'
        listed = price(project, gemini + url)
        assert listed is not None
        assert 0 < listed.prompt_usd < listed.completion_usd

    def test_price_for_a_model_without_backend_is_rejected(self, project: Project) -> None:
        with pytest.raises(ConfigError, match=r'\[prices\."gpt-4\.o"\] is not the model of any backend.*mean .gpt-4o'):
            config(project, OPENAI, '[prices."gpt-4.o"]\nprompt_usd = 1.0\n')

    @pytest.mark.parametrize("usd", ["inf", "1e300", "1000000001.0"])
    def test_invalid_price_is_reported_with_its_line(self, project: Project, usd: str) -> None:
        with pytest.raises(
            ConfigError, match=r"harness\.toml:\d+: \[prices\.gpt-4o\] completion_usd = .* is not a price"
        ):
            price(project, OPENAI, f'[prices."gpt-4o"]\nprompt_usd = 1.0\ncompletion_usd = {usd}\n')
        with pytest.raises(ConfigError, match=r"harness\.toml:\d+: \[backends\.big\] prompt_usd = .* is not a price"):
            price(project, OPENAI + f"prompt_usd = {usd}\ncompletion_usd = 1.0\n")

    @pytest.mark.parametrize(
        ("tables", "message"),
        [
            (
                '[prices."gpt-4o"]\nprompt_usd = 2.5\n',
                r"\[prices\.gpt-4o\] has no completion_usd, so replies of big",
            ),
            (
                "prompt_usd = 2.5\n",
                r"\[backends\.big\] has no completion_usd, so replies of big",
            ),
            (
                "completion_usd = 2.5\n",
                r"\[backends\.big\] has no prompt_usd, so prompts of big",
            ),
        ],
    )
    def test_half_a_price_is_rejected(self, project: Project, tables: str, message: str) -> None:
        with pytest.raises(ConfigError, match=rf"harness\.toml:\d+: {message}"):
            price(project, OPENAI + tables)

    def test_explicit_zero_is_a_price(self, project: Project) -> None:
        listed = price(project, OPENAI + "prompt_usd = 2.5\ncompletion_usd = 0.0\n")
        assert listed == Price(2.5, 0.0, None, "[backends.big]")

    def test_embedding_backend_needs_no_completion_price(self, project: Project) -> None:
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
    def test_is_local_by_provider_url_and_price(self, project: Project, keys: str, local: bool) -> None:
        loaded = config(project, f'[backends.b]\n{keys}\nmodel = "m"\nvariant = "local"\n')
        assert is_local(loaded, loaded.backends["b"]) is local
        if local:
            assert price_of(loaded, loaded.backends["b"]) is None

    def test_base_url_from_environment_makes_openai_local(self, project: Project, monkeypatch: Any) -> None:
        loaded = config(project, OPENAI)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
        assert is_local(loaded, loaded.backends["big"])


def test_usd_is_per_million_tokens() -> None:
    assert usd(PRICE, 1_000_000, 100_000) == pytest.approx(3.5)
    assert usd(PRICE, 0, 0) == 0
    assert usd(PRICE, 10**400, 0) == math.inf


def results(n: int = 10, **more: Any) -> list[Result]:
    """Calls with 300 prompt and 5 completion tokens: 0.0008 USD each."""
    return list(made("triage", "gpt", "big", n, **more).results)


def failed(result: Result, kind: str, attempts: int = 1) -> Result:
    return replace(result, response=Response(error=CallError(kind, "no")), reading=None, score=None, attempts=attempts)


class TestSpent:
    def test_each_call_is_charged_by_its_tokens(self) -> None:
        spending = cost_of(results(), PRICE)
        assert (spending.calls, spending.prompt_tokens, spending.completion_tokens) == (10, 3000, 50)
        assert spending.usd == spending.at_most_usd == pytest.approx(0.008)
        assert spending.usd_per_1k == pytest.approx(0.8)

    def test_cached_reply_costs_nothing(self) -> None:
        spending = cost_of(results(cached=True), PRICE)
        assert (spending.calls, spending.from_store, spending.usd, spending.usd_per_1k) == (0, 10, 0.0, None)

    def test_failed_attempts_count_towards_the_upper_bound(self) -> None:
        spending = cost_of(results(attempts=3), PRICE)
        assert (spending.attempts, spending.attempts_without_tokens) == (30, 20)
        assert spending.usd == pytest.approx(0.008)
        assert spending.at_most_usd == pytest.approx(0.024)

    @pytest.mark.parametrize(
        ("kind", "untold"), [("timeout", 3), ("bad_reply", 3), ("rate_limit", 0), ("connection", 0), ("server", 0)]
    )
    def test_failed_call_may_be_billed_by_error_kind(self, kind: str, untold: int) -> None:
        first, *rest = results()
        spending = cost_of([failed(first, kind, attempts=3), *rest], PRICE)
        assert spending.attempts_without_tokens == untold
        assert spending.usd == pytest.approx(9 * 0.0008)
        assert spending.at_most_usd == pytest.approx((9 + untold) * 0.0008)

    def test_missing_token_counts_leave_no_upper_bound(self) -> None:
        silent = [replace(r, response=replace(r.response, prompt_tokens=None)) for r in results()]
        spending = cost_of(silent, PRICE)
        assert (spending.attempts_without_tokens, spending.usd, spending.at_most_usd) == (10, 0.0, None)

    @pytest.mark.parametrize("absurd", [{"prompt_tokens": 10**400}, {"completion_tokens": 10**400}])
    def test_impossible_token_count_is_ignored(self, absurd: dict[str, int]) -> None:
        first, *rest = results()
        spending = cost_of([replace(first, response=replace(first.response, **absurd)), *rest], PRICE)  # type: ignore[arg-type]
        assert (spending.attempts_without_tokens, spending.prompt_tokens, spending.completion_tokens) == (1, 2700, 45)
        assert spending.at_most_usd == pytest.approx(0.008)

    def test_without_a_price_only_tokens_are_reported(self) -> None:
        spending = cost_of(results(), None)
        assert (spending.usd, spending.at_most_usd, spending.prompt_tokens) == (None, None, 3000)

    def test_run_uses_the_price_of_its_backend(self, project: Project) -> None:
        loaded = config(project, OPENAI)
        assert run_cost(loaded, made("triage", "gpt", "big", 10)).usd == pytest.approx(0.008)
        assert run_cost(loaded, made("triage", "gpt", "gone", 10)).usd is None


def test_month_has_30_days_and_batches_cost_half() -> None:
    assert (spend.DAYS, pricing.BATCH) == (30, 0.5)


def test_token_limit_matches_the_backend_limit() -> None:
    assert spend.MOST_TOKENS == openai_responses.MOST_TOKENS


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/cost.md").read_text(encoding="utf-8")
    for model in (PriceConfig, LocalConfig, AdviceConfig, TrafficConfig):
        for key in model.model_fields:
            assert key in page, key
