"""`harness cost` and `harness advise`, as a user types them."""

from __future__ import annotations

import pytest

from harness.store import open_store

from .report.test_columns import figures
from .support.cli import Terminal
from .support.field_report import field_report, runs
from .support.project import Project


@pytest.fixture
def team(project: Project) -> Project:
    """The field report's project with its runs in the store."""
    field_report(project)
    store = open_store(project.load().store_url)
    runs(store, n=150, lost=0)
    store.close()
    return project


def test_cost_tells_the_bill_and_what_it_stands_on(harness: Terminal, team: Project) -> None:
    ended = harness("cost")
    assert ended.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines() if line.strip()}
    assert lines["ticket_triage"] == ["2,000", "300+5", "$48.00", "$24.00", "server", "3,542"]
    assert lines["agent"] == ["200", "1,600+200", "$36.00", "$18.00", "server", "473"]
    assert "$176.97 a month  today" in ended.out
    assert "$122.95 a month  as advised: 4 evals on the candidate" in ended.out
    assert "prices: genai-prices " in ended.out
    assert "ticket_triage-gpt-gpt-4o" in ended.out


def test_cost_of_some_evals_is_theirs_alone(harness: Terminal, team: Project) -> None:
    ended = harness("cost", "ticket_triage")
    assert "$48.00 a month  today" in ended.out
    assert "as advised: 0 evals on the candidate" in ended.out  # one server costs more than it saves


def test_cost_without_runs_says_what_it_does_not_know(harness: Terminal, project: Project) -> None:
    field_report(project)
    ended = harness("cost")
    assert ended.code == 0
    assert "$0 a month  today" in ended.out
    assert "in no sum, because nobody says or nothing tells what it costs: agent, invoice_fields" in ended.out


def test_cost_without_a_pair_is_refused(harness: Terminal, project: Project) -> None:
    ended = harness("cost")
    assert ended.code == 2
    assert "needs [pair]" in ended.err


def test_advise_tells_each_decision_and_writes_the_routes(harness: Terminal, team: Project) -> None:
    ended = harness("advise")
    assert ended.code == 0
    assert "MOVE         ticket_triage" in ended.out
    assert "KEEP         agent" in ended.out
    assert "  - a chain of tool calls stays" in ended.out
    assert "the bill: $176.97 a month today, $122.95 as advised" in ended.out
    assert "[tasks.ticket_triage]" in (team.root / "routing.toml").read_text(encoding="utf-8")


def test_advise_writes_for_litellm_where_it_is_told_to(harness: Terminal, team: Project) -> None:
    ended = harness("advise", "--format", "litellm", "--to", str(team.root / "proxy.yaml"))
    assert ended.code == 0
    assert "model_list:" in (team.root / "proxy.yaml").read_text(encoding="utf-8")
    assert not (team.root / "routing.toml").exists()


def test_advise_writes_a_page_in_which_its_figures_are_found_again(harness: Terminal, team: Project) -> None:
    ended = harness("advise", "ticket_triage", "invoice_fields", "-o", "advice.html")
    assert ended.code == 0
    page = (team.root / "advice.html").read_text(encoding="utf-8")
    for figure in ("$102.00", "$85.00", "ticket_triage-gpt-gpt-4o-free-0-None", "openai/gpt-4o", "300.0 tokens in"):
        assert figure in page
    assert page.count("USD a month: today $102.00") == 3  # the picture of the bill, at the top and for each eval


def test_a_routing_file_that_cannot_be_read_is_not_written_over(harness: Terminal, team: Project) -> None:
    path = team.write("routing.toml", "[tiers]\nlocall = 'mistral-vllm'\n")
    ended = harness("advise")
    assert ended.code == 2
    assert "routing.toml:2" in ended.err
    assert "locall" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", ["60", "80", "100", "140"])
def test_no_figure_of_the_bill_is_cut_and_no_name_is_broken_however_narrow_the_terminal(
    harness: Terminal, team: Project, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    (team.root / "evals" / "moderation.toml").rename(team.root / "evals" / "comment_moderation.toml")
    monkeypatch.setenv("COLUMNS", "200")
    wide = harness("cost").out
    monkeypatch.setenv("COLUMNS", width)
    narrow = harness("cost").out
    assert {"3,542", "1,600+200", "$48.00"} <= figures(wide) <= figures(narrow)
    for name in ("comment_moderation", "ticket_triage"):
        first, second = name.split("_")
        assert name in narrow.split() or {f"{first}_", second} <= set(narrow.split())
