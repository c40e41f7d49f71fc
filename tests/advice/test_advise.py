"""What should move, what should stay, and why; and the routes that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.advice import litellm as proxy
from harness.advice.advise import advise
from harness.advice.routes import litellm, noted
from harness.advice.routes import routes as routes_of
from harness.advice.routes import routing as routes
from harness.analysis.costs.advice_types import Advice, Decision, EvalAdvice
from harness.core.errors import ConfigError
from harness.project import config, evals, routing
from harness.project.config import BackendConfig, Config
from harness.project.routing import Routing, TaskRoute
from harness.project.run_options import RunOptions
from harness.report.verdict_text import reason_text
from harness.runner.plan import plan
from harness.runner.staleness import CurrentDefinition
from harness.store.runs import Store, open_store

from ..backends.local.test_quantize import MODEL_FILE, NAME
from ..support.cli import Terminal
from ..support.field_report import CONFIG, STARTED, field_report, made, runs
from ..support.project import CONFIG as CONFIG_OF_ONE
from ..support.project import EVAL, LOCAL, ROWS, Project, row
from ..support.servers import FakeOllama, FakeOpenAI, closing

ROOT = Path(__file__).parents[2]
MOVE, STAY, INCONCLUSIVE = Decision
N = 300


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    opened = open_store("sqlite:///:memory:")
    yield opened
    opened.close()


@pytest.fixture
def team(project: Project) -> Project:
    """One eval with 4,000 calls a day, 96 USD a month on GPT-4o, and a local candidate."""
    project.config(CONFIG)
    traffic(project)
    return project


def traffic(project: Project, extra: str = "", daily_calls: int = 4000) -> None:
    project.eval(f"{extra}\n[traffic]\ndaily_calls = {daily_calls}\n")


def advised(team: Project, store: Store) -> EvalAdvice:
    """The advice on the only eval."""
    (eval_advice,) = advise(team.with_store(store)).advised
    return eval_advice


def reference(store: Store, **more: Any) -> None:
    store.add(made("triage", "gpt", "gpt-4o", N, **more))


def candidate(store: Store, wrong: int = 0, **more: Any) -> None:
    store.add(made("triage", "local", "mistral-vllm", N, wrong, **more))


def text_of(eval_advice: EvalAdvice, code: str) -> str:
    """The reason of that code."""
    return next(reason.text for reason in eval_advice.reasons if reason.code == code)


class TestQuality:
    @pytest.mark.parametrize(("wrong", "decision"), [(0, MOVE), (8, INCONCLUSIVE), (60, STAY)])
    def test_verdict_of_the_comparison_decides(
        self, team: Project, store: Store, wrong: int, decision: Decision
    ) -> None:
        reference(store)
        candidate(store, wrong)
        eval_advice = advised(team, store)
        assert eval_advice.decision is decision
        assert eval_advice.comparison is not None
        assert reason_text(eval_advice.comparison) in text_of(eval_advice, "quality")
        assert eval_advice.comparison.head.run_id in text_of(eval_advice, "quality")

    def test_margin_is_that_of_the_eval(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, wrong=8)
        traffic(team, "[gates]\nmargin = 0.08\n")
        assert advised(team, store).decision is MOVE

    def test_missing_run_is_open_and_names_the_command(self, team: Project, store: Store) -> None:
        candidate(store)
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert "no whole run of gpt-4o. Run `harness run triage -b gpt-4o --variant gpt`" in text_of(
            eval_advice, "quality"
        )
        assert eval_advice.cost.estimated

    def test_sample_gives_no_verdict(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, limit=N)
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert "only a sample was run on mistral-vllm" in text_of(eval_advice, "sample")
        assert "Run `harness run triage -b mistral-vllm --variant local`" in text_of(eval_advice, "sample")

    def test_missing_runs_are_listed_for_the_prompts_in_use(self, team: Project, store: Store) -> None:
        """By both prompts each, twice as much would be asked and paid."""
        candidate(store, limit=N)
        eval_advice = advised(team, store)
        assert "no whole run of gpt-4o and mistral-vllm" in text_of(eval_advice, "quality")
        both = "`harness run triage -b gpt-4o --variant gpt` and `harness run triage -b mistral-vllm --variant local`"
        assert f"Run {both}" in text_of(eval_advice, "quality")
        team.config(CONFIG.replace('"local"', '"gpt"'))
        traffic(team, 'decoding = ["free", "constrained"]\n')
        one_line = "`harness run triage -b gpt-4o -b mistral-vllm --variant gpt --decoding free`"
        assert one_line in text_of(advised(team, store), "quality")

    def test_number_of_compared_cases_appears_once(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, wrong=8)
        assert text_of(advised(team, store), "quality").count("300") == 1

    @pytest.mark.parametrize(
        ("wrong", "what"), [(N, "no answer of gpt@gpt-4o or local@mistral-vllm is right"), (30, "on 90.0%")]
    )
    def test_current_model_without_right_answers_proves_nothing(
        self, team: Project, store: Store, wrong: int, what: str
    ) -> None:
        store.add(made("triage", "gpt", "gpt-4o", N, N))
        candidate(store, wrong)
        eval_advice = advised(team, store)
        assert eval_advice.comparison is not None
        assert eval_advice.comparison.verdict.value == "INCONCLUSIVE"
        assert eval_advice.decision is INCONCLUSIVE
        assert what in text_of(eval_advice, "quality")

    def test_complete_run_precedes_a_newer_sample(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store)
        candidate(store, wrong=60, limit=N)
        assert advised(team, store).decision is MOVE


class TestFormat:
    def test_loss_to_phrasing_names_the_cheapest_fix(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, badly_put=45)
        eval_advice = advised(team, store)
        assert eval_advice.decision is STAY
        fix = text_of(eval_advice, "format")
        assert fix.startswith("−15.0")
        assert "The verdict STAY is for `router.chat`" in fix
        assert "for `router.ask`, which reads leniently, it is MOVE" in fix
        assert "Cheapest fix: call it with `router.ask`" in fix
        assert "else a prompt that ends where the answer begins" in fix
        assert "preamble in 45 of 45 right replies" in fix
        assert "on_broken_contract" not in fix  # `ask` takes an answer out of its preamble under either

    def test_insufficient_lenient_reading_is_not_the_fix(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, 60, badly_put=45)
        fix = text_of(advised(team, store), "format")
        assert "`router.ask`, which" not in fix
        assert "Cheapest fix: a prompt that ends where the answer begins" in fix

    def test_proven_constrained_decoding_is_the_fix(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, badly_put=45)
        candidate(store, decoding="constrained")
        fix = text_of(advised(team, store), "format")
        assert "Cheapest fix: call it with `router.ask`" in fix
        assert ", or constrained decoding, which is within the margin" in fix

    def test_broken_replies_escalate_despite_a_gap_within_margin(self, team: Project, store: Store) -> None:
        traffic(team, "[gates]\nmargin = 0.2\n")
        reference(store)
        candidate(store, badly_put=30)
        advice = advise(team.with_store(store))
        assert advice.advised[0].decision is MOVE
        assert 'on_broken_contract = "escalate"' in routes(team.load(), advice)


class TestGates:
    """Good beside today's model is not good enough by the eval's own gates."""

    @pytest.mark.parametrize(
        ("gates", "candidates", "message"),
        [
            ("min_accuracy = 0.8", {"wrong": 75}, "strict accuracy 75.0% (225 of 300)"),
            ("min_lenient_accuracy = 0.8", {"wrong": 75}, "lenient accuracy 75.0% (225 of 300)"),
            ("min_compliance = 0.9", {"badly_put": 75}, "compliance 75.0% (225 of 300)"),
            ("min_macro_f1 = 0.8", {"wrong": 75}, "macro-F1"),
            ("tag.hard.min_accuracy = 0.8", {}, "no case has tag 'hard'"),
        ],
    )
    def test_failed_gate_of_the_candidate_is_against_moving(
        self, team: Project, store: Store, gates: str, candidates: dict[str, int], message: str
    ) -> None:
        for name, variant in (("gpt-4o", "gpt"), ("mistral-vllm", "local")):  # both alike
            store.add(made("triage", variant, name, N, labels=("a", "b"), **candidates))
        assert advised(team, store).decision is MOVE
        traffic(team, f"[gates]\n{gates}\n")
        eval_advice = advised(team, store)
        assert eval_advice.decision is (STAY if candidates else INCONCLUSIVE)
        assert message in text_of(eval_advice, "gate")

    def test_passed_gate_is_no_reason(self, team: Project, store: Store) -> None:
        traffic(team, "[gates]\nmin_accuracy = 0.8\nmin_compliance = 0.9\nmax_cost_per_1k = 0.1\n")
        reference(store)
        candidate(store)
        eval_advice = advised(team, store)
        assert eval_advice.decision is MOVE
        assert "gate" not in {reason.code for reason in eval_advice.reasons}

    def test_gate_that_needs_more_cases_leaves_the_advice_open(self, team: Project, store: Store) -> None:
        traffic(team, "[gates]\nmin_accuracy = 0.995\n")
        for name, variant in (("gpt-4o", "gpt"), ("mistral-vllm", "local")):  # both always right
            store.add(made("triage", variant, name, N, labels=("a", "b")))
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert "needs 765 cases" in text_of(eval_advice, "gate")

    def test_cost_gate_applies_to_candidates_with_a_price(self, team: Project, store: Store) -> None:
        team.config(CONFIG.replace('candidate = "mistral-vllm"', 'candidate = "gpt-4o-mini"'))
        traffic(team, "[gates]\nmax_cost_per_1k = 0.01\n")
        reference(store)
        store.add(made("triage", "gpt", "gpt-4o-mini", N))
        eval_advice = advised(team, store)
        assert eval_advice.decision is STAY
        assert "0.048 USD per 1,000 calls" in text_of(eval_advice, "gate")

    def test_failed_calls_leave_gates_undecided(self, team: Project, store: Store) -> None:
        traffic(team, "[gates]\nmin_accuracy = 0.8\nmin_compliance = 0.9\n")
        reference(store)
        candidate(store, failed=1)
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert text_of(eval_advice, "gate").startswith(
            "1 of 300 calls failed, so gates are undecided: min_accuracy, min_compliance"
        )


def as_planned(team: Project, backend: str) -> dict[str, str]:
    """What a run that is made now tells of itself."""
    result = team.load()
    (cell,) = plan(result.root, [team.definition()], [result.backend(backend)], RunOptions(own_variant_only=True))
    return cell.fingerprint()


class TestAnOldRun:
    """A run of another model or prompt says nothing of today's."""

    @pytest.fixture(autouse=True)
    def _runs_as_today(self, team: Project, store: Store) -> None:
        self.reference(team, store)
        self.candidate(team, store)
        assert advised(team, store).decision is MOVE

    def reference(self, team: Project, store: Store, **more: Any) -> None:
        reference(store, fingerprint=as_planned(team, "gpt-4o"), **more)

    def candidate(self, team: Project, store: Store, **more: Any) -> None:
        candidate(store, fingerprint=as_planned(team, "mistral-vllm"), **more)

    @pytest.mark.parametrize(
        ("what", "message"),
        [
            ("model", "is outdated: model mistral-7b, now other-7b (run triage-local-mistral-vllm-free-0-None)"),
            ("text", "the run of local@mistral-vllm is outdated: the text of its prompt has changed"),
            ("version", "the run of local@mistral-vllm is outdated: prompt triage/v1/local, now triage/v2/local"),
            ("sampling", "the run of gpt@gpt-4o is outdated: sampling has changed (max_tokens 32, now 7)"),
            ("repeats", "is outdated: repeats = 1, now 3"),
            ("cases", "is outdated: the cases of its dataset have changed"),
            ("label", "is outdated: labels or contract settings have changed; the rendered messages"),
        ],
    )
    def test_outdated_run_decides_nothing_and_names_the_command(
        self, team: Project, store: Store, what: str, message: str
    ) -> None:
        match what:
            case "model":
                team.config(CONFIG.replace('"mistral-7b"', '"other-7b"'))
            case "text":
                team.prompt(local=LOCAL.replace("one word", "one label"))
            case "version":
                team.prompt(version="v2")
            case "sampling":
                traffic(team, "[sampling]\nmax_tokens = 7\n")
            case "repeats":
                traffic(team, "repeats = 3\n")
            case "cases":
                team.cases([*ROWS, row("t-9", "One more", split="test")])
            case _:
                team.eval("\n[traffic]\ndaily_calls = 4000\n", text=EVAL.replace('"general"', '"general", "other"'))
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert message in text_of(eval_advice, "stale")
        assert "`harness run triage -b mistral-vllm --variant local`" in text_of(eval_advice, "stale")
        assert {reason.stands for reason in eval_advice.reasons if reason.code in {"quality", "capacity"}} == {"note"}

    def test_quantization_of_harness_toml_makes_a_run_outdated(self, team: Project) -> None:
        opened = open_store("sqlite:///:memory:")
        self.reference(team, opened)
        candidate(opened, fingerprint={**as_planned(team, "mistral-vllm"), "quantization": "Q8_0"})
        assert advised(team, opened).decision is MOVE
        team.config(f'{CONFIG}quantization = "Q8_0"\n')
        assert advised(team, opened).decision is MOVE
        team.config(f'{CONFIG}quantization = "Q4_0"\n')
        assert "is outdated: quantization Q8_0, now Q4_0" in text_of(advised(team, opened), "stale")
        opened.close()

    def test_outdated_loss_does_not_keep_a_task(self, team: Project, store: Store) -> None:
        self.candidate(team, store, wrong=60, started=STARTED + timedelta(days=1))
        assert advised(team, store).decision is STAY
        team.config(CONFIG.replace('"mistral-7b"', '"other-7b"'))
        assert advised(team, store).decision is INCONCLUSIVE

    def test_outdated_run_of_the_current_model_counts(self, team: Project, store: Store) -> None:
        team.config(CONFIG.replace('model = "gpt-4o"\n', 'model = "gpt-4.1"\n'))
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert "the run of gpt@gpt-4o is outdated: model gpt-4o, now gpt-4.1" in text_of(eval_advice, "stale")
        assert "Run `harness run triage -b gpt-4o --variant gpt`" in text_of(eval_advice, "stale")

    def test_current_run_precedes_a_newer_outdated_one(self, team: Project, store: Store) -> None:
        other = {**as_planned(team, "mistral-vllm"), "model": "tried-once"}
        candidate(store, 60, fingerprint=other, started=STARTED + timedelta(days=1))
        eval_advice = advised(team, store)
        assert eval_advice.decision is MOVE
        assert eval_advice.comparison is not None
        assert eval_advice.comparison.head.run_id == "triage-local-mistral-vllm-free-0-None"

    def test_changed_contract_advises_rescore_instead_of_run(self, team: Project) -> None:
        """Where a label is added it stands in the prompt, too; here the rules of reading alone were others."""
        opened = open_store("sqlite:///:memory:")
        for name, variant in (("gpt-4o", "gpt"), ("mistral-vllm", "local")):
            told_of_itself = {**as_planned(team, name), "contract_hash": "of an older version"}
            opened.add(made("triage", variant, name, N, fingerprint=told_of_itself, run_id=f"{variant}-1"))
        assert "`harness rescore gpt-1 local-1`" in text_of(advised(team, opened), "stale")
        opened.close()

    def test_eval_on_the_candidate_stays_despite_an_old_run(self, team: Project, store: Store) -> None:
        team.config(CONFIG.replace('"mistral-7b"', '"other-7b"'))
        team.eval('\n[traffic]\ndaily_calls = 4000\nbackend = "mistral-vllm"\n')
        eval_advice = advised(team, store)
        assert (eval_advice.decision, text_of(eval_advice, "quality")) == (STAY, "it runs on mistral-vllm already")

    def test_unreadable_prompt_makes_a_run_outdated(self, team: Project, store: Store) -> None:
        team.prompt(local="{{ text ")
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert "unknown whether the run of local@mistral-vllm is current:" in text_of(eval_advice, "stale")
        assert "local.j2:1" in text_of(eval_advice, "stale")


