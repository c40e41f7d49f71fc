"""`harness judge SHEET`: a judge's verdicts on logged replies, which reviews combine with people's labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.core.errors import Interrupted
from harness.core.types import Case, Reading, Response, Result
from harness.monitor import sheets, traffic_judge, weekly_findings
from harness.project.run_options import RunOptions
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.plan import Cell
from harness.store import traffic, verdicts
from harness.store.traffic import RoutedCall

from ..support.cli import Terminal
from ..support.project import LABELS, Project
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply, error
from .logged import call, log, opened
from .test_review import keep_baseline

DRAW = ("sample", "--until", "2026-11-25", "--per-task", "60", "--seed", "3", "-o", "reviews/now")
N = 200


def logged(wrong: int = 20, n: int = N) -> list[RoutedCall]:
    """Return calls whose inputs name the right label; the values of `wrong` calls differ from it."""
    calls = []
    for i in range(n):
        right = LABELS[i % 3]
        value = LABELS[(i + 1) % 3] if i * wrong // n != (i + 1) * wrong // n else right
        calls.append(call(value, days_ago=1 + i / 50, inputs={"text": f"ticket {i} about {right}"}))
    return calls


def right_label(asked: ReceivedRequest) -> Reply:
    """Return the label that the ticket names."""
    found = re.search(r"about (\w+)", asked.prompt)
    return Reply(found[1] if found else "hm")


@pytest.fixture
def judged(served: Project, server: FakeOpenAI) -> Project:
    """A project with a second backend, `judge`, that finds the right label of every ticket, and with logged calls."""
    text = (served.root / "harness.toml").read_text()
    served.config(text + "\n" + text.replace("backends.fake", "backends.judge"))
    server.answer = right_label
    log(served, logged())
    return served


def label(project: Project) -> Path:
    """Fill in the right labels in the drawn CSV."""
    with (project.root / "reviews/now.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = re.search(r"about (\w+)", row["input"])[1]  # type: ignore[index]
    path = project.root / "anna.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def sheet_of(project: Project) -> str:
    with opened(project) as store:
        return sheets.names(store)[0]


@pytest.fixture
def labelled(harness: Terminal, judged: Project) -> str:
    """Sample 60 replies and import their labels; return the name of the sheet."""
    keep_baseline(judged, 270)
    assert harness(*DRAW).code == 0
    assert harness("review", "import", str(label(judged))).code == 0
    return sheet_of(judged)


def test_labels_are_worth_more_with_a_judge(harness: Terminal, judged: Project, labelled: str) -> None:
    before = " ".join(harness("review", "show").out.split())
    ended = harness("judge", labelled, "--backend", "judge")
    assert ended.code == 0, ended.err
    assert f"triage by triage/v1 local@judge: {N} replies to judge" in ended.out
    assert f"{N} calls: no API cost" in ended.out
    assert f"({labelled})" in ended.err, "no run is kept"
    after = " ".join(harness("review", "show").out.split())
    assert "of 60 labelled replies" in before
    found = re.search(r"89\.\d% \(\d\d–\d\d\), 60 labels and the judge's verdict on 200 replies, worth (\d+)", after)
    assert found
    assert int(found[1]) > 100
    assert "labels, against baseline of 2026-11-01" in after
    assert "judge triage/v1 local@judge agrees with 60 of 60 labels" in after


def test_weekly_findings_show_what_the_labels_are_worth(harness: Terminal, judged: Project, labelled: str) -> None:
    harness("judge", labelled, "--backend", "judge")
    with opened(judged) as store:
        last = weekly_findings.weekly_findings(judged.with_store(store), date(2026, 11, 25))[-1]
    assert "60 labels and the judge's verdict on 200 replies, worth" in last.text


def test_a_useless_judge_changes_nothing(harness: Terminal, judged: Project, labelled: str, server: FakeOpenAI) -> None:
    before = harness("review", "show").out
    server.answer = lambda _: Reply("billing")
    harness("judge", labelled, "--backend", "judge")
    after = harness("review", "show").out
    assert re.findall(r"\d+\.\d% \(.*?\)", after) == re.findall(r"\d+\.\d% \(.*?\)", before)
    assert "(the judge adds nothing)" in " ".join(after.split())


def test_estimate_sends_no_request(harness: Terminal, judged: Project, labelled: str, server: FakeOpenAI) -> None:
    ended = harness("judge", labelled, "--backend", "judge", "--estimate")
    assert (ended.code, chats(server)) == (0, [])
    assert "triage local@judge" in ended.out


def test_the_same_command_sends_only_what_is_missing(
    harness: Terminal, judged: Project, labelled: str, server: FakeOpenAI
) -> None:
    server.answer = lambda asked: error(400) if "ticket 19" in asked.prompt else right_label(asked)
    first = harness("judge", labelled, "--backend", "judge")
    failed = sum("ticket 19" in f"ticket {i}" for i in range(N))
    assert first.code == 4
    assert f"{failed} requests failed: run the same command again" in first.out
    server.answer, sent = right_label, len(chats(server))
    second = harness("judge", labelled, "--backend", "judge")
    assert second.code == 0
    assert f"{failed} replies to judge; {N - failed} judged before" in second.out
    assert len(chats(server)) - sent == failed + 1, "and one warm-up"
    harness("judge", labelled, "--backend", "judge")
    with opened(judged) as store:
        assert sum(each.judged for each in verdicts.totals(store, labelled).values()) == N


def chats(server: FakeOpenAI) -> list[ReceivedRequest]:
    return [each for each in server.received if each.path.endswith("/chat/completions")]


def test_a_failing_judge_names_the_command_to_repeat(
    harness: Terminal, judged: Project, labelled: str, server: FakeOpenAI
) -> None:
    config = (judged.root / "harness.toml").read_text()
    judged.config(config + "concurrency = 1\n")
    server.answer = lambda asked: right_label(asked) if len(chats(server)) < 50 else error(400)
    ended = harness("judge", labelled, "--backend", "judge")
    assert ended.code == 2
    assert "failed calls in a row" in ended.err
    assert "run the same command again" in ended.err
    assert "--resume" not in ended.err


def test_another_judge_replaces_the_verdicts(harness: Terminal, judged: Project, labelled: str) -> None:
    harness("judge", labelled, "--backend", "judge")
    harness("judge", labelled, "--backend", "judge", "--variant", "gpt")
    with opened(judged) as store:
        totals = verdicts.totals(store, labelled).values()
    assert {each.judge for each in totals} == {"triage/v1 gpt@judge"}
    assert sum(each.judged for each in totals) == N


def test_texts_stay_in_the_log_and_its_retention_holds(harness: Terminal, judged: Project, labelled: str) -> None:
    harness("judge", labelled, "--backend", "judge")
    shown = harness("review", "show").out
    with opened(judged) as store:
        assert traffic.prune(store, "2027") == N
        assert not store.manifests()
        with store.connection() as connection:
            for table in ("cases", "results"):
                assert connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0
    assert harness("review", "show").out == shown


def test_replies_without_texts_or_value_send_no_request(harness: Terminal, judged: Project) -> None:
    log(judged, [call("billing", inputs=None, reply=None), call(None), call(None)])
    harness(*DRAW)
    ended = harness("judge", sheet_of(judged), "--backend", "judge")
    out = " ".join(ended.out.split())
    assert f"{N} replies to judge; 2 without a clear answer, which are wrong; 1 cannot be judged" in out


def test_a_judge_does_not_judge_its_own_replies(harness: Terminal, judged: Project) -> None:
    harness(*DRAW)
    ended = harness("judge", sheet_of(judged), "--backend", "fake")
    assert ended.code == 2
    assert "the judge must be another backend" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_budget_stops_and_the_same_command_continues(
    harness: Terminal, judged: Project, labelled: str, server: FakeOpenAI
) -> None:
    config = (judged.root / "harness.toml").read_text()
    judged.config(config + "prompt_usd = 1.0\ncompletion_usd = 10.0\nconcurrency = 1\n")
    stopped = harness("judge", labelled, "--backend", "judge", "--budget", "0.004")
    assert stopped.code == 3
    assert "$" in stopped.out, "the cost is printed before the first request"
    found = re.search(r"(\d+) verdicts of this session saved: to continue, run the same command again", stopped.err)
    assert found
    assert 0 < int(found[1]) < N
    again = harness("judge", labelled, "--backend", "judge")
    assert f"{N - int(found[1])} replies to judge; {found[1]} judged before" in again.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("2026-w47-00000000", "--estimate"), "is not a sheet of"),
        (("SHEET", "-o", "x.json"), "--output is for runs"),
    ],
)
def test_options_that_do_not_fit_are_rejected(
    harness: Terminal, judged: Project, arguments: Sequence[str], problem: str
) -> None:
    harness(*DRAW)
    named = [sheet_of(judged) if each == "SHEET" else each for each in arguments]
    ended = harness("judge", *named, "--backend", "judge")
    assert ended.code == 2
    assert problem in ended.err


SUMMARIES = 'task = "summarization"\nprompt = "brief"\ndataset = "threads"\n'
JUDGE_EVAL = 'task = "classification"\nprompt = "verdict"\ndataset = "verdicts"\nlabels = ["good", "bad"]\n'


@pytest.fixture
def summaries(judged: Project, server: FakeOpenAI) -> Project:
    """Logged summaries, and a judge eval whose judge looks for one word."""
    judged.eval(name="brief", text=SUMMARIES)
    judged.eval(name="summary_judge", text=JUDGE_EVAL)
    judged.prompt("{% user %}{{ thread }}{% enduser %}", "{% user %}{{ thread }}{% enduser %}", name="brief")
    prompt = "{% user %}{{ labels }} {{ thread }} / {{ summary }}{% enduser %}"
    judged.prompt(prompt, prompt, name="verdict")
    judged.card(name="threads")
    judged.card(name="verdicts")
    judged.cases([{"id": "a", "inputs": {"thread": "It broke."}, "expected": {"summary": "Broken."}}], name="threads")
    judged.cases([{"id": "j", "inputs": {"thread": "x", "summary": "fine"}, "expected": "good"}], name="verdicts")
    server.answer = lambda asked: Reply("good" if "fine" in asked.prompt else "bad")
    texts = ["fine" if i % 4 else "poor" for i in range(40)]
    calls = [
        call(text, task="brief", days_ago=1 + i / 20, inputs={"thread": f"thread {i}"}) for i, text in enumerate(texts)
    ]
    log(judged, calls)
    return judged


def test_summaries_are_judged_by_the_judge_eval(harness: Terminal, summaries: Project) -> None:
    harness(*DRAW, "--task", "brief")
    ended = harness("judge", sheet_of(summaries), "--backend", "judge")
    assert ended.code == 0, ended.err
    with opened(summaries) as store:
        (total,) = verdicts.totals(store, sheet_of(summaries)).values()
    assert (total.judge, total.judged, total.accepted) == ("verdict/v1 local@judge", 40, 30)


def test_all_tasks_of_a_sheet_are_judged(harness: Terminal, summaries: Project) -> None:
    harness(*DRAW)
    ended = harness("judge", sheet_of(summaries), "--backend", "judge")
    assert ended.code == 0, ended.err
    assert f"{N + 40} calls: no API cost" in ended.out
    with opened(summaries) as store:
        totals = verdicts.totals(store, sheet_of(summaries))
    assert {task: sum(t.judged for s, t in totals.items() if s.task == task) for task in ("brief", "triage")} == {
        "brief": 40,
        "triage": N,
    }


def test_a_judge_that_needs_a_reference_is_an_error(harness: Terminal, summaries: Project) -> None:
    prompt = "{% user %}{{ thread }} {{ reference }} {{ summary }}{% enduser %}"
    summaries.prompt(prompt, prompt, name="verdict")
    rows = [{"id": "j", "inputs": {"thread": "x", "reference": "y", "summary": "fine"}, "expected": "good"}]
    summaries.cases(rows, name="verdicts")
    harness(*DRAW, "--task", "brief")
    ended = harness("judge", sheet_of(summaries), "--backend", "judge")
    assert ended.code == 2
    assert "name a judge with --eval" in ended.err


def test_the_sampled_replies_are_judged_first(harness: Terminal, judged: Project) -> None:
    harness(*DRAW)
    with opened(judged) as store:
        sheet = sheets.load(store, sheets.names(store)[0])
        options = RunOptions(backend=("judge",), own_variant_only=True, whole=True, every_backend=True)
        (planned,) = traffic_judge.plan(judged.with_store(store), sheet, options, "summary_judge")
    ids = [int(case.id) for case in planned.cell.cases]
    assert set(ids[:60]) == {item.call_id for item in sheet.items}
    assert ids[60:] != sorted(ids[60:])


def test_an_interrupt_keeps_the_verdicts_so_far(harness: Terminal, judged: Project) -> None:
    harness(*DRAW)
    with opened(judged) as store:
        project = judged.with_store(store)
        sheet = sheets.load(store, sheets.names(store)[0])
        options = RunOptions(backend=("judge",), own_variant_only=True, whole=True, every_backend=True)
        planned = traffic_judge.plan(project, sheet, options, "summary_judge")

        def interrupted(cells: Sequence[Cell], events: RunEvents) -> Outcome:
            events.answered(cells[0], [answer(case, "billing") for case in cells[0].cases[:7]])
            message = "interrupted: to continue, add --resume"
            raise Interrupted(message)

        with pytest.raises(Interrupted, match="7 verdicts of this session saved: to continue, run the same command"):
            traffic_judge.judge(planned, store, RunEvents(), interrupted)
        (again,) = traffic_judge.plan(project, sheet, options, "summary_judge")
        assert (again.n_before, len(again.calls)) == (7, N - 7)


def answer(case: Case, value: str) -> Result:
    return Result(case, Response(value), Reading(value, value, compliant=True), None, "key")
