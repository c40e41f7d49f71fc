"""`harness run EVAL --until-decided`: random cases for both models, until the verdict is proven."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.runner.project import Project as OpenProject

from ..support.cli import Terminal
from ..support.project import CONFIG, EVAL, Project, row
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply, completion

N = 300
USAGE = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}}
REFERENCE_USD, CANDIDATE_USD = 5 * 110 / 1e6, 110 / 1e6
"""Costs of a call."""

Answers = Callable[[int], str]


@pytest.fixture
def pair(project: Project, server: FakeOpenAI) -> Callable[..., None]:
    """Write a pair of priced backends over 300 tickets with the label `billing`, and set both models' answers."""

    def write(reference: Answers, candidate: Answers, *, n: int = N, extra: str = "") -> None:
        own = CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + "retries = 0\n"
        small = own + "prompt_usd = 1.0\ncompletion_usd = 1.0\n"
        big = own.replace("[backends.fake]", "[backends.big]").replace('"local"', '"gpt"').replace("fake-m", "big-m")
        big += "prompt_usd = 5.0\ncompletion_usd = 5.0\n"
        project.config(f'{small}{big}[pair]\nreference = "big"\ncandidate = "fake"\n')
        project.eval(text=f"{EVAL}{extra}")
        project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(n)])

        def answer(asked: ReceivedRequest) -> Reply:
            found = asked.prompt.partition("ticket ")[2].split()
            number = int(found[0]) if found else 0
            text = (candidate if asked.prompt.endswith("Category:") else reference)(number)
            return Reply(json={**completion(text), **USAGE}) if text else Reply(status=500)

        server.answer = answer
        server.page("/v1/models", Reply(status=404, json={}))  # it serves both models

    return write


def right(_: int) -> str:
    return "billing"


def wrong_every(k: int) -> Answers:
    return lambda number: "general" if number % k == 0 else "billing"


def saved(project: Project) -> dict[str, tuple[int, int | None, bool]]:
    """Return cases, limit and finish of the newest run of each cell."""
    with OpenProject.open(project.root) as opened:
        runs = {m.cell: m for m in reversed(opened.store.manifests())}
        return {cell: (len(opened.store.results(m.run_id)), m.limit, bool(m.finished_at)) for cell, m in runs.items()}


def test_equal_models_move_after_some_cases(
    harness: Terminal, project: Project, pair: Callable[..., None], server: FakeOpenAI
) -> None:
    pair(right, right, extra="[gates]\nmargin = 0.06\n")
    ended = harness("run", "triage", "--until-decided")
    assert ended.code == 0, ended.err
    assert "MOVE  difference +0.0 points (95% anytime-valid interval -5.2" in ended.out
    usd = 200 * (REFERENCE_USD + CANDIDATE_USD)
    assert f"decided after 100 of 300 cases: 400 calls and about ${usd:.2f} not made" in " ".join(ended.out.split())
    assert len(server.prompts) == 200
    assert saved(project) == {"gpt@big": (100, 100, True), "local@fake": (100, 100, True)}


def test_bad_candidate_stays_after_few_cases(harness: Terminal, pair: Callable[..., None], server: FakeOpenAI) -> None:
    pair(right, wrong_every(2))
    ended = harness("run", "triage", "--until-decided")
    assert ended.code == 1
    assert "STAY" in ended.out
    assert len(server.prompts) <= 80


def test_both_models_get_the_same_random_cases(
    harness: Terminal, project: Project, pair: Callable[..., None], server: FakeOpenAI
) -> None:
    pair(right, wrong_every(2))
    harness("run", "triage", "--until-decided")
    with OpenProject.open(project.root) as opened:
        first, second = ([r.case.id for r in opened.store.results(m.run_id)] for m in opened.store.manifests())
    assert first == second
    assert first != [f"c-{i:03}" for i in range(len(first))]


def test_compare_gives_the_same_verdict_later(harness: Terminal, pair: Callable[..., None]) -> None:
    pair(right, right, extra="[gates]\nmargin = 0.06\n")
    made = harness("run", "triage", "--until-decided")
    ended = harness("compare", "gpt@big", "local@fake")
    assert (made.code, ended.code) == (0, 0)
    verdict = "MOVE difference +0.0 points (95% anytime-valid interval -5.2 to +5.2), within the margin of 6 points"
    assert verdict in " ".join(made.out.split())
    assert verdict in " ".join(ended.out.split())


def test_saved_run_of_the_reference_is_not_repeated(
    harness: Terminal, project: Project, pair: Callable[..., None], server: FakeOpenAI
) -> None:
    pair(right, right, extra="[gates]\nmargin = 0.06\n")
    harness("run", "triage", "-b", "big", "--variant", "gpt")
    before = len(server.prompts)
    ended = harness("run", "triage", "--until-decided")
    assert ended.code == 0, ended.err
    assert "gpt@big: its saved run" in ended.err
    assert "200 calls and about $" in " ".join(ended.out.split())
    assert len(server.prompts) == before + 100
    assert harness("compare", "gpt@big", "local@fake").code == 0
    assert saved(project)["gpt@big"] == (300, None, True)


def test_outdated_run_of_the_reference_is_repeated(
    harness: Terminal, project: Project, pair: Callable[..., None], server: FakeOpenAI
) -> None:
    pair(right, right)
    harness("run", "triage", "-b", "big", "--variant", "gpt")
    project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(N + 1)])
    assert "its saved run" not in harness("run", "triage", "--until-decided").err