@pytest.mark.parametrize("provider", ["openai", "vllm", "ollama"])
def test_fresh_run_is_current(harness: Terminal, project: Project, provider: str) -> None:
    with closing(FakeOllama() if provider == "ollama" else FakeOpenAI(version="0.11")) as fake:
        url = fake.root if provider == "ollama" else f"{fake.root}/v1"
        of_one = CONFIG_OF_ONE.replace('"openai"', f'"{provider}"').replace("http://127.0.0.1:9/v1", url)
        project.config(f'[pair]\nreference = "fake"\ncandidate = "fake"\n{of_one}')
        project.eval('decoding = ["free"]\nrepeats = 2\n[sampling]\nmax_tokens = 9\nstop = ["x"]\n')
        assert harness("run", "--quiet").code == 0
        assert harness("run", "--quiet", "--limit", "2").code == 0
    result = project.load()
    store = open_store(result.store_url)
    made_now = store.manifests()
    store.close()
    assert {(m.variant, m.limit) for m in made_now} == {("gpt", None), ("local", None), ("gpt", 2), ("local", 2)}
    assert [CurrentDefinition(project.definition()).changed(m, result.backend("fake")) for m in made_now] == [()] * 4


@pytest.mark.parametrize("name", [eval_advice.name for eval_advice in evals.find(ROOT)])
def test_fresh_runs_of_the_example_evals_are_current(name: str) -> None:
    """Every kind of task, labels, schemas, tools and passages in their prompts."""
    result = config.load(ROOT)
    (definition,) = evals.find(ROOT, [name])
    backends = [result.backend(backend) for backend in ("gpt-4o", "openai-embeddings", "smollm2")]
    for cell in plan(ROOT, [definition], backends, RunOptions(own_variant_only=True, limit=3)):
        tells = {**cell.fingerprint(), "model": cell.backend.model, "quantization": "as the file says"}
        m = made(name, cell.variant.name, cell.backend.name, 3, limit=3, fingerprint=tells).manifest
        assert CurrentDefinition(definition).changed(replace(m, decoding=cell.decoding), cell.backend) == ()


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.skipif(not MODEL_FILE.is_file(), reason=f"{NAME} is not in the cache: `harness models pull {NAME}`")
def test_outdated_embedding_run_decides_nothing(harness: Terminal, project: Project) -> None:
    project.config(CONFIG_OF_ONE.replace('"openai"', '"llamacpp"').replace('"fake-model"', f'"{NAME}"'))
    project.config((project.root / "harness.toml").read_text().replace('base_url = "http://127.0.0.1:9/v1"\n', ""))
    assert harness("run", "--quiet", "--variant", "local").code == 0
    result = project.load()
    store = open_store(result.store_url)
    (m,) = store.manifests()
    store.close()
    assert m.fingerprint["quantization"]
    assert CurrentDefinition(project.definition()).changed(m, result.backend("fake")) == ()


