"""What should move, what should stay, and why; and the routes that follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import routing
from harness.advise import advise, litellm
from harness.advise import routing as routes
from harness.bill import Advice, Advised, Decision
from harness.errors import ConfigError
from harness.store import Store, open_store

from .support.field_report import CONFIG, field_report, made, runs
from .support.project import Project

MOVE, KEEP, INCONCLUSIVE = Decision
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


def advised(team: Project, store: Store) -> Advised:
    """The advice on the only eval."""
    (one,) = advise(team.load(), store).advised
    return one


def reference(store: Store, **more: Any) -> None:
    store.add(made("triage", "gpt", "gpt-4o", N, **more))


def candidate(store: Store, wrong: int = 0, **more: Any) -> None:
    store.add(made("triage", "local", "mistral-vllm", N, wrong, **more))


def told(one: Advised, code: str) -> str:
    """The reason of that code."""
    return next(reason.text for reason in one.reasons if reason.code == code)


class TestQuality:
    @pytest.mark.parametrize(("wrong", "decision"), [(0, MOVE), (8, INCONCLUSIVE), (60, KEEP)])
    def test_the_comparisons_verdict_decides(self, team: Project, store: Store, wrong: int, decision: Decision) -> None:
        reference(store)
        candidate(store, wrong)
        one = advised(team, store)
        assert one.decision is decision
        assert one.comparison is not None
        assert one.comparison.reason in told(one, "quality")
        assert one.comparison.head.run_id in told(one, "quality")

    def test_the_margin_is_the_evals(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, wrong=8)
        traffic(team, "[gates]\nmargin = 0.08\n")
        assert advised(team, store).decision is MOVE

    def test_without_a_run_it_is_not_known_and_how_to_make_one_is_said(self, team: Project, store: Store) -> None:
        candidate(store)
        one = advised(team, store)
        assert one.decision is INCONCLUSIVE
        assert "`harness run triage -b gpt-4o` makes one" in told(one, "quality")
        assert one.line.estimated

    def test_a_sample_is_no_verdict(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, limit=N)
        one = advised(team, store)
        assert one.decision is INCONCLUSIVE
        assert "only a sample was run" in told(one, "sample")

    def test_a_whole_run_goes_before_a_newer_sample(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store)
        candidate(store, wrong=60, limit=N)
        assert advised(team, store).decision is MOVE


class TestFormat:
    def test_what_is_lost_to_phrasing_is_told_with_the_cheapest_fix(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, badly_put=45)
        one = advised(team, store)
        assert one.decision is KEEP
        fix = told(one, "format")
        assert "of the difference −15.0" in fix
        assert "read leniently the verdict would be MOVE" in fix
        assert "a prompt that ends where the answer begins" in fix
        assert "preamble in 45 of 45 right replies" in fix

    def test_constrained_decoding_is_the_fix_where_it_is_shown_to_be(self, team: Project, store: Store) -> None:
        reference(store)
        candidate(store, badly_put=45)
        candidate(store, decoding="constrained")
        assert "cheapest fix: constrained decoding, which is shown to be within" in told(advised(team, store), "format")

    def test_a_gap_within_the_margin_sends_broken_replies_on(self, team: Project, store: Store) -> None:
        traffic(team, "[gates]\nmargin = 0.2\n")
        reference(store)
        candidate(store, badly_put=30)
        advice = advise(team.load(), store)
        assert advice.advised[0].decision is MOVE
        assert 'on_broken_contract = "escalate"' in routes(team.load(), advice)


class TestWhatKeepsATask:
    @pytest.fixture(autouse=True)
    def _good(self, store: Store) -> None:
        reference(store)
        candidate(store)

    def test_nothing(self, team: Project, store: Store) -> None:
        assert advised(team, store).decision is MOVE

    def test_few_calls(self, team: Project, store: Store) -> None:
        traffic(team, daily_calls=99)
        one = advised(team, store)
        assert (one.decision, told(one, "volume")) == (KEEP, "99 calls a day are under min_daily_calls = 100")

    def test_a_name_or_a_kind_of_task_in_keep(self, team: Project, store: Store) -> None:
        for name in ("triage", "classification"):
            team.config(f'{CONFIG}\n[advice]\nkeep = ["{name}"]\n')
            assert f"keep in harness.toml names '{name}'" in told(advised(team, store), "keep")

    def test_long_prompts(self, team: Project, store: Store) -> None:
        team.config(f"{CONFIG}\n[advice]\nmax_context_tokens = 299\n")
        one = advised(team, store)
        assert one.decision is KEEP
        assert "prompts (100.0% of them) are over max_context_tokens = 299: the longest has 300" in told(one, "context")

    def test_slow_replies(self, team: Project, store: Store) -> None:
        traffic(team, "[gates]\nmax_p95_latency_s = 0.4\n")
        one = advised(team, store)
        assert one.decision is KEEP
        assert "too slow: 95% of the replies of mistral-vllm take 500 ms or less, the limit is 0.4 s" in told(
            one, "latency"
        )

    def test_a_server_that_cannot_carry_it(self, team: Project, store: Store) -> None:
        """8 calls a second measured, a third of that at the mean, is 230,400 a day."""
        traffic(team, daily_calls=230_400)
        assert advised(team, store).decision is MOVE
        traffic(team, daily_calls=230_401)
        one = advised(team, store)
        assert one.decision is KEEP
        assert told(one, "capacity").startswith("1 server cannot carry it: 8 calls a second at peak")
        team.config(f"{CONFIG}\n[local]\nservers = 2\n")
        assert advised(team, store).decision is MOVE

    def test_a_server_that_costs_more_than_it_saves(self, team: Project, store: Store) -> None:
        traffic(team, daily_calls=3541)  # one below the break-even of 85 USD
        one = advised(team, store)
        assert one.decision is KEEP
        assert "it does not pay: all that could move costs $84.98 a month today and would cost $85.00" in told(
            one, "savings"
        )
        traffic(team, daily_calls=3542)
        assert advised(team, store).decision is MOVE

    def test_a_model_whose_price_nobody_says(self, team: Project, store: Store) -> None:
        team.config(CONFIG.replace('model = "gpt-4o"\n', 'model = "gpt-9"\n'))
        one = advised(team, store)
        assert one.decision is INCONCLUSIVE
        assert "nobody says what gpt-4o costs" in told(one, "price")


def test_between_two_apis_each_eval_must_save_by_itself(team: Project, store: Store) -> None:
    """Mini is cheaper by the token; one eval makes it answer thirty times as long."""
    team.config(CONFIG.replace('candidate = "mistral-vllm"', 'candidate = "gpt-4o-mini"'))
    team.eval("\n[traffic]\ndaily_calls = 4000\n", name="wordy")
    for name, tokens in (("triage", (300, 5)), ("wordy", (300, 3000))):
        store.add(made(name, "gpt", "gpt-4o", N))
        store.add(made(name, "gpt", "gpt-4o-mini", N, tokens=tokens))
    decided = {one.line.eval: one for one in advise(team.load(), store).advised}
    assert {name: one.decision for name, one in decided.items()} == {"triage": MOVE, "wordy": KEEP}
    assert "it does not pay: $96.00 a month today, $221.40 then" in told(decided["wordy"], "savings")


def test_what_does_not_pay_for_its_server_stays_beside_what_does(team: Project, store: Store) -> None:
    """The first takes 0.9 of a server and costs 4,977 a month today, the second 0.5 and 6.91."""
    team.config(f"{CONFIG}\n[local]\nservers = 2\n")
    traffic(team, daily_calls=207_360)
    team.eval('\n[traffic]\ndaily_calls = 115200\nbackend = "gpt-4o-mini"\n', name="cheap")
    reference(store)
    candidate(store)
    store.add(made("cheap", "gpt", "gpt-4o-mini", N, tokens=(10, 1)))
    store.add(made("cheap", "local", "mistral-vllm", N, tokens=(10, 1)))
    advice = advise(team.load(), store)
    decided = {one.line.eval: one for one in advice.advised}
    assert {name: one.decision for name, one in decided.items()} == {"triage": MOVE, "cheap": KEEP}
    why = "it does not pay: $7.26 a month today, and the servers would cost $80.00 more with it"
    assert told(decided["cheap"], "savings") == why
    assert advice.bill.server_usd(advice.bill.moving) == 85


def test_where_nothing_pays_that_is_told_of_all_of_it(team: Project, store: Store) -> None:
    """Both are cheap today, and each takes more than half of a server."""
    team.config(f"{CONFIG}\n[local]\nservers = 2\n")
    for name in ("triage", "cheap"):
        team.eval('\n[traffic]\ndaily_calls = 138240\nbackend = "gpt-4o-mini"\n', name=name)
        store.add(made(name, "gpt", "gpt-4o-mini", N, tokens=(30, 1)))
        store.add(made(name, "local", "mistral-vllm", N, tokens=(30, 1)))
    why = "all that could move costs $42.30 a month today and would cost $165.00, and no part of it would cost less"
    assert {told(one, "savings") for one in advise(team.load(), store).advised} == {f"it does not pay: {why}"}
    team.config(CONFIG)
    why = "needs 2 servers, and no part of it that 1 server can carry would cost less"
    assert all(why in told(one, "savings") for one in advise(team.load(), store).advised)


def test_of_what_does_not_fit_together_that_moves_which_saves_more(team: Project, store: Store) -> None:
    """Each takes 0.6 of the server; the second has longer prompts, which cost more today."""
    traffic(team, daily_calls=138_240)
    team.eval("\n[traffic]\ndaily_calls = 138240\n", name="long")
    for name, tokens in (("triage", (300, 5)), ("long", (900, 5))):
        store.add(made(name, "gpt", "gpt-4o", N, tokens=tokens))
        store.add(made(name, "local", "mistral-vllm", N, tokens=tokens))
    decided = {one.line.eval: one for one in advise(team.load(), store).advised}
    assert {name: one.decision for name, one in decided.items()} == {"long": MOVE, "triage": KEEP}
    assert "beside what saves more:" in [r for r in decided["triage"].reasons if r.code == "capacity"][-1].text


def test_an_eval_without_traffic_is_no_task_of_production(team: Project, store: Store) -> None:
    team.eval(name="other")
    assert advise(team.load(), store).left_out == ("other",)


def test_a_project_without_a_pair_cannot_be_advised(project: Project, store: Store) -> None:
    with pytest.raises(ConfigError, match=r"needs \[pair\]"):
        advise(project.load(), store)


def test_a_misspelt_backend_of_traffic_is_told(team: Project, store: Store) -> None:
    team.eval('\n[traffic]\ndaily_calls = 1\nbackend = "gpt-4o-min"\n')
    with pytest.raises(
        ConfigError, match=r"triage\.toml:\d+: \[traffic\] backend = 'gpt-4o-min' .*did you mean 'gpt-4o-mini'"
    ):
        advise(team.load(), store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Advice]]:
    """The field report's team, advised."""
    opened = open_store("sqlite:///:memory:")
    runs(opened, n=200, lost=1)
    project = field_report(Project(tmp_path_factory.mktemp("team")))
    yield project, advise(project.load(), opened)
    opened.close()


