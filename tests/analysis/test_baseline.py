"""Baselines: what each case came to, in a file made for git, and what is said when it is no longer that."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analysis import baseline
from harness.analysis.compare import CaseOutcome, ComparisonQuestion, RunOutcomes, Verdict, compare
from harness.core.errors import ConfigError
from harness.core.types import CallError, Request, Response
from harness.store.runs import open_store

from ..support.cli import Terminal
from ..support.project import LOCAL, Project
from ..support.running import Scripted, cases, execute
from ..support.servers import FakeOpenAI, Reply
from .compare.sides import made

TEXT = st.text(max_size=20)
NAME = st.text(min_size=1, max_size=20)


@st.composite
def outcomes(draw: st.DrawFn, case_id: str) -> CaseOutcome:
    """Any outcome that a run without errors can have."""
    asked = draw(st.integers(1, 5))
    strict, lenient, compliant = (draw(st.integers(0, asked)) for _ in range(3))
    texts = [draw(TEXT) for _ in range(4)]
    told = dict(zip(("digest", "answer", "said", "expected"), texts, strict=True))
    return CaseOutcome(
        case_id, asked=asked, strict=strict, lenient=lenient, compliant=compliant,
        tags=tuple(draw(st.lists(NAME, max_size=3))), **told,
    )  # fmt: skip


@st.composite
def sides(draw: st.DrawFn) -> RunOutcomes:
    """Any side of a run without errors, as far as a file keeps it."""
    ids = draw(st.lists(NAME, min_size=1, max_size=6, unique=True))
    head = {name: draw(NAME) for name in ("eval", "cell", "backend", "run_id", "started_at")}
    return RunOutcomes(
        name="baseline", fingerprint=draw(st.dictionaries(NAME, TEXT, max_size=4)), labels=tuple(draw(st.lists(NAME))),
        cases={i: draw(outcomes(i)) for i in ids}, **head,
    )  # fmt: skip


class TestFile:
    @settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(side=sides())
    def test_what_is_read_is_what_was_saved(self, side: RunOutcomes, tmp_path: Path) -> None:
        assert baseline.read(baseline.save(tmp_path, side)) == side
        assert baseline.load(tmp_path, side.eval, side.cell) == side

    def test_one_line_for_each_case_in_the_order_of_ids(self, tmp_path: Path) -> None:
        path = baseline.save(tmp_path, made("Rw" * 10))
        ids = [line.split('"')[3] for line in path.read_text().splitlines() if line.startswith('  {"id"')]
        assert ids == sorted(f"c{i}" for i in range(20))
        assert path.relative_to(tmp_path) == Path("evals/baselines/triage.local@q8.json")

    def test_the_same_run_makes_the_same_file_and_one_other_answer_changes_one_line(self, tmp_path: Path) -> None:
        first = baseline.save(tmp_path, made("RRRR")).read_text()
        assert (
            baseline.save(tmp_path, replace(made("RRRR"), cases=dict(reversed(made("RRRR").cases.items())))).read_text()
            == first
        )
        second = baseline.save(tmp_path, made("RRwR")).read_text()
        differing = [b for a, b in zip(first.splitlines(), second.splitlines(), strict=True) if a != b]
        assert [json.loads(line.rstrip(","))["id"] for line in differing] == ["c2"]

    def test_it_holds_no_reply_unless_asked(self, tmp_path: Path) -> None:
        side = made("Rw")
        assert "reply" not in baseline.save(tmp_path, side).read_text()
        assert baseline.replies(tmp_path, side) == {}
        path = baseline.save(tmp_path, side, {"c0": "x" * 5000, "c1": "The category\nis…", "gone": "not of this run"})
        assert baseline.replies(tmp_path, side) == {"c0": "x" * 2000, "c1": "The category\nis…"}
        assert len(path.read_text().splitlines()) == len(baseline.save(tmp_path, side).read_text().splitlines())
        assert baseline.read(path).cases == side.cases

    def test_names_that_are_no_file_names_stay_inside_the_folder(self, tmp_path: Path) -> None:
        path = baseline.save(tmp_path, replace(made("R"), eval="../x", cell="a/b@c:d+constrained"))
        assert path == tmp_path / "evals/baselines/.._x.a_b@c_d+constrained.json"

    def test_two_cells_whose_file_names_are_one_are_not_taken_for_each_other(self, tmp_path: Path) -> None:
        baseline.save(tmp_path, replace(made("R"), cell="local@a b"))
        with pytest.raises(ConfigError, match="is the baseline of triage local@a b, not of triage local@a_b"):
            baseline.load(tmp_path, "triage", "local@a_b")

    def test_where_there_is_none_there_is_none(self, tmp_path: Path) -> None:
        assert baseline.load(tmp_path, "triage", "local@q8") is None
        assert baseline.find(tmp_path) == []

    def test_those_of_one_eval_are_found(self, tmp_path: Path) -> None:
        for side in (made("R", "b@x"), made("R", "a@x"), replace(made("R"), eval="other")):
            baseline.save(tmp_path, side)
        assert [side.cell for side in baseline.find(tmp_path, "triage")] == ["a@x", "b@x"]
        assert len(baseline.find(tmp_path)) == 3

    def test_compared_with_the_run_it_is_of_nothing_has_changed(self, tmp_path: Path) -> None:
        side = made("R" * 200 + "w" * 20)
        found = compare(baseline.read(baseline.save(tmp_path, side)), side, ComparisonQuestion("change", 0.03))
        assert (found.verdict, found.flips, found.changed) == (Verdict.OK, (), ())


class TestRefused:
    @pytest.mark.parametrize(
        ("side", "message"),
        [
            (made("RRE"), "1 calls failed, so it is no baseline: run again with --resume"),
            (made(""), "no case was judged, so it is no baseline"),
        ],
    )
    def test_a_run_that_is_none_to_go_by(self, tmp_path: Path, side: RunOutcomes, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            baseline.save(tmp_path, side)
        assert not (tmp_path / "evals").exists()

    def test_a_folder_that_takes_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "evals").write_text("a file")
        with pytest.raises(ConfigError, match=r"triage\.local@q8\.json: cannot be written: "):
            baseline.save(tmp_path, made("R"))


def edited(**case: Any) -> Callable[[dict[str, Any]], None]:
    """Change keys of the first case."""
    return lambda data: data["cases"][0].update(case)


class TestDamage:
    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            pytest.param(lambda text: text[:-40], r"json:\d+: not valid JSON", id="cut off"),
            pytest.param(lambda text: f"<<<<<<< HEAD\n{text}", "json:1: not valid JSON", id="a conflict of git"),
            pytest.param(lambda _: "[]", "format None is not harness-baseline/1", id="a list"),
            pytest.param(lambda _: "null", "format None is not harness-baseline/1", id="nothing"),
            pytest.param(lambda _: "[" * 100_000, "is no baseline", id="a bomb"),
            pytest.param(
                lambda t: t.replace("baseline/1", "baseline/9"), "format 'harness-baseline/9' is not", id="newer"
            ),
            pytest.param(lambda t: t.replace('"cases"', '"casses"'), "cases: Field required", id="a key misspelt"),
        ],
    )
    def test_a_file_that_is_no_baseline_says_so_and_what_to_do(
        self, tmp_path: Path, spoil: Callable[[str], str], message: str
    ) -> None:
        path = baseline.save(tmp_path, made("RRw"))
        path.write_text(spoil(path.read_text()))
        with pytest.raises(ConfigError, match=message) as caught:
            baseline.load(tmp_path, "triage", "local@q8")
        assert str(caught.value).startswith(str(path))
        assert str(caught.value).endswith("save the baseline anew, or restore it from git")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (edited(strict="yes"), "case 'c0': strict: Input should be a valid integer"),
            (edited(strict=True), "case 'c0': strict: Input should be a valid integer"),
            (edited(strict=2), "case 'c0': asked 1 times, and more often than that right or compliant"),
            (edited(asked=-1), "case 'c0': asked: Input should be greater than or equal to 0"),
            (edited(corect=1), "case 'c0': corect: Extra inputs are not permitted"),
            (edited(tags="hard"), "case 'c0': tags"),
            (edited(id=None), "case None: id: Input should be a valid string"),
            (lambda data: data["cases"].insert(0, 7), "case None: Input should be"),
            (
                lambda data: data["cases"].append(data["cases"][0]),
                "case 'c0' is there more than once, as after a merge",
            ),
            (lambda data: data.update(fingerprint=[]), "fingerprint: "),
            (lambda data: data.update(labels=[1]), "labels.0: "),
        ],
    )
    def test_an_edit_by_hand_that_cannot_be_is_named(
        self, tmp_path: Path, edit: Callable[[dict[str, Any]], None], message: str
    ) -> None:
        path = baseline.save(tmp_path, made("RRw"))
        data = json.loads(path.read_text())
        edit(data)
        path.write_text(json.dumps(data))
        with pytest.raises(ConfigError) as caught:
            baseline.load(tmp_path, "triage", "local@q8")
        assert message in str(caught.value)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(at=st.integers(0, 700), byte=st.binary(min_size=1, max_size=3))
    def test_whatever_happens_to_it_it_is_read_or_refused(self, tmp_path: Path, at: int, byte: bytes) -> None:
        path = baseline.save(tmp_path, made("Rw"))
        content = path.read_bytes()
        path.write_bytes(content[:at] + byte + content[at + len(byte) :])
        with suppress(ConfigError):
            assert isinstance(baseline.read(path), RunOutcomes)


def answered(project: Project, *, lost: int = 0, failing: int = 0) -> None:
    """A run of 300 cases by a fake model: wrong for the first `lost`, and every `failing`-th call fails."""

    def script(request: Request) -> Response:
        number = int(request.messages[-1].content.split()[2])
        if failing and number % failing == 0:
            return Response(error=CallError("bad_request", "no", 400))
        return Response("general" if number < lost else "billing", latency_s=0.1)

    store = open_store(project.load().store_url)
    execute(project, store, backend=lambda _: Scripted(script, concurrency=8), cache=False)
    store.close()


@pytest.fixture
def saved(harness: Terminal, project: Project) -> Terminal:
    """300 cases that a fake model answers rightly, saved as the baseline."""
    cases(project, 300)
    answered(project)
    assert harness("baseline", "save").code == 0
    return harness


class TestCommand:
    def test_save_list_check_show(self, saved: Terminal, project: Project) -> None:
        assert (project.root / "evals/baselines/triage.local@fake.json").is_file()
        assert "triage  local@fake  300    100.0%" in saved("baseline", "list").out
        ended = saved("baseline", "check")
        assert (ended.code, ended.out.split()[:3]) == (4, ["INCONCLUSIVE", "triage", "local@fake:"])
        assert "no run since the baseline" in ended.out
        shown = saved("baseline", "show", "triage").out
        assert "strict         100.0% (99–100)" in shown
        assert "prompt         triage/v1/local" in shown

    def test_an_unchanged_run_passes_and_twelve_lost_cases_fail_by_name(
        self, saved: Terminal, project: Project
    ) -> None:
        answered(project)
        assert saved("baseline", "check").code == 0
        answered(project, lost=12)
        checked = saved("baseline", "check", "triage")
        assert checked.code == 1
        assert "REGRESSED    triage local@fake: difference -4.0 points" in checked.out
        assert "right → wrong: c-000, c-001, c-002, " in checked.out
        shown = " ".join(saved("baseline", "show", "triage").out.split())
        assert "flips right → wrong 12" in shown
        assert "lost cases c-000, c-001, c-002, c-003, c-004, c-005, c-006, c-007 and 4 more" in shown
        assert "said" not in shown

    def test_failed_calls_are_no_baseline_and_decide_nothing(self, saved: Terminal, project: Project) -> None:
        answered(project, failing=10)
        checked = saved("baseline", "check")
        assert (checked.code, checked.out.split()[0]) == (4, "INCONCLUSIVE")
        ended = saved("baseline", "save")
        assert ended.code == 2
        assert "30 calls failed, so it is no baseline" in ended.err

    def test_a_dataset_newer_than_the_baseline_is_said_and_not_guessed_over(
        self, saved: Terminal, project: Project
    ) -> None:
        cases(project, 290)
        answered(project)
        checked = saved("baseline", "check")
        assert checked.code == 4
        assert "INCOMPARABLE triage local@fake: the runs cover different cases: 10 only in baseline" in checked.out
        assert "changed: dataset" in checked.out
        assert "the runs cover different cases" in saved("baseline", "save").out

    def test_a_prompt_newer_than_the_baseline_is_named(self, saved: Terminal, project: Project) -> None:
        project.prompt(local=LOCAL.replace("one word", "a single word"))
        answered(project)
        assert "changed: prompt (prompt_hash: " in saved("baseline", "check").out

    def test_replies_are_kept_and_shown_where_that_was_asked_for(self, saved: Terminal, project: Project) -> None:
        path = project.root / "evals/baselines/triage.local@fake.json"
        assert '"reply"' not in path.read_text()
        assert saved("baseline", "save", "--replies").code == 0
        assert path.read_text().count('"reply": "billing"') == 300
        answered(project, lost=12)
        assert "c-000: was 'billing', now 'general'" in saved("baseline", "show", "triage").out

    def test_what_is_missing_is_named(self, harness: Terminal, served: Project) -> None:
        assert "no complete run in" in harness("baseline", "save").err
        assert "triage has no baseline" in harness("baseline", "show", "triage").err
        assert "no baselines in" in harness("baseline", "list").out
        harness("run", "--variant", "local", "--limit", "2")
        assert "no complete run in" in harness("baseline", "save").err
        harness("run", "--variant", "local")
        ended = harness("baseline", "check")
        assert ended.code == 4  # nothing compared is nothing proven
        note, error = ended.err.splitlines()
        assert note.startswith("note: triage local@fake: has no baseline")
        assert error.startswith("error: nothing was compared")
        assert "(available: local@fake)" in harness("baseline", "save", "--cell", "gpt@fake").err
        assert harness("run", "--against", "baseline").code == 2

    def test_a_run_is_held_against_it_and_against_the_run_before(
        self, harness: Terminal, served: Project, server: FakeOpenAI
    ) -> None:
        cases(served, 130)
        one = ("run", "--variant", "local", "--no-cache", "--against")
        assert harness(*one[:-1]).code == 0
        harness("baseline", "save")
        unchanged = harness(*one, "baseline")
        assert unchanged.code == 0, unchanged.out
        assert "passed    triage local@fake: against baseline: OK" in unchanged.out
        server.answer = lambda asked: Reply("general" if "ticket 1" in asked.prompt else "billing")
        worse = harness(*one, "previous")
        assert worse.code == 1
        assert "failed    triage local@fake: against previous: REGRESSED" in worse.out
        assert "failed    triage local@fake: against baseline: REGRESSED" in worse.out
        assert harness(*one, "local@fake~1").code == 1  # still held against the baseline, too

    def test_a_baseline_without_a_run_is_not_passed_over(self, harness: Terminal, project: Project) -> None:
        baseline.save(project.root, made("RRR", "local@fake"))
        ended = harness("baseline", "check")
        assert ended.code == 4
        assert "has a baseline, but no complete run" in ended.err

    def test_a_damaged_file_is_replaced_by_saving(self, saved: Terminal, project: Project) -> None:
        path = project.root / "evals/baselines/triage.local@fake.json"
        path.write_text("{")
        assert saved("baseline", "check").code == 2
        assert "replaces a file that could not be read" in saved("baseline", "save").out
        assert "no run since the baseline" in saved("baseline", "check").out