class TestWhatKeepsATask:
    @pytest.fixture(autouse=True)
    def _good(self, store: Store) -> None:
        reference(store)
        candidate(store)

    def test_good_candidate_moves(self, team: Project, store: Store) -> None:
        assert advised(team, store).decision is MOVE

    def test_few_calls_are_against_moving(self, team: Project, store: Store) -> None:
        traffic(team, daily_calls=99)
        eval_advice = advised(team, store)
        assert (eval_advice.decision, text_of(eval_advice, "volume")) == (STAY, "99 calls a day < min_daily_calls 100")

    def test_keep_matches_eval_names_and_task_kinds(self, team: Project, store: Store) -> None:
        for name in ("triage", "classification"):
            team.config(f'{CONFIG}\n[advice]\nkeep = ["{name}"]\n')
            assert f"keep in harness.toml names '{name}'" in text_of(advised(team, store), "keep")

    def test_unknown_name_in_keep_is_an_error(self, team: Project, store: Store) -> None:
        team.config(f'{CONFIG}\n[advice]\nkeep = ["toolcalling"]\n')
        line = CONFIG.count("\n") + 3
        message = (
            rf"harness\.toml:{line}: \[advice\] keep names 'toolcalling', which is neither an eval nor a kind of task "
        )
        with pytest.raises(ConfigError, match=message + r"\(did you mean 'tool_calling'\?\)"):
            advised(team, store)

    def test_long_prompts_are_against_moving(self, team: Project, store: Store) -> None:
        team.config(f"{CONFIG}\n[advice]\nmax_context_tokens = 299\n")
        eval_advice = advised(team, store)
        assert eval_advice.decision is STAY
        assert "longest prompt 300 tokens > max_context_tokens 299 (100.0% of prompts are over it)" in text_of(
            eval_advice, "context"
        )

    def test_slow_replies_are_against_moving(self, team: Project, store: Store) -> None:
        traffic(team, "[gates]\nmax_p95_latency_s = 0.4\n")
        eval_advice = advised(team, store)
        assert eval_advice.decision is STAY
        assert "too slow: p95 latency of mistral-vllm 500 ms > max_p95_latency_s 0.4" in text_of(eval_advice, "latency")

    def test_overloaded_server_is_against_moving(self, team: Project, store: Store) -> None:
        """8 calls a second measured, a third of that at the mean, is 230,400 a day."""
        traffic(team, daily_calls=230_400)
        assert advised(team, store).decision is MOVE
        traffic(team, daily_calls=230_401)
        eval_advice = advised(team, store)
        assert eval_advice.decision is STAY
        assert text_of(eval_advice, "capacity").startswith("1 server cannot carry it: 8 calls a second at peak")
        team.config(f"{CONFIG}\n[local]\nservers = 2\n")
        assert advised(team, store).decision is MOVE

    def test_server_that_costs_more_than_it_saves_is_against(self, team: Project, store: Store) -> None:
        traffic(team, daily_calls=3541)  # one below the break-even of 85 USD
        eval_advice = advised(team, store)
        assert eval_advice.decision is STAY
        assert "all tasks that could move cost $84.98 a month now and would cost $85.00 moved" in text_of(
            eval_advice, "savings"
        )
        traffic(team, daily_calls=3542)
        assert advised(team, store).decision is MOVE

    def test_missing_price_is_an_open_reason(self, team: Project, store: Store) -> None:
        team.config(CONFIG.replace('model = "gpt-4o"\n', 'model = "gpt-9"\n'))
        eval_advice = advised(team, store)
        assert eval_advice.decision is INCONCLUSIVE
        assert "no price for gpt-4o" in text_of(eval_advice, "price")


