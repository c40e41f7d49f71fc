"""`harness weekly`, as a scheduler starts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import weekly
from harness.core.errors import Interrupted
from harness.core.types import Manifest
from harness.project.run_options import RunOptions
from harness.store.runs import open_store

from ..report.fakes import fake_manifest
from ..support.cli import CommandResult, Terminal
from ..support.project import CONFIG, Project
from ..support.running import cases
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply

FIRST, SECOND, THIRD = "2026-11-10", "2026-11-17", "2026-11-24"


@pytest.fixture
def week(
    harness: Terminal, served: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CommandResult]:
    """Runs one week in which the first `wrong` of 24 cases are answered wrongly, and the first `failing` not at all.

    The page is only drawn where a test asks for it (`html`): it takes longer than all the rest.
    """
    cases(served, 24)
    served.write("harness.toml", f"{(served.root / 'harness.toml').read_text()}[weekly]\nnoise_cases = 0\n")

    def run(day: str, *arguments: str, wrong: int = 0, failing: int = 0, html: bool = False) -> CommandResult:
        def answer(asked: ReceivedRequest) -> Reply:
            number = _number(asked)
            return Reply(status=400) if number < failing else Reply("general" if number < wrong else "billing")

        server.answer = answer
        with monkeypatch.context() as patched:
            if not html:
                patched.setattr("harness.report.write", lambda *_: None)
            return harness("weekly", "--date", day, "--no-cache", *arguments)

    return run


def _number(asked: ReceivedRequest) -> int:
    found = asked.prompt.partition("ticket ")[2].split()
    return int(found[0]) if found and found[0].isdigit() else 99


def manifests(served: Project) -> list[Manifest]:
    """The runs of the project, newest first."""
    store = open_store(served.load().store_url)
    try:
        return store.manifests()
    finally:
        store.close()


def test_a_first_week_writes_both_pages_and_tags_its_runs(week: Callable[..., CommandResult], served: Project) -> None:
    ended = week(FIRST, html=True)
    assert ended.code == 0, ended.err
    assert "triage local@fake: no week before this one to compare with" in ended.out
    for ending in (".html", ".md"):
        page = served.root / f"reports/weekly/{FIRST}{ending}"
        assert f"report: {page}" in ended.out
        assert page.is_file()
    (run,) = manifests(served)
    assert (run.cell, run.limit, run.tags) == ("local@fake", None, ("weekly", f"weekly-{FIRST}"))


def test_the_same_again_is_no_news(week: Callable[..., CommandResult]) -> None:
    week(FIRST)
    ended = week(SECOND)
    assert ended.code == 0, ended.out
    assert (
        f"noted     triage local@fake: against the week of {FIRST}: INCONCLUSIVE" in ended.out
    )  # 24 cases prove little


def test_answers_from_the_store_are_no_measurement_and_it_says_so(
    week: Callable[..., CommandResult], harness: Terminal
) -> None:
    week(FIRST)
    ended = harness("weekly", "--date", SECOND)
    assert "; every answer is from the store" in ended.out


def test_a_regression_ends_with_1_and_names_its_cases(week: Callable[..., CommandResult], served: Project) -> None:
    week(FIRST)
    ended = week(SECOND, wrong=12)
    assert ended.code == 1
    assert f"failed    triage local@fake: against the week of {FIRST}: REGRESSED" in ended.out
    assert "changed: nothing in the fingerprint; right → wrong: c-000, c-001" in ended.out
    page = (served.root / f"reports/weekly/{SECOND}.md").read_text()
    assert page.index("**failed**") < page.index("## triage") < page.index("| cell | strict accuracy |")


def test_what_was_changed_is_named(week: Callable[..., CommandResult], served: Project) -> None:
    week(FIRST)
    served.prompt(local="{% user %}{{ labels[0] }} ticket {{ text }}{% enduser %}")
    ended = week(SECOND, wrong=12)
    assert "; changed: prompt (prompt_hash: " in ended.out


def test_failed_calls_leave_it_undecided(week: Callable[..., CommandResult]) -> None:
    week(FIRST)
    ended = week(SECOND, failing=6)
    assert ended.code == 4
    assert "undecided triage local@fake: 6 of 24 calls failed (bad_request 6)" in ended.out
    assert ": INCONCLUSIVE: 6 calls failed, so the verdict is open: REGRESSED at worst" in ended.out
    assert "failed    " not in ended.out


def test_other_cases_cannot_be_compared(week: Callable[..., CommandResult], served: Project) -> None:
    week(FIRST)
    cases(served, 25)
    ended = week(SECOND)
    assert ended.code == 4
    assert "INCOMPARABLE: the runs cover different cases" in ended.out


def test_failed_gate_precedes_undecided_gate(week: Callable[..., CommandResult], served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.8\nmax_flips = 3\n")
    ended = week(FIRST, wrong=12)
    assert ended.code == 1
    assert "failed    triage local@fake: strict accuracy 50.0%" in ended.out
    assert "undecided triage local@fake: max_flips is undecided: there is no baseline" in ended.out
    assert week(SECOND).code == 4


def test_the_baseline_is_judged_where_there_is_one(week: Callable[..., CommandResult], harness: Terminal) -> None:
    week(FIRST)
    assert harness("baseline", "save", "triage").code == 0
    ended = week(SECOND)
    assert ended.code == 0, ended.out
    assert "noted     triage local@fake: against baseline: INCONCLUSIVE" in ended.out
    assert week(THIRD, wrong=12).out.count("\nfailed    triage local@fake: against ") == 2


def test_it_is_held_against_the_newest_week_before_this_one(
    week: Callable[..., CommandResult], harness: Terminal
) -> None:
    week(THIRD, wrong=12)
    week(FIRST)
    harness("run", "--variant", "local", "--no-cache")  # of no week
    assert f"against the week of {FIRST}: REGRESSED" in week(SECOND, wrong=12).out


def test_a_backend_that_was_there_last_week_is_missed(week: Callable[..., CommandResult], served: Project) -> None:
    other = CONFIG.replace("backends.fake", "backends.other").replace("127.0.0.1:9", "127.0.0.1:1")
    path = served.root / "harness.toml"
    whole = path.read_text()
    path.write_text(whole + whole.partition("[weekly]")[0].replace("backends.fake", "backends.twin"))
    assert week(FIRST).code == 0
    path.write_text(whole + other.replace("backends.other", "backends.twin"))
    ended = week(SECOND)
    assert ended.code == 4
    assert f"undecided triage local@twin: not run, as it was in the week of {FIRST}: " in ended.out
    path.write_text(whole + other)
    ended = week(THIRD)
    assert ended.code == 0
    assert "noted     triage local@other: not run: " in ended.out


def test_no_available_backend_is_a_configuration_error(harness: Terminal, project: Project) -> None:
    ended = harness("weekly")
    assert ended.code == 2
    assert "nothing was run" in ended.err


def test_the_pair_is_run_even_where_it_is_not_usual(served: Project) -> None:
    path = served.root / "harness.toml"
    one = path.read_text()
    rare = one.replace("backends.fake", "backends.rare") + "default = false\n"
    step = rare.replace("backends.rare", "backends.step")
    path.write_text(f'[pair]\nreference = "rare"\ncandidate = "fake"\n{one}{rare}{step}')
    store = open_store("sqlite://")
    planned = weekly.plan(served.with_store(store), weekly.date(2026, 11, 24), RunOptions())
    assert [cell.name for cell in planned.cells] == ["local@fake", "local@rare"]


def test_a_week_that_was_interrupted_is_gone_on_with(
    week: Callable[..., CommandResult], served: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = served.root / "harness.toml"
    whole = path.read_text()
    path.write_text(whole + whole.partition("[weekly]")[0].replace("backends.fake", "backends.twin"))
    week(FIRST)
    before = len(server.chats)
    week(FIRST, "--resume")
    assert len(server.chats) == before  # both are done already
    assert week(SECOND, failing=6).code == 4
    before = len(server.chats)
    ended = week(SECOND, "--resume")
    assert "calls failed" not in ended.out
    assert len(server.chats) == before + 2 * (6 + 1)  # of each backend a warm-up and what had failed
    assert len(manifests(served)) == 4

    def interrupt(*_: object) -> None:
        msg = "interrupted: 3 replies of this session are saved: to continue, add --resume"
        raise Interrupted(msg)

    monkeypatch.setattr("harness.runner.engine.run", interrupt)
    ended = week(THIRD)
    assert ended.code == 130
    assert f"harness weekly --date {THIRD} --resume" in ended.err


def test_a_step_on_github_gets_its_summary_and_annotations(
    week: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    week(FIRST)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ended = week(SECOND, wrong=12)
    (line,) = [line for line in ended.out.splitlines() if line.startswith("::")]
    assert line.startswith(
        f"::error title=Weekly evals {SECOND}::triage local@fake: against the week of {FIRST}: REGRESSED"
    )
    text = summary.read_text()
    assert text.startswith(f"before\n# Weekly evals {SECOND}: 1 failed")
    assert "| cell | strict accuracy |" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "such.md"))
    assert week(THIRD).code == 2


def test_elsewhere_there_are_no_annotations(week: Callable[..., CommandResult]) -> None:
    week(FIRST)
    assert "::" not in week(SECOND, wrong=12).out


def test_page_shows_the_trend_from_the_third_week(
    week: Callable[..., CommandResult], harness: Terminal, served: Project
) -> None:
    for day in (FIRST, SECOND, THIRD):
        week(day, html=True)
        harness("run", "--variant", "local")  # of no week, so not in its trend
        page = (served.root / f"reports/weekly/{day}.html").read_text()
        assert ("From run to run" in page) is (day == THIRD)
    assert "3 runs, newest first" in page
    assert page.index(f"the week of {SECOND}") < page.index("From run to run")  # the verdict is on the first screen
    assert "<b>INCONCLUSIVE</b> against " in page


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "24.11.2026"])
def test_invalid_date_is_rejected(harness: Terminal, served: Project, day: str) -> None:
    ended = harness("weekly", "--date", day)
    assert ended.code == 2


def test_run_tagged_weekly_by_hand_belongs_to_its_start_day() -> None:
    assert weekly.week_of(fake_manifest(tags=("weekly",), started_at="2026-11-20T03:00:00+00:00")) == "2026-11-20"
    assert weekly.week_of(fake_manifest(tags=("weekly", "weekly-2026-11-17"))) == "2026-11-17"
