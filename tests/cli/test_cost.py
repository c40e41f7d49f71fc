"""`harness cost`."""

from __future__ import annotations

import pytest

from harness.core.types import Run
from harness.store.runs import open_store

from ..report.test_columns import figures
from ..support.cli import Terminal
from ..support.field_report import field_report, made, runs
from ..support.project import CONFIG, Project


@pytest.fixture
def team(project: Project) -> Project:
    """The field report's project with its runs in the store."""
    field_report(project)
    store = open_store(project.load().store_url)
    runs(store, n=150, lost=0)
    store.close()
    return project


def save(project: Project, *made_: Run) -> None:
    store = open_store(project.load().store_url)
    for run in made_:
        store.add(run)
    store.close()


def on_an_api(project: Project, model: str = "gpt-4o-mini") -> None:
    """The field report's team, whose candidate is the smaller model of the same service."""
    field_report(project)
    text = (project.root / "harness.toml").read_text(encoding="utf-8")
    text = text.replace('candidate = "mistral-vllm"', 'candidate = "gpt-4o-mini"')
    project.config(text.replace('model = "gpt-4o-mini"', f'model = "{model}"'))


def test_cost_prints_rows_sums_and_sources(harness: Terminal, team: Project) -> None:
    ended = harness("cost")
    assert ended.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines() if line.strip()}
    assert lines["ticket_triage"] == ["2,000", "300+5", "$48.00", "$24.00", "server", "3,542"]
    assert lines["agent"] == ["200", "1,600+200", "$36.00", "$18.00", "server", "473"]
    assert "$176.97 a month  today" in ended.out
    assert "$122.95 a month  as advised: 4 evals on the candidate" in ended.out
    assert "prices: genai-prices " in ended.out
    assert "ticket_triage-gpt-gpt-4o" in ended.out


def test_cost_of_named_evals_only(harness: Terminal, team: Project) -> None:
    ended = harness("cost", "ticket_triage")
    assert "$48.00 a month  today" in ended.out
    assert "as advised: 0 evals on the candidate" in ended.out  # one server costs more than it saves


def test_cost_without_runs_lists_what_is_unknown(harness: Terminal, project: Project) -> None:
    field_report(project)
    ended = harness("cost")
    assert ended.code == 0
    assert "$0" not in ended.out.replace("$80.00", "")
    assert "        – a month  today\n" in ended.out
    assert "        – a month  everything on the candidate, whatever its quality\n" in ended.out
    assert "no saved run has token counts. Run `harness run`: agent, invoice_fields" in ended.out


def test_sums_name_the_number_of_evals_with_runs(harness: Terminal, project: Project) -> None:
    field_report(project)
    save(project, made("ticket_triage", "gpt", "gpt-4o", 150), made("ticket_triage", "local", "mistral-vllm", 150))
    ended = harness("cost")
    assert "at least $48.00 a month  today, of 1 of 6 evals\n" in ended.out
    assert "at least $24.00 a month  in batches (answers may take a day), of 1 of 6 evals\n" in ended.out
    assert "at least $48.00 a month  as advised: 0 evals on the candidate, of 1 of 6 evals\n" in ended.out
    assert "at least $85.00 a month  everything on the candidate, whatever its quality, of 1 of 6 evals\n" in ended.out


def test_eval_missing_from_one_sum_is_named(harness: Terminal, project: Project) -> None:
    field_report(project)
    save(project, made("ticket_triage", "gpt", "gpt-4o", 150))
    ended = harness("cost", "ticket_triage")
    assert "  $48.00 a month  today\n" in ended.out
    assert "at least $85.00 a month  everything on the candidate, whatever its quality\n" in ended.out
    assert "not in the candidate's sum: no run shows how much of a server it takes: ticket_triage" in (ended.out)


def test_candidate_api_without_runs_has_unknown_cost(harness: Terminal, project: Project) -> None:
    on_an_api(project)
    save(project, made("ticket_triage", "gpt", "gpt-4o", 150))
    ended = harness("cost", "ticket_triage")
    assert "       – a month  everything on the candidate, whatever its quality\n" in ended.out
    assert "no run on it has token counts: ticket_triage" in ended.out
    assert "server" not in ended.out


def test_model_without_price_is_in_no_sum(harness: Terminal, project: Project) -> None:
    field_report(project)
    text = (project.root / "harness.toml").read_text(encoding="utf-8")
    project.config(text.replace('model = "gpt-4o"\n', 'model = "gpt-9"\n'))
    save(project, made("ticket_triage", "gpt", "gpt-4o", 150))
    ended = harness("cost", "ticket_triage")
    assert "       – a month  today\n" in ended.out
    assert "Set [prices] in harness.toml: ticket_triage (gpt-4o)" in ended.out


def test_candidate_without_price_is_named_with_its_eval(harness: Terminal, project: Project) -> None:
    on_an_api(project, model="gpt-9")
    save(project, made("ticket_triage", "gpt", "gpt-4o", 150), made("ticket_triage", "gpt", "gpt-4o-mini", 150))
    ended = harness("cost", "ticket_triage")
    assert "Set [prices] in harness.toml: ticket_triage (gpt-4o-mini)" in ended.out


def test_sums_of_estimated_tokens_are_marked(harness: Terminal, project: Project) -> None:
    """Today's model was not run: the tokens are those of two calls of the candidate."""
    field_report(project)
    save(project, made("ticket_triage", "local", "mistral-vllm", 2, limit=2))
    ended = harness("cost", "ticket_triage")
    assert "~$48.00 a month  today\n" in ended.out
    assert "~$24.00 a month  in batches" in ended.out
    assert "tokens are from the nearest run: ticket_triage by local@mistral-vllm\n" in ended.out
    assert "treat as rough: ticket_triage 2 calls of local@mistral-vllm\n" in ended.out


def test_no_break_even_beyond_server_capacity(harness: Terminal, project: Project) -> None:
    """One call at a time, of 30 s: 960 a day at a peak of 3, and a server of its own pays from 3,542 on."""
    field_report(project)
    slow = made("ticket_triage", "local", "mistral-vllm", 40, latency_s=30.0, at_once=1)
    save(project, made("ticket_triage", "gpt", "gpt-4o", 40), slow)
    ended = harness("cost", "ticket_triage")
    (row,) = [line.split() for line in ended.out.splitlines() if line.startswith("ticket_triage ")]
    assert row[-1] == "none"
    assert "no break-even: even a full server costs more than its calls do now: ticket_triage 960\n" in ended.out


def test_evals_without_traffic_are_listed_without_a_table(harness: Terminal, project: Project) -> None:
    project.config(CONFIG + '[pair]\nreference = "fake"\ncandidate = "fake"\n')
    (line,) = harness("cost").out.splitlines()
    assert "[traffic] daily_calls" in line
    assert line.endswith(": triage")


def test_cost_needs_a_pair(harness: Terminal, project: Project) -> None:
    ended = harness("cost")
    assert ended.code == 2
    assert "needs [pair]" in ended.err


@pytest.mark.parametrize("width", ["60", "80", "100", "140"])
def test_narrow_terminal_cuts_no_figure_or_name(
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
