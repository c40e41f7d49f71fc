"""Routed calls where all goes well, and the rules that hold over the whole chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import pytest

from harness.core.errors import AllBackendsFailed, ConfigError, HarnessError, PromptError
from harness.router import ModelRouter

from ..support.lean import WARM_UP, Act, refusal
from ..support.servers import FakeOpenAI
from .conftest import CONFIG, MESSAGES, ROUTING, Desk
from .test_faults import create, until


def within(desk: Desk, work: Callable[[ModelRouter], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with desk.router() as router:
            return await work(router)

    return asyncio.run(main())


def test_the_call_is_the_sdks_and_so_is_the_reply(desk: Desk) -> None:
    async def work(router: ModelRouter) -> Any:
        return await router.chat.completions.create(
            task="triage", messages=MESSAGES, temperature=0.2, max_completion_tokens=9, extra_body={"top_k": 3}
        )

    from openai.types.chat import ChatCompletion

    reply = within(desk, work)
    assert isinstance(reply, ChatCompletion)
    assert reply.choices[0].message.content == "billing"
    asked = desk.local.asked[-1]
    assert asked == {"messages": MESSAGES, "model": "fake-model", "temperature": 0.2, "max_tokens": 9, "top_k": 3}


def test_a_server_is_told_what_its_keys_in_harness_toml_say(desk: Desk) -> None:
    desk.config()
    text = (desk.project.root / "harness.toml").read_text()
    keys = 'omit = ["temperature"]\nmax_tokens_parameter = "max_completion_tokens"\nextra_body = { top_k = 5, min_p = 1 }\n'
    desk.project.config(text.replace("[backends.api]", f"{keys}\n[backends.api]"))

    async def work(router: ModelRouter) -> None:
        await router.chat.completions.create(
            task="triage", messages=MESSAGES, temperature=0.2, max_tokens=9, extra_body={"top_k": 3}
        )

    within(desk, work)
    asked = desk.local.asked[-1]
    assert asked == {"messages": MESSAGES, "model": "fake-model", "max_completion_tokens": 9, "top_k": 3, "min_p": 1}


def test_a_model_is_routing_tomls_to_name(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        with pytest.raises(TypeError, match="takes no model"):
            await router.chat.completions.create(task="triage", messages=MESSAGES, model="gpt-4o")

    within(desk, work)


def test_ask_renders_the_variant_of_whoever_answers_and_reads_the_reply(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        desk.local.next = [Act("The category is: billing")]
        answer = await router.ask("triage", text="charged twice")
        assert (answer.value, answer.backend, answer.variant, answer.fallback) == ("billing", "home", "local", "")
        assert answer.reading.violations == ("preamble",)
        assert (answer.usd, answer.attempts) == (0.0, 1)
        assert 0 < answer.latency_s < 2
        desk.local.next = [refusal(500)]
        answer = await router.ask("triage", text="charged twice")
        assert (answer.backend, answer.variant, answer.fallback, answer.attempts) == ("api", "gpt", "server", 2)
        assert answer.usd == pytest.approx(0.014)

    within(desk, work)
    assert desk.local.prompts == ["Ticket: charged twice\nCategory:"] * 2
    assert desk.api.prompts == ["charged twice"]
    home, api = desk.calls()
    assert (home.variant, home.compliant, home.violations, home.value) == ("local", False, ("preamble",), "billing")
    assert (api.variant, api.compliant, api.prompt_tokens, api.completion_tokens) == ("gpt", True, 11, 3)
    assert home.fingerprint
    assert home.fingerprint != api.fingerprint
    assert (home.inputs, home.reply, home.reply_chars) == (None, None, 24)


@pytest.mark.parametrize(
    ("inputs", "error", "says"),
    [
        ({"txt": "x"}, PromptError, r"'text' is undefined \(did you mean 'txt'\?\)"),
        ({"text": "x", "labels": ["mine"]}, ConfigError, "input 'labels' has the name of a variable"),
    ],
)
def test_inputs_that_do_not_fit_are_the_callers_mistake(
    desk: Desk, inputs: dict[str, Any], error: type[Exception], says: str
) -> None:
    async def work(router: ModelRouter) -> None:
        with pytest.raises(error, match=says):
            await router.ask("triage", **inputs)

    within(desk, work)
    assert desk.api.prompts == []


def test_a_broken_contract_is_accepted_unless_the_route_says_otherwise(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        desk.local.next = [Act("I would rather talk about the weather.")]
        answer = await router.ask("triage", text="x")
        assert (answer.value, answer.backend, answer.reading.compliant) == (None, "home", False)

    within(desk, work)
    assert desk.calls()[0].value is None


def test_escalating_reads_leniently_asks_once_more_and_then_asks_the_next(desk: Desk) -> None:
    desk.routing('on_broken_contract = "escalate"')
    weather = Act("Nice weather.")

    async def work(router: ModelRouter) -> list[tuple[str, str, int]]:
        desk.local.next = [Act("Label: billing"), weather, Act("billing"), weather, weather]
        answers = [await router.ask("triage", text="x") for _ in range(3)]
        return [(a.backend, a.fallback, a.attempts) for a in answers]

    assert within(desk, work) == [("home", "", 1), ("home", "", 2), ("api", "contract", 3)]
    first, again = desk.local.asked[-2:]
    assert (first["temperature"], first["seed"]) == (0.0, 0)
    assert (again["temperature"], again["seed"]) == (0.5, 1)


def test_where_every_contract_is_broken_that_is_what_the_exception_says(desk: Desk) -> None:
    desk.routing('on_broken_contract = "escalate"')

    async def work(router: ModelRouter) -> None:
        desk.local.answer = desk.api.answer = lambda _: Act("Nice weather.")
        with pytest.raises(AllBackendsFailed, match=r"home: contract: asked twice, .* \(\w+.*\); api: contract: "):
            await router.ask("triage", text="x")

    within(desk, work)
    (call,) = desk.calls()
    assert (call.error, call.attempts) == ("contract", 4)
    assert call.usd == pytest.approx(0.028)


def test_no_backend_is_asked_that_would_cost_more_than_a_call_may(desk: Desk) -> None:
    desk.routing("max_usd = 0.02")

    async def work(router: ModelRouter) -> None:
        desk.local.next = [refusal(500), refusal(500)]
        with pytest.raises(
            AllBackendsFailed, match=r"api: budget: not asked: \$0.0\d+ in all is more than the \$0.02 of a call"
        ):
            await router.ask("triage", text="x")

    within(desk, work)
    assert desk.api.prompts == []


def test_hedging_asks_the_next_one_too_and_takes_the_first_answer(desk: Desk) -> None:
    desk.routing("hedge_after_s = 0.1")

    async def work(router: ModelRouter) -> tuple[str, str, float]:
        desk.local.next = [Act(delay_s=30)]
        started = perf_counter()
        answer = await router.ask("triage", text="x")
        return answer.backend, answer.fallback, perf_counter() - started

    backend, fallback, seconds = within(desk, work)
    assert (backend, fallback) == ("api", "hedge")
    assert seconds >= 0.1
    assert (len(desk.local.prompts), len(desk.api.prompts)) == (1, 1)


def test_one_that_hangs_is_found_out_when_hedging_too(desk: Desk) -> None:
    desk.routing("hedge_after_s = 0.02")

    async def work(router: ModelRouter) -> list[str]:
        desk.local.answer = lambda _: Act(delay_s=30)
        await asyncio.gather(*(router.ask("triage", text="x") for _ in range(3)))
        assert router.down == {"home": "overtaken by one that was asked 0.02 s later"}
        return [(await router.ask("triage", text="x")).fallback]

    assert within(desk, work) == ["breaker_open"]


def test_what_a_call_that_was_called_off_has_cost_is_not_known(desk: Desk) -> None:
    """The first one being the paid one."""
    text = ROUTING.replace("{route}", "hedge_after_s = 0.05")
    desk.routing(text=text.replace('"home"', '"x"').replace('"api"', '"home"').replace('"x"', '"api"'))

    async def work(router: ModelRouter) -> None:
        desk.api.next = [Act(delay_s=30)]
        answer = await router.ask("triage", text="x")
        assert (answer.backend, answer.usd) == ("home", None)

    within(desk, work)


def test_hedging_does_not_wait_after_a_failure_and_asks_nobody_else_after_an_answer(desk: Desk) -> None:
    desk.routing(text=ROUTING.replace("2.0", "600.0").replace("{route}", "hedge_after_s = 500"))

    async def work(router: ModelRouter) -> None:
        assert (await router.ask("triage", text="x")).backend == "home"
        desk.local.next = [refusal(500)]
        assert (await router.ask("triage", text="x")).fallback == "server"

    within(desk, work)
    assert len(desk.api.prompts) == 1


@pytest.mark.parametrize("how", [create, lambda router: router.ask("triage", text="x")])
def test_without_hedging_the_second_is_asked_only_when_the_first_has_been_hung_up_on(
    desk: Desk, how: Callable[[ModelRouter], Awaitable[Any]]
) -> None:
    desk.routing(text=ROUTING.replace("2.0", "1.2"))
    waited_for: list[int] = []

    def looks_back(_: dict[str, Any]) -> Act:
        asyncio.get_running_loop().call_later(0.02, lambda: waited_for.append(desk.local.waited_for))
        return Act(delay_s=0.05)

    async def work(router: ModelRouter) -> None:
        desk.local.answer = lambda _: Act(delay_s=30)
        desk.api.answer = looks_back
        await how(router)

    within(desk, work)
    assert waited_for == [0]
    assert len(desk.local.prompts) == 1


@pytest.mark.parametrize("route", ["", "hedge_after_s = 0.05"])
def test_cancellation_leaves_nothing_running(desk: Desk, route: str) -> None:
    desk.routing(route)

    async def main() -> None:
        router = desk.router()
        async with router:
            before = asyncio.all_tasks()
            desk.local.answer = desk.api.answer = lambda _: Act(delay_s=30)
            calls = [asyncio.create_task(create(router)), asyncio.create_task(router.ask("triage", text="x"))]
            await asyncio.sleep(0.2)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert all(call.cancelled() for call in calls)
            assert asyncio.all_tasks() == before
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with pytest.raises(HarnessError, match="the router is closed"):
            await create(router)
        await router.close()

    asyncio.run(main())
    assert [(call.backend, call.error, call.fallback) for call in desk.calls()] == [("", "cancelled", "")] * 2


def test_a_call_that_is_under_way_when_the_router_is_closed_says_so(desk: Desk) -> None:
    async def main() -> None:
        router = desk.router()
        await router.start()
        desk.local.answer = desk.api.answer = lambda _: Act(delay_s=30)
        calls = [asyncio.create_task(create(router)), asyncio.create_task(router.ask("triage", text="x"))]
        await asyncio.sleep(0.1)
        await router.close()
        for call in calls:
            with pytest.raises(HarnessError, match="the router is closed"):
                await call

    asyncio.run(main())


def test_who_waits_for_the_start_of_a_router_that_is_closed_is_not_cancelled_but_told(desk: Desk) -> None:
    async def main() -> None:
        desk.local.answer = desk.api.answer = lambda _: Act(delay_s=30)
        router = desk.router()
        call = asyncio.create_task(create(router))
        await asyncio.sleep(0.05)
        await router.close()
        with pytest.raises(HarnessError, match="the router is closed"):
            await call

    asyncio.run(main())


def test_a_caller_that_gives_up_during_the_start_takes_no_other_with_it(desk: Desk) -> None:
    async def main() -> str:
        desk.local.answer = desk.api.answer = lambda _: Act(delay_s=0.2)
        router = desk.router()
        first, second = (asyncio.create_task(create(router)) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        try:
            return await second
        finally:
            await router.close()

    assert asyncio.run(main()) == "billing"


def test_the_sdks_own_time_limit_holds(desk: Desk) -> None:
    desk.routing(text=ROUTING.replace("2.0", "60.0"))

    async def work(router: ModelRouter) -> None:
        desk.local.next = [Act(delay_s=10)]
        await router.chat.completions.create(task="triage", messages=MESSAGES, timeout=0.1)

    within(desk, work)
    assert [(call.backend, call.fallback) for call in desk.calls()] == [("api", "timeout")]


def test_models_are_loaded_before_anybody_is_served_and_again_after_a_restart(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        assert [asked["messages"][0]["content"] for asked in desk.local.asked] == [WARM_UP]
        await create(router)
        desk.local.kill()
        for _ in range(3):
            await create(router)
        assert list(router.down) == ["home"]
        desk.local.start()
        await until(lambda: not router.down)
        await create(router)

    within(desk, work)
    asked = [asked["messages"][0]["content"] == WARM_UP for asked in desk.local.asked]
    assert asked == [True, False, True, False]


def test_the_first_call_starts_a_router_that_was_not_started(desk: Desk) -> None:
    async def main() -> None:
        router = desk.router()
        assert await asyncio.gather(create(router), create(router)) == ["billing", "billing"]
        await router.close()

    asyncio.run(main())
    assert len(desk.local.asked) == 3


EMBEDDING = """\
task = "embedding"
prompt = "search"
dataset = "tickets"
passages = "datasets/passages.jsonl"
"""


def searched(desk: Desk, url: str = "") -> None:
    """The task asks for vectors; with `url`, from one backend there."""
    desk.project.prompt("{{ role }}: {{ text }}", "{{ role }}: {{ text }}", name="search")
    desk.project.write("datasets/passages.jsonl", json.dumps({"id": "p1", "title": "a", "text": "b"}) + "\n")
    desk.project.eval(text=EMBEDDING)
    if url:
        desk.project.config(CONFIG.format(local=url, api=url).replace('"local"', '"local"\nserves = ["embeddings"]'))
        desk.routing(text=ROUTING.replace("{route}", "").replace('["local", "api_frontier"]', '["local"]'))


def test_a_vector_can_be_asked_for(desk: Desk, server: FakeOpenAI) -> None:
    searched(desk, server.base_url)

    async def work(router: ModelRouter) -> None:
        answer = await router.ask("triage", text="refund")
        assert len(answer.value) == 26
        assert answer.reading.compliant

    within(desk, work)
    assert server.chats[-1].prompt == "query: refund"
    assert desk.calls()[0].value is None


def test_vectors_of_two_models_cannot_stand_in_for_each_other(desk: Desk, server: FakeOpenAI) -> None:
    searched(desk, server.base_url)
    desk.config()
    desk.project.config(
        (desk.project.root / "harness.toml").read_text().replace("variant", 'serves = ["embeddings"]\nvariant')
    )
    desk.routing()
    with pytest.raises(ConfigError, match=r"routing.toml:6: triage asks for vectors, and those of two models cannot"):
        desk.router()


def test_a_backend_that_does_not_serve_what_a_task_asks_for_is_found_at_once(desk: Desk) -> None:
    searched(desk)
    with pytest.raises(
        ConfigError, match=r"routing.toml:6: triage needs embeddings, which backend home does not serve"
    ):
        desk.router()


def test_a_routing_without_tasks_starts_and_says_that_there_are_none(desk: Desk) -> None:
    desk.routing(text='[tiers]\nlocal = "home"\n')

    async def work(router: ModelRouter) -> None:
        with pytest.raises(ConfigError, match="no task 'triage' in"):
            await create(router)

    within(desk, work)