def test_each_eval_must_save_by_itself_between_two_apis(team: Project, store: Store) -> None:
    """Mini is cheaper by the token; one eval makes it answer thirty times as long."""
    team.config(CONFIG.replace('candidate = "mistral-vllm"', 'candidate = "gpt-4o-mini"'))
    team.eval("\n[traffic]\ndaily_calls = 4000\n", name="wordy")
    for name, tokens in (("triage", (300, 5)), ("wordy", (300, 3000))):
        store.add(made(name, "gpt", "gpt-4o", N))
        store.add(made(name, "gpt", "gpt-4o-mini", N, tokens=tokens))
    decided = {eval_advice.cost.eval: eval_advice for eval_advice in advise(team.with_store(store)).advised}
    assert {name: eval_advice.decision for name, eval_advice in decided.items()} == {"triage": MOVE, "wordy": STAY}
    assert "moving does not pay: $96.00 a month now, $221.40 moved" in text_of(decided["wordy"], "savings")


def test_eval_that_does_not_pay_for_its_server_stays(team: Project, store: Store) -> None:
    """The first takes 0.9 of a server and costs 4,977 a month today, the second 0.5 and 6.91."""
    team.config(f"{CONFIG}\n[local]\nservers = 2\n")
    traffic(team, daily_calls=207_360)
    team.eval('\n[traffic]\ndaily_calls = 115200\nbackend = "gpt-4o-mini"\n', name="cheap")
    reference(store)
    candidate(store)
    store.add(made("cheap", "gpt", "gpt-4o-mini", N, tokens=(10, 1)))
    store.add(made("cheap", "local", "mistral-vllm", N, tokens=(10, 1)))
    advice = advise(team.with_store(store))
    decided = {eval_advice.cost.eval: eval_advice for eval_advice in advice.advised}
    assert {name: eval_advice.decision for name, eval_advice in decided.items()} == {"triage": MOVE, "cheap": STAY}
    why = "moving does not pay: $7.26 a month now, the servers would cost $80.00 more with it"
    assert text_of(decided["cheap"], "savings") == why
    assert advice.bill.server_usd(advice.bill.moving) == 85


