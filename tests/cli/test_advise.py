"""`harness advise`."""

from __future__ import annotations

import json
from html import unescape

import pytest

from harness.store.runs import open_store

from ..support.cli import Terminal
from ..support.field_report import field_report, runs
from ..support.project import Project


@pytest.fixture
def team(project: Project) -> Project:
    """The field report's project with its runs in the store."""
    field_report(project)
    store = open_store(project.load().store_url)
    runs(store, n=150, lost=0)
    store.close()
    return project


def test_advise_prints_decisions_and_writes_routes(harness: Terminal, team: Project) -> None:
    ended = harness("advise")
    assert ended.code == 0
    assert "MOVE         ticket_triage" in ended.out
    assert "STAY         agent" in ended.out
    assert "tool calls" in ended.out
    assert "$176.97 today, $122.95 as advised" in ended.out
    assert "[tasks.ticket_triage]" in (team.root / "routing.toml").read_text(encoding="utf-8")


def test_format_litellm_writes_only_litellm_yaml(harness: Terminal, team: Project) -> None:
    ended = harness("advise", "--format", "litellm", "--to", str(team.root / "proxy.yaml"))
    assert ended.code == 0
    assert "model_list:" in (team.root / "proxy.yaml").read_text(encoding="utf-8")
    assert not (team.root / "routing.toml").exists()


def test_html_report_has_the_figures_of_the_advice(harness: Terminal, team: Project) -> None:
    ended = harness("advise", "ticket_triage", "invoice_fields", "-o", "advice.html")
    assert ended.code == 0
    page = (team.root / "advice.html").read_text(encoding="utf-8")
    for figure in (
        "$102.00",
        "$85.00",
        "ticket_triage-gpt-gpt-4o-free-0-None",
        "openai/gpt-4o",
        "300.0 prompt and 5.0 reply tokens",
    ):
        assert figure in page
    assert page.count("USD a month: today $102.00") == 3  # the cost chart, at the top and for each eval


def test_json_and_markdown_have_cost_and_decisions(harness: Terminal, team: Project) -> None:
    assert harness("advise", "-o", "advice.json", "-o", "advice.md").code == 0
    written = json.loads((team.root / "advice.json").read_text(encoding="utf-8"))
    assert {each["eval"]: each["decision"] for each in written["advice"]["evals"]}["ticket_triage"] == "MOVE"
    assert written["advice"]["bill"]["today"]["usd"] == pytest.approx(176.97)
    assert written["evals"][0]["cells"][0]["cost"]["price"]["source"].startswith("genai-prices")
    text = unescape((team.root / "advice.md").read_text(encoding="utf-8"))
    assert "| $176.97 | today |" in text
    assert "- **MOVE** ticket_triage" in text


def test_invalid_routing_toml_is_not_overwritten(harness: Terminal, team: Project) -> None:
    path = team.write("routing.toml", "[tiers]\nlocall = 'mistral-vllm'\n")
    ended = harness("advise")
    assert ended.code == 2
    assert "routing.toml:2" in ended.err
    assert "locall" in path.read_text(encoding="utf-8")
