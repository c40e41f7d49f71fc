"""`harness history`, and the trends of saved runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from harness import api
from harness.analysis.metrics.summary import summarize
from harness.core.errors import StoreError
from harness.core.ids import now
from harness.core.types import Result, Run
from harness.report.rate_text import rate_text
from harness.store import tallies, traffic
from harness.store.runs import Store, open_store
from harness.store.traffic import RoutedCall

from ..report.fakes import fake_case, fake_error, fake_result, fake_run, small_run
from ..report.test_columns import figures
from ..support.cli import Terminal
from ..support.project import Project, row
from ..support.running import cases
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply
from ..support.snapshot import Snapshot


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory."""
    opened = open_store("sqlite://")
    yield opened
    opened.close()


def save_run(store: Store, day: int, run: Run | None = None, **more: object) -> Run:
    """Save a run of that day in November."""
    stamp = f"2026-11-{day:02}T10:00:00"
    defaults = {"run_id": f"r{day}", "started_at": stamp, "finished_at": stamp, "notes": ()}
    made = run or fake_run(30, "local", "q4", **(defaults | more))
    store.add(made)
    return made


def repeated() -> list[Result]:
    """Three cases with two replies each, one of them a failed call; and a case without expected answer."""
    results = []
    for i in range(3):
        case = fake_case(i)
        reading = ("billing", "billing") if i else (None, "billing")
        second = fake_result(case, "y", ("technical", "technical")) if i < 2 else fake_error(case)
        results += [fake_result(case, "x", reading), replace(second, repeat=1)]
    context = replace(fake_result(fake_case(9, expected=None), "z"), score=None)
    return [*results, context]


def test_trend_rates_equal_report_rates(store: Store) -> None:
    runs = [save_run(store, 1, errors=4), save_run(store, 2, small_run(repeated(), "local", "q4", run_id="r2"))]
    (trend,) = api.trends(store)
    by_id = {point.manifest.run_id: point for point in trend.points}
    for run in runs:
        summary, point = summarize(run.results), by_id[run.manifest.run_id]
        rates = (point.strict, point.lenient, point.compliance, point.n_errors)
        assert rates == (
            summary.accuracy.strict, summary.accuracy.lenient, summary.accuracy.compliance, summary.n_errors,
        )  # fmt: skip


def test_tallies_are_counted_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save_run(store, 1)
    before = api.trends(store)
    monkeypatch.setattr(tallies, "_count", lambda *_: pytest.fail("counted again"))
    assert api.trends(store) == before


def test_resumed_run_is_counted_again(store: Store) -> None:
    run = save_run(store, 1, errors=4)
    assert api.trends(store)[0].points[0].n_errors == 4
    case = run.results[-1].case
    store.save("r1", [fake_result(case, "billing", ("billing", "billing"))])
    store.finish(replace(run.manifest, finished_at="2026-11-02T10:00:00"))
    assert api.trends(store)[0].points[0].n_errors == 3


def test_deleted_tallies_are_counted_again(store: Store) -> None:
    save_run(store, 1)
    before = api.trends(store)
    with store.connection(writing=True) as connection:
        connection.execute(sa.text("DELETE FROM tallies"))
    assert api.trends(store) == before


def test_read_only_store_has_trends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save_run(store, 1)
    reading = store.connection

    def read_only(*, writing: bool = False) -> AbstractContextManager[sa.Connection]:
        if writing:
            msg = "attempt to write a readonly database"
            raise StoreError(msg)
        return reading()

    monkeypatch.setattr(store, "connection", read_only)
    assert len(api.trends(store)[0].points) == 1


def test_cell_and_tag_filter_runs(store: Store) -> None:
    save_run(store, 1, tags=("weekly",))
    save_run(store, 2)
    assert [len(t.points) for t in api.trends(store, "ticket_triage", cell="local@q4")] == [2]
    assert [p.manifest.run_id for t in api.trends(store, tag="weekly") for p in t.points] == ["r1"]
    assert api.trends(store, cell="local@q9") == ()


def make_runs(harness: Terminal, served: Project, server: FakeOpenAI, *wrong: int) -> None:
    """Make one run per number of wrong answers, over 30 cases. Every second run has a new prompt."""
    cases(served, 30)
    for number, count in enumerate(wrong):
        server.answer = lambda asked, count=count: Reply("general" if _ticket_number(asked) < count else "billing")
        served.prompt(local=f"{{% user %}}v{number // 2} {{{{ labels[0] }}}} {{{{ text }}}}{{% enduser %}}")
        harness("run", "--variant", "local", "--no-cache")


def _ticket_number(asked: ReceivedRequest) -> int:
    digits = asked.prompt.rpartition("ticket ")[2]
    return int(digits) if digits.isdigit() else 99