def test_no_savings_at_all_is_a_reason_of_every_eval(team: Project, store: Store) -> None:
    """Both are cheap today, and each takes more than half of a server."""
    team.config(f"{CONFIG}\n[local]\nservers = 2\n")
    for name in ("triage", "cheap"):
        team.eval('\n[traffic]\ndaily_calls = 138240\nbackend = "gpt-4o-mini"\n', name=name)
        store.add(made(name, "gpt", "gpt-4o-mini", N, tokens=(30, 1)))
        store.add(made(name, "local", "mistral-vllm", N, tokens=(30, 1)))
    why = "all tasks that could move cost $42.30 a month now and would cost $165.00 moved"
    for eval_advice in advise(team.with_store(store)).advised:
        assert why in text_of(eval_advice, "savings")
        assert "no part of them would cost less" in text_of(eval_advice, "savings")
    team.config(CONFIG)
    why = "need 2 servers; no part that 1 server can carry is cheaper"
    assert all(why in text_of(eval_advice, "savings") for eval_advice in advise(team.with_store(store)).advised)


def test_undecided_others_leave_savings_open(team: Project, store: Store) -> None:
    """Each is 48 USD a month and the server 85: one alone does not pay, both do."""
    traffic(team, daily_calls=2000)
    reference(store)
    candidate(store)
    assert advised(team, store).decision is STAY
    team.eval("\n[traffic]\ndaily_calls = 2000\n", name="other")
    store.add(made("other", "gpt", "gpt-4o", N))
    decided = {eval_advice.cost.eval: eval_advice for eval_advice in advise(team.with_store(store)).advised}
    assert {name: eval_advice.decision for name, eval_advice in decided.items()} == {
        "triage": INCONCLUSIVE,
        "other": INCONCLUSIVE,
    }
    assert text_of(decided["triage"], "savings") == (
        "moving does not pay: all tasks that could move cost $48.00 a month now and would cost $85.00 moved; "
        "it would pay together with other, still undecided"
    )
    store.add(made("other", "local", "mistral-vllm", N, 60))  # it is decided: it stays
    decided = {eval_advice.cost.eval: eval_advice for eval_advice in advise(team.with_store(store)).advised}
    assert {name: eval_advice.decision for name, eval_advice in decided.items()} == {"triage": STAY, "other": STAY}


def test_unknown_cost_of_others_leaves_savings_open(team: Project, store: Store) -> None:
    traffic(team, daily_calls=2000)
    team.eval("\n[traffic]\ndaily_calls = 2000\n", name="other")  # never run
    reference(store)
    candidate(store)
    decided = {eval_advice.cost.eval: eval_advice for eval_advice in advise(team.with_store(store)).advised}
    assert decided["triage"].decision is INCONCLUSIVE
    assert text_of(decided["triage"], "savings").endswith(
        "the savings of other are unknown: no price or no token counts"
    )


