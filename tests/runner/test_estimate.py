"""What a run would take, before anything is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.project.pricing import Price
from harness.runner.budget import most_prompt_tokens, most_usd
from harness.runner.estimate import Estimate, estimate
from harness.store.runs import Store, open_store

from ..support.field_report import made
from ..support.project import CONFIG, Project
from ..support.servers import FakeOpenAI

HOSTED = '[backends.big]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    opened = open_store("sqlite:///:memory:")
    yield opened
    opened.close()


def estimated(project: Project, store: Store) -> dict[str, Estimate]:
    """Each backend's own cell."""
    return {one.cell: one for one in estimate(project.with_store(store), project.plan(own_variant_only=True))}


def test_maximum_cost_assumes_the_longest_replies(project: Project, store: Store) -> None:
    project.config(CONFIG + HOSTED)
    one = estimated(project, store)["gpt@big"]
    assert (one.calls, one.local) == (4, False)
    assert one.most_completion_tokens is not None
    assert one.most_completion_tokens == sum(
        request.sampling.max_tokens for _, request in project.plan(own_variant_only=True)[-1].requests
    )
    assert one.most_usd == pytest.approx((one.most_prompt_tokens * 2.5 + one.most_completion_tokens * 10) / 1e6)
    assert (one.usd, one.completion_tokens) == (None, None)


@pytest.mark.parametrize("tokenizer", ["quicktok", None])
def test_unknown_tokenizer_uses_the_upper_bound_of_a_budget(
    project: Project, store: Store, monkeypatch: pytest.MonkeyPatch, tokenizer: str | None
) -> None:
    """A server of somebody else's: whose tokens another model's encoding, or bytes, may be too few of."""
    if tokenizer is None:
        monkeypatch.setitem(sys.modules, "quicktok", None)
    priced = "prompt_usd = 2.5\ncompletion_usd = 10.0\n"
    project.config(CONFIG + HOSTED.replace("gpt-4o", "mistral") + 'base_url = "http://10.0.0.7:8000/v1"\n' + priced)
    one = estimated(project, store)["gpt@big"]
    price = Price(2.5, 10.0, None, "")
    asks = [request for _, request in project.plan(own_variant_only=True)[-1].requests]
    assert one.most_usd == pytest.approx(sum(most_usd(price, request) for request in asks))
    assert one.most_prompt_tokens > one.prompt_tokens


def test_known_tokenizer_gives_the_exact_count(project: Project, store: Store) -> None:
    pytest.importorskip("quicktok")
    project.config(CONFIG + HOSTED)
    one = estimated(project, store)["gpt@big"]
    assert one.most_prompt_tokens == one.prompt_tokens


def test_without_tokenizer_bytes_are_the_upper_bound(
    project: Project, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "quicktok", None)
    project.config(CONFIG + HOSTED)
    one = estimated(project, store)["gpt@big"]
    asks = [request for _, request in project.plan(own_variant_only=True)[-1].requests]
    assert one.most_prompt_tokens == sum(map(most_prompt_tokens, asks))


def test_without_max_tokens_there_is_no_maximum(project: Project, store: Store) -> None:
    project.config(CONFIG + HOSTED + 'omit = ["max_tokens"]\n')
    store.add(made("triage", "gpt", "big", 10, tokens=(300, 3)))
    one = estimated(project, store)["gpt@big"]
    assert (one.most_completion_tokens, one.most_usd, one.completion_tokens) == (None, None, 12)
    assert one.usd == pytest.approx((one.prompt_tokens * 2.5 + 12 * 10) / 1e6)


def test_saved_run_gives_the_mean_reply_length(project: Project, store: Store) -> None:
    project.config(CONFIG + HOSTED)
    store.add(made("triage", "gpt", "big", 10, tokens=(300, 3)))
    one = estimated(project, store)["gpt@big"]
    assert one.completion_tokens == 4 * 3
    assert one.measured_in == next(iter(store.manifests())).run_id
    assert one.usd == pytest.approx((one.prompt_tokens * 2.5 + 12 * 10) / 1e6)
    assert one.usd < (one.most_usd or 0)


def test_local_model_costs_nothing_and_is_not_called(served: Project, server: FakeOpenAI, store: Store) -> None:
    one = estimated(served, store)["local@fake"]
    assert (one.local, one.usd, one.most_usd) == (True, 0.0, 0.0)
    assert one.prompt_tokens > 4
    assert server.chats == []


def test_model_with_unknown_price_is_left_out_of_sums(project: Project, store: Store) -> None:
    project.config(CONFIG + HOSTED.replace("gpt-4o", "gpt-9"))
    one = estimated(project, store)["gpt@big"]
    assert one.most_usd is None
    assert one.prompt_tokens > 0


def test_repeats_count_as_calls(project: Project, store: Store) -> None:
    project.config(CONFIG + HOSTED)
    once = estimated(project, store)["gpt@big"]
    project.eval("repeats = 3\n")
    thrice = estimated(project, store)["gpt@big"]
    assert thrice.calls == 3 * once.calls
    assert thrice == replace(
        thrice,
        prompt_tokens=3 * once.prompt_tokens,
        most_prompt_tokens=3 * once.most_prompt_tokens,
        most_completion_tokens=3 * (once.most_completion_tokens or 0),
    )
