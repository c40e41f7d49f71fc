"""`harness run --estimate`."""

from __future__ import annotations

import re

import pytest

from harness.core.types import Run
from harness.store.runs import open_store

from ..report.test_columns import figures
from ..support.cli import Terminal
from ..support.field_report import made
from ..support.project import CONFIG, Project, row
from ..support.running import config_of
from ..support.servers import FakeOpenAI, Reply, completion

N = 20


USAGE = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}}


@pytest.fixture
def priced(project: Project, server: FakeOpenAI) -> Project:
    """A fake model server that charges for each of 20 cases, one at a time."""
    project.config(config_of(url=server.base_url, prompt_usd=1.0, completion_usd=10.0, concurrency=1))
    project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(N)])
    server.answer = lambda asked: Reply(json={**completion("billing"), **USAGE})
    return project


def save(project: Project, *made_: Run) -> None:
    store = open_store(project.load().store_url)
    for run in made_:
        store.add(run)
    store.close()


class TestAfterRuns:
    def test_estimate_prints_calls_and_cost_without_requests(
        self, harness: Terminal, priced: Project, server: FakeOpenAI
    ) -> None:
        ended = harness("run", "triage", "--variant", "local", "--estimate")
        assert ended.code == 0
        assert "triage local@fake" in ended.out
        assert "20 calls: at most $0." in ended.out
        assert "retries" in ended.out
        assert server.chats == []

    def test_saved_run_gives_the_expected_cost(self, harness: Terminal, priced: Project, server: FakeOpenAI) -> None:
        harness("run", "triage", "--variant", "local")
        assert "20 calls: about $0." in harness("run", "triage", "--variant", "local", "--estimate").out


class TestSums:
    HOSTED = '[backends.big]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'
    NEW = '[backends.new]\nprovider = "openai"\nmodel = "not-yet-out"\nvariant = "gpt"\n'

    def test_partial_sum_names_the_number_of_cells(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.HOSTED + self.NEW)
        save(project, made("triage", "gpt", "big", 10, tokens=(300, 3)))
        ended = harness("run", "-b", "big", "-b", "new", "--variant", "gpt", "--estimate")
        assert re.search(
            r"^8 calls: about \$0\.00\d+ for 1 of 2 cells, at most \$0\.0\d+ for 1 of 2 cells$", ended.out, re.MULTILINE
        )
        assert "triage gpt@new: " in ended.out
        assert "[prices]" in ended.out

    def test_unknown_cost_is_not_zero(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.NEW)
        ended = harness("run", "-b", "new", "--variant", "gpt", "--estimate")
        assert "4 calls: cost unknown\n" in ended.out
        assert "$" not in ended.out

    def test_local_server_is_in_no_sum(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.HOSTED)
        alone = harness("run", "-b", "fake", "--variant", "local", "--estimate").out
        assert "4 calls: no API cost" in alone
        both = harness("run", "-b", "fake", "-b", "big", "--variant", "gpt", "--estimate").out
        assert re.search(r"^8 calls: at most \$0\.0\d+$", both, re.MULTILINE)
        assert 'no "about" for 1 cell' in both

    def test_unknown_tokenizer_counts_one_token_per_byte(self, harness: Terminal, project: Project) -> None:
        priced = 'base_url = "http://127.0.0.1:9/v1"\nprompt_usd = 1.0\ncompletion_usd = 2.0\n'
        project.config(CONFIG + self.HOSTED.replace("gpt-4o", "mistral") + priced)
        ended = harness("run", "-b", "big", "--variant", "gpt", "--estimate")
        assert "one token per byte" in ended.out

    def test_backend_without_max_tokens_has_no_upper_bound(self, harness: Terminal, project: Project) -> None:
        project.config(CONFIG + self.HOSTED + 'omit = ["max_tokens"]\n')
        ended = harness("run", "-b", "big", "--variant", "gpt", "--estimate")
        assert 'triage gpt@big: no "at most"' in ended.out
        assert "max_tokens" in ended.out

    @pytest.mark.parametrize("width", ["60", "80", "100", "140"])
    def test_narrow_terminal_cuts_no_figure(
        self, harness: Terminal, project: Project, monkeypatch: pytest.MonkeyPatch, width: str
    ) -> None:
        project.config(CONFIG + self.HOSTED.replace("backends.big", "backends.a-rather-long-name-of-a-backend"))
        shown = []
        for columns in ("200", width):
            monkeypatch.setenv("COLUMNS", columns)
            shown.append(figures(harness("run", "--variant", "gpt", "--estimate").out))
        assert shown[0] <= shown[1]