def test_named_evals_alone_leave_savings_open(team: Project, store: Store) -> None:
    for name in ("triage", "other"):
        team.eval("\n[traffic]\ndaily_calls = 2000\n", name=name)
        store.add(made(name, "gpt", "gpt-4o", N))
        store.add(made(name, "local", "mistral-vllm", N))
    (eval_advice,) = advise(team.with_store(store), ["triage"]).advised
    assert eval_advice.decision is INCONCLUSIVE
    assert "`harness advise` without names" in text_of(eval_advice, "savings")
    assert {eval_advice.decision for eval_advice in advise(team.with_store(store)).advised} == {MOVE}


@pytest.mark.parametrize(
    ("daily_calls", "latency_s", "message"),
    [
        (
            4000,
            0.002,
            "measured on mistral-vllm (run triage-local-mistral-vllm-free-0-None): less than 0.01% of a server",
        ),
        (4000, 0.002, "0.139 calls a second at peak (3 times the mean of 4,000 a day), 2,000 measured"),
        (200_000, 0.5, "6.94 calls a second at peak (3 times the mean of 200,000 a day), 8 measured"),
        (200_000, 0.5, "87% of a server"),
    ],
)
def test_load_figures_are_rounded_for_readers(
    team: Project, store: Store, daily_calls: int, latency_s: float, message: str
) -> None:
    traffic(team, daily_calls=daily_calls)
    reference(store)
    candidate(store, latency_s=latency_s)
    assert message in text_of(advised(team, store), "capacity")


def test_larger_savings_win_on_a_full_server(team: Project, store: Store) -> None:
    """Each takes 0.6 of the server; the second has longer prompts, which cost more today."""
    traffic(team, daily_calls=138_240)
    team.eval("\n[traffic]\ndaily_calls = 138240\n", name="long")
    for name, tokens in (("triage", (300, 5)), ("long", (900, 5))):
        store.add(made(name, "gpt", "gpt-4o", N, tokens=tokens))
        store.add(made(name, "local", "mistral-vllm", N, tokens=tokens))
    decided = {eval_advice.cost.eval: eval_advice for eval_advice in advise(team.with_store(store)).advised}
    assert {name: eval_advice.decision for name, eval_advice in decided.items()} == {"long": MOVE, "triage": STAY}
    assert "beside tasks that save more" in [r for r in decided["triage"].reasons if r.code == "capacity"][-1].text


def test_eval_without_traffic_is_left_out(team: Project, store: Store) -> None:
    team.eval(name="other")
    assert advise(team.with_store(store)).left_out == ("other",)


def test_project_without_a_pair_is_an_error(project: Project, store: Store) -> None:
    with pytest.raises(ConfigError, match=r"needs \[pair\]"):
        advise(project.with_store(store))


def test_unknown_backend_in_traffic_is_an_error(team: Project, store: Store) -> None:
    team.eval('\n[traffic]\ndaily_calls = 1\nbackend = "gpt-4o-min"\n')
    with pytest.raises(
        ConfigError, match=r"triage\.toml:\d+: \[traffic\] backend = 'gpt-4o-min' .*did you mean 'gpt-4o-mini'"
    ):
        advise(team.with_store(store))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Advice]]:
    """The field report's team, advised."""
    opened = open_store("sqlite:///:memory:")
    runs(opened, n=200, lost=1)
    project = field_report(Project(tmp_path_factory.mktemp("team")))
    yield project, advise(project.with_store(opened))
    opened.close()


