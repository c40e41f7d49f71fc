"""`harness run --budget` and `--estimate`: what a run may cost, and what it would, as a user types it."""

from __future__ import annotations

import pytest

from ..support.cli import Terminal
from ..support.project import Project, row
from ..support.running import config_of
from ..support.servers import FakeOpenAI, Reply, completion

N = 20
TOLD = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}}
COSTS = 0.0002
"""USD of a call of so many tokens, at 1 USD a million in and 10 out."""


@pytest.fixture
def priced(project: Project, server: FakeOpenAI) -> Project:
    """A fake model server that charges for each of 20 cases, one at a time."""
    project.config(config_of(url=server.base_url, prompt_usd=1.0, completion_usd=10.0, concurrency=1))
    project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(N)])
    server.answer = lambda asked: Reply(json={**completion("billing"), **TOLD})
    return project


class TestBudget:
    def test_it_stops_before_it_is_exceeded_and_says_how_to_go_on(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        ended = harness("run", "triage", "--variant", "local", "--budget", "0.0042")
        assert ended.code == 3
        assert "budget of $0.0042" in ended.err
        assert "--resume" in ended.err
        assert 0 < len(server.prompts) < N
        assert len(server.chats) * COSTS <= 0.0042

    def test_what_was_answered_is_kept_and_not_asked_again(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        harness("run", "triage", "--variant", "local", "--budget", "0.0042")
        ended = harness("run", "triage", "--variant", "local", "--budget", "1", "--resume")
        assert ended.code == 0
        assert len(server.prompts) == N

    def test_one_that_is_large_enough_changes_nothing(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        ended = harness("run", "triage", "--variant", "local", "--budget", "2.00")
        assert ended.code == 0
        assert "cost $0.0040 for 20 calls" in ended.out

    def test_with_nothing_to_spend_nothing_is_asked(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        assert harness("run", "triage", "--variant", "local", "--budget", "0").code == 3
        assert server.chats == []

    def test_it_is_refused_where_nobody_says_what_a_call_costs(self, harness: Terminal, project: Project) -> None:
        project.config('[backends.new]\nprovider = "openai"\nmodel = "not-yet-out"\nvariant = "gpt"\n')
        ended = harness("run", "--budget", "2.00")
        assert ended.code == 2
        assert "nobody says what not-yet-out costs" in ended.err

    @pytest.mark.parametrize("amount", ["-1", "plenty"])
    def test_it_is_an_amount(self, harness: Terminal, priced: Project, amount: str) -> None:
        assert harness("run", "--budget", amount).code == 2


class TestEstimate:
    def test_it_tells_calls_tokens_and_dollars_and_asks_no_model(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        ended = harness("run", "triage", "--variant", "local", "--estimate")
        assert ended.code == 0
        assert "triage local@fake" in ended.out
        assert "20 calls: at most $0." in ended.out
        assert "without retries, and as if no answer were in the store" in ended.out
        assert server.chats == []

    def test_after_a_run_it_knows_how_long_replies_are(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        harness("run", "triage", "--variant", "local")
        assert "20 calls: about $0." in harness("run", "triage", "--variant", "local", "--estimate").out


def test_half_a_price_is_found_before_anything_is_asked(
    harness: Terminal, project: Project, server: FakeOpenAI
) -> None:
    project.config(config_of(url=server.base_url, prompt_usd=1.0))
    ended = harness("run")
    assert ended.code == 2
    assert "has no completion_usd" in ended.err
    assert not server.chats