def test_trend_has_sparkline_verdict_and_last_change(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    make_runs(harness, served, server, 0, 0, 10)
    harness("run", "--variant", "local", "--limit", "2")
    ended = harness("history", "triage")
    assert ended.code == 0, ended.err
    assert "██▃  66.7% (49–81) strict accuracy of 30 cases" in ended.out
    text = " ".join(ended.out.split())
    assert re.search(r"REGRESSED .*33\.3 points", text)
    assert "changed last prompt (prompt_hash: " in text
    assert "1 run not in a trend" in ended.out
    assert "\x1b" not in ended.out
    assert "2 runs, " in harness("history", "triage", "-n", "2").out


def test_history_screens(harness: Terminal, project: Project, snapshot: Snapshot) -> None:
    store = open_store(project.load().store_url)
    save_run(store, 1, eval="triage", tags=("weekly",))
    save_run(store, 8, eval="triage", errors=4)
    traffic.append(store, [RoutedCall(now(), "triage", backend="fake", latency_s=0.25, compliant=True, usd=0.5)])
    store.close()
    snapshot("history", harness("history").out)
    snapshot("history_of_an_eval", harness("history", "triage").out)


def test_trend_of_one_run_has_no_comparison(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local")
    out = harness("history", "triage").out
    assert "1 run, " in out
    assert "no change" in out
    assert "since" not in out


def test_sparkline_is_ascii_if_the_encoding_needs_it(
    harness: Terminal, served: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli import history as command

    class Latin:
        encoding = "latin-1"

    monkeypatch.setattr("sys.stdout", Latin())
    assert command._blocks() == "_.-~=+*#"


def test_empty_result_names_the_filters(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local")
    assert "no runs of 'triage', cell 'local@x'" in harness("history", "triage", "--cell", "local@x").out
    assert "no runs of tag 'weekly'" in harness("history", "--tag", "weekly").out
    assert "triage" in harness("history", "--cell", "local@fake").out


def test_rescored_runs_are_marked(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local", "-o", "x.jsonl")
    run_id = json.loads((served.root / "x.jsonl").read_text().splitlines()[0])["run_id"]
    harness("rescore", run_id)
    out = harness("history", "triage").out
    assert "2 runs, " in out
    assert "rescored" in out


def test_report_shows_the_trend_from_three_runs_on(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    served.cases([row(f"c-{i}", f"ticket {i}", split="test") for i in range(5)])
    for number in range(1, 4):
        harness("run", "--variant", "local", "--no-cache")
        assert harness("report", "triage", "-o", "x.html").code == 0
        assert ("From run to run" in (served.root / "x.html").read_text()) is (number == 3)


@pytest.mark.parametrize("width", ["60", "80", "100", "140"])
def test_narrow_terminal_cuts_no_figure_or_name(
    harness: Terminal, project: Project, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    kept = open_store(project.load().store_url)
    names = {"run_id": "20261124-231500-3f2a", "eval": "ticket_triage", "prompt": "ticket_triage/v1"}
    save_run(kept, 1, fake_run(1234, "local", "mistral", **names))
    call = RoutedCall(now(), "ticket_triage", backend="mistral", latency_s=0.25, compliant=True, usd=1234.5678)
    broken = replace(call, backend="gpt", fallback="breaker_open")
    traffic.append(kept, [call] * 3 + [broken] * 197 + [replace(broken, fallback="connection")] * 3)
    kept.close()
    monkeypatch.setenv("COLUMNS", "200")
    wide = harness("history").out
    monkeypatch.setenv("COLUMNS", width)
    narrow = harness("history").out
    assert {"1,234", "98.5%", "3,703.7034"} <= figures(wide) <= figures(narrow)
    words = narrow.replace("ticket_\n", "").split()
    assert "20261124-231500-3f2a" in words
    for broken_name in ("ticket_tri", "age", "local@mis", "tral", "breaker_o", "connectio"):
        assert broken_name not in words


def test_every_run_has_its_scores(harness: Terminal, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    opened = open_store(project.load().store_url)
    whole = fake_run(40, "local", "q4", run_id="r1", eval="triage", started_at="2026-11-01T10:00:00")
    fingerprint = {**whole.manifest.fingerprint, "model_digest": "sha256:0123456789abcdef"}
    opened.add(replace(whole, manifest=replace(whole.manifest, fingerprint=fingerprint)))
    sample = fake_run(5, "gpt", "q4", run_id="r2", eval="triage", limit=5, errors=1, started_at="2026-11-02T10:00:00")
    opened.add(sample)
    opened.begin(replace(whole.manifest, run_id="r3", finished_at=None), plan_key="p", model_key="m")
    opened.close()
    accuracy = summarize(whole.results).accuracy
    lines = {line.split()[0]: line for line in harness("history").out.splitlines() if line}
    scores = f"{rate_text(accuracy.strict)}  {accuracy.compliance.value:>6.1%}  40  Q8_0 01234567 "
    assert scores in lines["r1"]
    assert lines["r1"].split()[1] == "2026-11-01"
    assert lines["r2"].rstrip().endswith("1  finished")
    assert "not finished: --resume" in lines["r3"]
    trend = harness("history", "triage").out
    assert re.search(rf"2026-11-01  r1   *{re.escape(rate_text(accuracy.strict))}", trend)


def test_trend_lists_the_scores_of_the_newest_runs(
    harness: Terminal, served: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    make_runs(harness, served, server, 0, 0, 10)
    out = harness("history", "triage").out
    rates = re.findall(r"^  \d{4}-\d\d-\d\d  \S+ +(\S+) \(", out, flags=re.MULTILINE)
    assert rates == ["66.7%", "100.0%", "100.0%"]
    assert len(re.findall(r"^  \d{4}-", harness("history", "triage", "-n", "1").out, flags=re.MULTILINE)) == 1


def test_history_lists_runs_newest_first(harness: Terminal, served: Project) -> None:
    assert "no runs yet" in harness("history").out
    harness("run")
    lines = harness("history").out.splitlines()
    assert [("gpt@fake" in line, "local@fake" in line) for line in lines[1:3]] == [(False, True), (True, False)]


def test_unknown_eval_is_an_error_but_an_unrun_eval_is_not(harness: Terminal, served: Project) -> None:
    ended = harness("history", "triage")
    assert (ended.code, "no runs of 'triage'" in ended.out) == (0, True)
    ended = harness("history", "triag")
    assert (ended.code, "did you mean 'triage'?" in ended.err) == (2, True)