class TestRoutes:
    def test_router_loads_the_file(self, whole: tuple[Project, Advice], tmp_path: Path) -> None:
        project, advice = whole
        path = tmp_path / "routing.toml"
        path.write_text(routes(project.load(), advice), encoding="utf-8")
        result = routing.load(path, project.load())
        assert result.backends("ticket_triage") == ("mistral-vllm", "gpt-4o")
        assert result.backends("moderation") == ("mistral-vllm", "gpt-4o-mini")
        assert result.backends("agent") == ("gpt-4o",)
        assert "search" not in result.tasks

    def test_decision_and_reasons_precede_each_table(self, whole: tuple[Project, Advice]) -> None:
        project, advice = whole
        text = routes(project.load(), advice)
        above = text[: text.index("[tasks.agent]")]
        assert "# STAY\n# + gpt@gpt-4o -> local@mistral-vllm: MOVE" in above
        assert "# - a chain of tool calls stays" in above
        assert "\n# search is not routed: its index needs the vectors of a single model" in text
        assert max(map(len, text.splitlines())) <= 104

    def test_order_of_tasks_is_alphabetical(self, whole: tuple[Project, Advice]) -> None:
        project, advice = whole
        backwards = Advice(advice.advised[::-1], advice.bill)
        assert routes(project.load(), advice) == routes(project.load(), backwards)

    def test_user_settings_and_other_tasks_stay(self, whole: tuple[Project, Advice], tmp_path: Path) -> None:
        project, advice = whole
        project.eval(name="by_hand")
        path = tmp_path / "routing.toml"
        path.write_text(
            '[tiers]\napi_frontier = "gpt-4o"\n[tasks.summaries]\ntiers = ["api_frontier"]\ndeadline_s = 7.5\n'
            'max_usd = 0.01\n[tasks.by_hand]\ntiers = ["api_frontier"]\n[probe]\nevery_s = 9.0\n',
            encoding="utf-8",
        )
        path.write_text(routes(project.load(), advice, routing.load(path, project.load())), encoding="utf-8")
        result = routing.load(path, project.load())
        assert result.backends("summaries") == ("mistral-vllm", "gpt-4o")
        assert (result.tasks["summaries"].deadline_s, result.tasks["summaries"].max_usd) == (7.5, 0.01)
        assert result.backends("by_hand") == ("gpt-4o",)
        assert result.probe.every_s == 9

    def test_third_api_has_no_tier_and_is_left_out(self, team: Project, store: Store) -> None:
        more = '\n[backends.{0}]\nprovider = "openai"\nmodel = "gpt-4.1"\nvariant = "gpt"\n'
        team.config(CONFIG + more.format("third"))
        for name, backend in (("one", "gpt-4o-mini"), ("two", "third")):
            team.eval(f'\n[traffic]\ndaily_calls = 500\nbackend = "{backend}"\n', name=name)
        text = routes(team.load(), advise(team.with_store(store)))
        told_ = "third needs tier api_fast (an API other than the reference's), which gpt-4o-mini has"
        assert f"# two is not routed: {told_}" in text.replace("\n#   ", " ")
        assert "[tasks.one]" in text

    def test_second_local_backend_has_no_tier(self, team: Project, store: Store) -> None:
        """Another task's route, set by hand, has the only local tier."""
        other = '\n[backends.ollama]\nprovider = "ollama"\nmodel = "llama3"\nvariant = "local"\n'
        team.config(CONFIG + other)
        team.eval(name="by_hand")
        reference(store)
        candidate(store)
        path = team.write("routing.toml", '[tiers]\nlocal = "ollama"\n[tasks.by_hand]\ntiers = ["local"]\n')
        result, advice = team.load(), advise(team.with_store(store))
        why = "mistral-vllm needs tier local (a local backend), which ollama has"
        before = routing.load(path, result)
        assert f"# triage is not routed: {why}" in routes(result, advice, before).replace("\n#   ", " ")
        (eval_advice,) = noted(advice, routes_of(result, advice, before)).advised
        assert eval_advice.decision is MOVE
        assert text_of(eval_advice, "route") == f"not routed: {why}"

    def test_screen_lists_unrouted_and_left_out_tasks(self, team: Project, harness: Terminal) -> None:
        team.config(f'{CONFIG}\n[backends.ollama]\nprovider = "ollama"\nmodel = "llama3"\nvariant = "local"\n')
        team.eval(name="by_hand")
        tasks = '[tasks.by_hand]\ntiers = ["local"]\n[tasks.old]\ntiers = ["local"]\n'
        team.write("routing.toml", f'[tiers]\nlocal = "ollama"\n{tasks}')
        opened = open_store(team.load().store_url)
        reference(opened)
        candidate(opened)
        opened.close()
        out = harness("advise").out
        assert "  · not routed: mistral-vllm needs tier local" in out
        assert "counted as moved, but not routed: triage; you still pay $96.00 a month" in out
        assert "removed from the routes: old" in out

    def test_reasons_in_the_file_have_the_signs_of_the_screen(self, team: Project, store: Store) -> None:
        traffic(team, daily_calls=99)
        store.add(made("triage", "local", "mistral-vllm", N, limit=N))
        text = routes(team.load(), advise(team.with_store(store)))
        assert "\n# ? quality is unknown" in text
        assert "\n# - 99 calls a day < min_daily_calls" in text
        assert "\n# + 0.00344 calls a second at peak" in text

    def test_task_without_an_eval_is_left_out_with_a_comment(self, team: Project, store: Store) -> None:
        path = team.write("routing.toml", '[tiers]\napi_fast = "gpt-4o-mini"\n[tasks.old]\ntiers = ["api_fast"]\n')
        result, advice = team.load(), advise(team.with_store(store))
        text = routes(result, advice, routing.load(path, result))
        assert "\n# old is left out: it has no eval any more" in text
        path.write_text(text, encoding="utf-8")
        assert set(routing.load(path, result).tasks) == {"triage"}
        assert "api_fast" not in routing.load(path, result).tiers

    def test_names_of_removed_tasks_cannot_end_a_comment(self, team: Project, store: Store) -> None:
        task = '[tasks."old\\n[probe]\\nevery_s = 9"]\ntiers = ["api_fast"]\n'
        path = team.write("routing.toml", f'[tiers]\napi_fast = "gpt-4o-mini"\n{task}')
        result, advice = team.load(), advise(team.with_store(store))
        path.write_text(routes(result, advice, routing.load(path, result)), encoding="utf-8")
        assert routing.load(path, result).probe.every_s == 5


def test_page_separates_advice_from_the_quality_verdict(team: Project, harness: Terminal) -> None:
    """Good enough to move by its quality, and kept for its few calls."""
    opened = open_store(team.load().store_url)
    for name, calls in (("triage", 4000), ("rare", 20)):
        team.eval(f"\n[traffic]\ndaily_calls = {calls}\n", name=name)
        opened.add(made(name, "gpt", "gpt-4o", N))
        opened.add(made(name, "local", "mistral-vllm", N))
    opened.close()
    assert harness("advise", "-o", "advice.html").code == 0
    page = (team.root / "advice.html").read_text(encoding="utf-8")
    assert page.count("they are the verdict on quality alone") == 1  # under the bill
    assert page.count("Quality alone: ") == 1  # in the part of `rare` alone
    assert "Quality alone: <b>MOVE</b>" in page
    assert "All reasons counted: <b>STAY</b>" in page


