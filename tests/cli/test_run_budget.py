"""`harness run --budget`."""

from __future__ import annotations

import pytest

from ..support.cli import Terminal
from ..support.project import Project, row
from ..support.running import config_of
from ..support.servers import FakeOpenAI, Reply, completion

N = 20


USAGE = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}}


CALL_USD = 0.0002
"""USD of a call of so many tokens, at 1 USD a million in and 10 out."""


@pytest.fixture
def priced(project: Project, server: FakeOpenAI) -> Project:
    """A fake model server that charges for each of 20 cases, one at a time."""
    project.config(config_of(url=server.base_url, prompt_usd=1.0, completion_usd=10.0, concurrency=1))
    project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(N)])
    server.answer = lambda asked: Reply(json={**completion("billing"), **USAGE})
    return project


class TestBudget:
    def test_run_stops_before_the_budget_is_exceeded(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        ended = harness("run", "triage", "--variant", "local", "--budget", "0.0042")
        assert ended.code == 3
        assert "budget of $0.0042" in ended.err
        assert "--resume" in ended.err
        assert 0 < len(server.prompts) < N
        assert len(server.chats) * CALL_USD <= 0.0042

    def test_resume_repeats_no_saved_request(self, harness: Terminal, priced: Project, server: FakeOpenAI) -> None:
        harness("run", "triage", "--variant", "local", "--budget", "0.0042")
        ended = harness("run", "triage", "--variant", "local", "--budget", "1", "--resume")
        assert ended.code == 0
        assert len(server.prompts) == N

    def test_sufficient_budget_changes_nothing(self, harness: Terminal, priced: Project, server: FakeOpenAI) -> None:
        ended = harness("run", "triage", "--variant", "local", "--budget", "2.00")
        assert ended.code == 0
        assert "cost $0.0040 for 20 calls" in ended.out

    def test_zero_budget_sends_no_request(self, harness: Terminal, priced: Project, server: FakeOpenAI) -> None:
        assert harness("run", "triage", "--variant", "local", "--budget", "0").code == 3
        assert server.chats == []

    def test_model_without_price_is_an_error(self, harness: Terminal, project: Project) -> None:
        project.config('[backends.new]\nprovider = "openai"\nmodel = "not-yet-out"\nvariant = "gpt"\n')
        ended = harness("run", "--budget", "2.00")
        assert ended.code == 2
        assert "not-yet-out" in ended.err

    @pytest.mark.parametrize("amount", ["-1", "plenty"])
    def test_invalid_amount_is_an_error(self, harness: Terminal, priced: Project, amount: str) -> None:
        assert harness("run", "--budget", amount).code == 2


def test_incomplete_price_fails_before_any_request(harness: Terminal, project: Project, server: FakeOpenAI) -> None:
    project.config(config_of(url=server.base_url, prompt_usd=1.0))
    ended = harness("run")
    assert ended.code == 2
    assert "has no completion_usd" in ended.err
    assert not server.chats