class TestRoutes:
    def test_the_file_can_be_read_by_the_router(self, whole: tuple[Project, Advice], tmp_path: Path) -> None:
        project, advice = whole
        path = tmp_path / "routing.toml"
        path.write_text(routes(project.load(), advice), encoding="utf-8")
        found = routing.load(path, project.load())
        assert found.backends("ticket_triage") == ("mistral-vllm", "gpt-4o")
        assert found.backends("moderation") == ("mistral-vllm", "gpt-4o-mini")
        assert found.backends("agent") == ("gpt-4o",)
        assert "search" not in found.tasks

    def test_every_decision_stands_above_its_table_with_its_reasons(self, whole: tuple[Project, Advice]) -> None:
        project, advice = whole
        text = routes(project.load(), advice)
        above = text[: text.index("[tasks.agent]")]
        assert "# KEEP\n# - gpt@gpt-4o -> local@mistral-vllm: MOVE" in above
        assert "# - a chain of tool calls stays" in above
        assert "\n# search is not routed: its vectors come from one model" in text
        assert max(map(len, text.splitlines())) <= 104

    def test_the_order_does_not_depend_on_anything(self, whole: tuple[Project, Advice]) -> None:
        project, advice = whole
        backwards = Advice(advice.advised[::-1], advice.bill)
        assert routes(project.load(), advice) == routes(project.load(), backwards)

    def test_what_somebody_has_set_stays_and_so_do_other_tasks(
        self, whole: tuple[Project, Advice], tmp_path: Path
    ) -> None:
        project, advice = whole
        path = tmp_path / "routing.toml"
        path.write_text(
            '[tiers]\napi_frontier = "gpt-4o"\n[tasks.summaries]\ntiers = ["api_frontier"]\ndeadline_s = 7.5\n'
            'max_usd = 0.01\n[tasks.by_hand]\ntiers = ["api_frontier"]\n[probe]\nevery_s = 9.0\n',
            encoding="utf-8",
        )
        path.write_text(routes(project.load(), advice, routing.load(path, project.load())), encoding="utf-8")
        found = routing.load(path, project.load())
        assert found.backends("summaries") == ("mistral-vllm", "gpt-4o")
        assert (found.tasks["summaries"].deadline_s, found.tasks["summaries"].max_usd) == (7.5, 0.01)
        assert found.backends("by_hand") == ("gpt-4o",)
        assert found.probe.every_s == 9

    def test_a_third_api_has_no_tier_and_is_left_out_with_a_word(self, team: Project, store: Store) -> None:
        more = '\n[backends.{0}]\nprovider = "openai"\nmodel = "gpt-4.1"\nvariant = "gpt"\n'
        team.config(CONFIG + more.format("third"))
        for name, backend in (("one", "gpt-4o-mini"), ("two", "third")):
            team.eval(f'\n[traffic]\ndaily_calls = 500\nbackend = "{backend}"\n', name=name)
        text = routes(team.load(), advise(team.load(), store))
        assert "# two is not routed: third would be a third API" in text
        assert "[tasks.one]" in text