class TestLiteLLM:
    def test_litellm_yaml_has_a_model_and_fallback_per_task(self, whole: tuple[Project, Advice]) -> None:
        project, advice = whole
        result = yaml.safe_load(litellm(project.load(), advice))
        models = {eval_advice["model_name"]: eval_advice["litellm_params"] for eval_advice in result["model_list"]}
        assert models["ticket_triage"]["model"] == "hosted_vllm/mistral-7b"
        assert models["ticket_triage"]["api_base"] == "http://vllm.internal:8000/v1"
        assert models["ticket_triage--gpt-4o"]["model"] == "openai/gpt-4o"
        assert models["ticket_triage--gpt-4o"]["api_key"] == "os.environ/OPENAI_API_KEY"
        assert {"ticket_triage": ["ticket_triage--gpt-4o"]} in result["litellm_settings"]["fallbacks"]
        assert models["agent"]["model"] == "openai/gpt-4o"

    def written(self, team: Project, store: Store, keys: str) -> tuple[str, dict[str, Any]]:
        """The file, and what of it is about a candidate of these keys."""
        vllm = 'provider = "vllm"\nbase_url = "http://vllm.internal:8000/v1"\n'
        team.config(CONFIG.replace(vllm, keys))
        reference(store)
        candidate(store)
        text = litellm(team.load(), advise(team.with_store(store)))
        models = yaml.safe_load(text)["model_list"]
        return text, next(
            eval_advice["litellm_params"] for eval_advice in models if eval_advice["model_name"] == "triage"
        )

    @pytest.mark.parametrize(
        ("keys", "key"),
        [
            ('provider = "openai"\nbase_url = "http://gpu:8000/v1"\n', "none"),
            ('provider = "openai"\nbase_url = "http://gpu:8000/v1"\napi_key_env = "MINE"\n', "os.environ/MINE"),
            ('provider = "vllm"\n', "none"),
            ('provider = "vllm"\napi_key_env = "MINE"\n', "os.environ/MINE"),
            ('provider = "ollama"\n', None),
            ('provider = "ollama"\napi_key_env = "MINE"\n', "os.environ/MINE"),
        ],
    )
    def test_openai_key_is_sent_to_openai_only(self, team: Project, store: Store, keys: str, key: str | None) -> None:
        """LiteLLM sends OPENAI_API_KEY to any server of which its file names no key."""
        _, result = self.written(team, store, keys)
        assert result.get("api_key") == key

    @pytest.mark.parametrize(
        ("provider", "model"), [("openai", "openai"), ("vllm", "openai"), ("ollama", "ollama_chat")]
    )
    def test_password_is_left_out_with_instructions(
        self, team: Project, store: Store, provider: str, model: str
    ) -> None:
        """By `hosted_vllm` a header would be written over by the key."""
        text, result = self.written(
            team, store, f'provider = "{provider}"\nbase_url = "http://bob:s3cretpw@gpu:8000/v1"\n'
        )
        assert "s3cretpw" not in text
        assert "bob" not in text
        assert (result["model"], result["api_base"]) == (f"{model}/mistral-7b", "http://gpu:8000/v1")
        assert "user and password of this address are left out" in text
        (given,) = yaml.safe_load(text.replace("# extra_headers", "extra_headers"))["model_list"][:1]
        assert given["litellm_params"]["extra_headers"] == {"Authorization": "os.environ/VARIABLE"}

    def test_invalid_address_is_an_error_that_hides_it(self, team: Project, store: Store) -> None:
        with pytest.raises(
            ConfigError, match=r"harness\.toml: base_url in \[backends\.mistral-vllm\] expected http"
        ) as told_:
            self.written(team, store, 'provider = "vllm"\nbase_url = "bob:s3cretpw@gpu:8000/v1"\n')
        assert "s3cretpw" not in str(told_.value)

    def test_in_process_model_is_left_out_of_litellm(self, team: Project, store: Store) -> None:
        vllm = 'provider = "vllm"\nbase_url = "http://vllm.internal:8000/v1"\n'
        team.config(CONFIG.replace(vllm, 'provider = "llamacpp"\n'))
        reference(store)
        candidate(store)
        text = litellm(team.load(), advise(team.with_store(store)))
        assert "# mistral-vllm runs inside the calling process" in text
        assert [eval_advice["model_name"] for eval_advice in yaml.safe_load(text)["model_list"]] == ["triage"]

    def test_names_cannot_break_out_of_a_yaml_string(self, team: Project, store: Store) -> None:
        team.config(CONFIG.replace('model = "gpt-4o"\n', "model = 'a\": {b'\nprompt_usd = 1.0\ncompletion_usd = 1.0\n"))
        text = litellm(team.load(), advise(team.with_store(store)))
        (eval_advice,) = yaml.safe_load(text)["model_list"]
        assert eval_advice["litellm_params"]["model"] == 'openai/a": {b'

    def test_task_names_cannot_end_a_comment_or_a_string(self) -> None:
        name = 'a\nmodel_list: []\n"b": \x85{c\u2028\x00'
        result = Config(
            root=Path(), backends={"api": BackendConfig(name="api", provider="openai", model=name, variant="gpt")}
        )
        route = Routing(tiers={"api_fast": "api"}, tasks={name: TaskRoute(tiers=("api_fast",))})
        text = proxy.dump(result, route, {name: [name]})
        (eval_advice,) = yaml.safe_load(text)["model_list"]
        assert (eval_advice["model_name"], eval_advice["litellm_params"]["model"]) == (name, f"openai/{name}")