def test_two_whole_runs_need_no_new_calls(harness: Terminal, pair: Callable[..., None]) -> None:
    pair(right, right, n=20)
    harness("run", "triage")
    ended = harness("run", "triage", "--until-decided")
    assert ended.code == 2
    assert "compare them with `harness compare" in ended.err


def test_end_of_the_cases_without_a_verdict_is_code_4(harness: Terminal, pair: Callable[..., None]) -> None:
    pair(right, right, n=30)
    ended = harness("run", "triage", "--until-decided")
    assert ended.code == 4
    assert "INCONCLUSIVE" in ended.out
    assert "not decided after all 30 cases" in ended.out
    assert "cases would settle it" in " ".join(ended.out.split())


def test_stopped_run_never_counts_as_a_whole_run(harness: Terminal, pair: Callable[..., None]) -> None:
    pair(right, right, extra="[gates]\nmargin = 0.06\n[traffic]\ndaily_calls = 2000\n")
    harness("run", "triage", "--until-decided")
    assert harness("baseline", "save").code == 2
    assert "only a sample was run" in harness("advise").out
    assert "2 runs not in a trend" in harness("history", "triage").out


def test_resume_continues_with_the_same_cases(
    harness: Terminal, project: Project, pair: Callable[..., None], server: FakeOpenAI
) -> None:
    pair(right, right, extra="[gates]\nmargin = 0.06\n")
    ended = harness("run", "triage", "--until-decided", "--budget", "0.05", "--no-cache")
    assert ended.code == 3, ended.err
    assert {finished for _, _, finished in saved(project).values()} == {False}
    ended = harness("run", "triage", "--until-decided", "--resume", "--no-cache")
    assert ended.code == 0, ended.err
    assert "decided after 100 of 300 cases" in ended.out
    assert len(server.prompts) == 200
    with OpenProject.open(project.root) as opened:
        assert opened.store.count_runs() == 2


def test_whole_run_does_not_resume_a_stopped_run(
    harness: Terminal, project: Project, pair: Callable[..., None]
) -> None:
    pair(right, right, n=60)
    assert harness("run", "triage", "--until-decided", "--budget", "0.01").code == 3
    harness("run", "triage", "--resume", "-b", "big", "--variant", "gpt")
    assert saved(project)["gpt@big"] == (60, None, True)


def test_failing_model_ends_the_run_of_the_other(
    harness: Terminal, project: Project, pair: Callable[..., None], server: FakeOpenAI
) -> None:
    pair(right, lambda _: "")
    ended = harness("run", "triage", "--until-decided")
    assert ended.code == 2
    assert ended.err.count("error:") == 1
    assert "backend fake" in ended.err
    assert not saved(project)["gpt@big"][2]


def test_failed_calls_keep_the_verdict_open(harness: Terminal, pair: Callable[..., None]) -> None:
    pair(right, lambda number: "" if number % 4 == 0 else "billing", n=60)
    ended = harness("run", "triage", "--until-decided")
    assert ended.code == 4
    assert "calls failed" in " ".join(ended.err.split())


class TestChange:
    """`--against`: is one backend still as good as a saved run?"""

    @pytest.fixture
    def earlier(self, harness: Terminal, pair: Callable[..., None]) -> None:
        pair(right, right)
        harness("run", "triage", "-b", "fake", "--variant", "local")
        harness("baseline", "save")

    @pytest.mark.parametrize("reference", ["baseline", "previous", "local@fake"])
    def test_loss_is_found_early(
        self, harness: Terminal, pair: Callable[..., None], server: FakeOpenAI, earlier: None, reference: str
    ) -> None:
        pair(right, wrong_every(3))
        before = len(server.prompts)
        ended = harness("run", "triage", "-b", "fake", "--until-decided", "--no-cache", "--against", reference)
        assert ended.code == 1, ended.err
        assert "REGRESSED" in ended.out
        assert len(server.prompts) - before <= 100

    def test_unchanged_model_is_ok_early(self, harness: Terminal, server: FakeOpenAI, earlier: None) -> None:
        ended = harness("run", "triage", "-b", "fake", "--until-decided", "--no-cache", "--against", "baseline")
        assert ended.code == 0, ended.err
        assert "OK" in ended.out
        assert "of 300 cases" in ended.out

    def test_one_backend_must_be_named(self, harness: Terminal, earlier: None) -> None:
        ended = harness("run", "triage", "--until-decided", "--against", "baseline")
        assert ended.code == 2
        assert "name one --backend" in ended.err


class TestUsage:
    """What the option needs, and what it refuses."""

    def test_pair_is_needed(self, harness: Terminal) -> None:
        ended = harness("run", "triage", "--until-decided")
        assert ended.code == 2
        assert "name two backends in [pair] of harness.toml" in ended.err

    def test_one_eval_at_a_time(self, harness: Terminal, project: Project, pair: Callable[..., None]) -> None:
        pair(right, right)
        project.eval(name="other")
        ended = harness("run", "--until-decided")
        assert ended.code == 2
        assert "one eval at a time, not other, triage" in ended.err

    def test_flags_that_choose_cases_are_refused(self, harness: Terminal, pair: Callable[..., None]) -> None:
        pair(right, right)
        ended = harness("run", "triage", "--until-decided", "--limit", "5", "--variant", "gpt")
        assert ended.code == 2
        assert "leave out --variant and --limit" in ended.err

    def test_estimate_is_of_all_cases(self, harness: Terminal, pair: Callable[..., None], server: FakeOpenAI) -> None:
        pair(right, right)
        ended = harness("run", "triage", "--until-decided", "--estimate")
        assert ended.code == 0
        assert "600 calls" in ended.out
        assert not server.prompts