class TestLiteLLM:
    def test_it_is_yaml_with_a_model_of_each_tasks_name_and_its_fallback(self, whole: tuple[Project, Advice]) -> None:
        project, advice = whole
        found = yaml.safe_load(litellm(project.load(), advice))
        models = {one["model_name"]: one["litellm_params"] for one in found["model_list"]}
        assert models["ticket_triage"]["model"] == "hosted_vllm/mistral-7b"
        assert models["ticket_triage"]["api_base"] == "http://vllm.internal:8000/v1"
        assert models["ticket_triage--gpt-4o"]["model"] == "openai/gpt-4o"
        assert models["ticket_triage--gpt-4o"]["api_key"] == "os.environ/OPENAI_API_KEY"
        assert {"ticket_triage": ["ticket_triage--gpt-4o"]} in found["litellm_settings"]["fallbacks"]
        assert models["agent"]["model"] == "openai/gpt-4o"

    def written(self, team: Project, store: Store, keys: str) -> tuple[str, dict[str, Any]]:
        """The file, and what of it is about a candidate of these keys."""
        vllm = 'provider = "vllm"\nbase_url = "http://vllm.internal:8000/v1"\n'
        team.config(CONFIG.replace(vllm, keys))
        reference(store)
        candidate(store)
        text = litellm(team.load(), advise(team.load(), store))
        models = yaml.safe_load(text)["model_list"]
        return text, next(one["litellm_params"] for one in models if one["model_name"] == "triage")

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
    def test_openais_key_is_for_openai_only(self, team: Project, store: Store, keys: str, key: str | None) -> None:
        """LiteLLM sends OPENAI_API_KEY to any server of which its file names no key."""
        _, found = self.written(team, store, keys)
        assert found.get("api_key") == key

    @pytest.mark.parametrize(
        ("provider", "model"), [("openai", "openai"), ("vllm", "openai"), ("ollama", "ollama_chat")]
    )
    def test_a_password_is_left_out_and_the_file_says_how_to_give_it(
        self, team: Project, store: Store, provider: str, model: str
    ) -> None:
        """By `hosted_vllm` a header would be written over by the key."""
        text, found = self.written(
            team, store, f'provider = "{provider}"\nbase_url = "http://bob:s3cretpw@gpu:8000/v1"\n'
        )
        assert "s3cretpw" not in text
        assert "bob" not in text
        assert (found["model"], found["api_base"]) == (f"{model}/mistral-7b", "http://gpu:8000/v1")
        assert "the user and the password of this address are left out" in text
        (given,) = yaml.safe_load(text.replace("# extra_headers", "extra_headers"))["model_list"][:1]
        assert given["litellm_params"]["extra_headers"] == {"Authorization": "os.environ/VARIABLE"}

    def test_an_address_that_is_none_is_told_without_it(self, team: Project, store: Store) -> None:
        with pytest.raises(
            ConfigError, match=r"harness\.toml: base_url in \[backends\.mistral-vllm\] expected http"
        ) as told_:
            self.written(team, store, 'provider = "vllm"\nbase_url = "bob:s3cretpw@gpu:8000/v1"\n')
        assert "s3cretpw" not in str(told_.value)

    def test_a_model_inside_this_process_is_none_for_a_proxy(self, team: Project, store: Store) -> None:
        vllm = 'provider = "vllm"\nbase_url = "http://vllm.internal:8000/v1"\n'
        team.config(CONFIG.replace(vllm, 'provider = "llamacpp"\n'))
        reference(store)
        candidate(store)
        text = litellm(team.load(), advise(team.load(), store))
        assert "# mistral-vllm runs inside the process that asks it" in text
        assert [one["model_name"] for one in yaml.safe_load(text)["model_list"]] == ["triage"]

    def test_no_name_can_break_out_of_its_string(self, team: Project, store: Store) -> None:
        team.config(CONFIG.replace('model = "gpt-4o"\n', "model = 'a\": {b'\nprompt_usd = 1.0\n"))
        text = litellm(team.load(), advise(team.load(), store))
        (one,) = yaml.safe_load(text)["model_list"]
        assert one["litellm_params"]["model"] == 'openai/a": {b'
