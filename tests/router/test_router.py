"""Routed calls that succeed, and the rules of a whole call: budget, hedging, cancellation, start and close."""

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
from .test_failures import create, until


def within(desk: Desk, work: Callable[[ModelRouter], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with desk.router() as router:
            return await work(router)

    return asyncio.run(main())


def test_create_takes_and_returns_what_the_sdk_does(desk: Desk) -> None:
    async def work(router: ModelRouter) -> Any:
        return await router.chat.completions.create(
            task="triage", messages=MESSAGES, temperature=0.2, max_completion_tokens=9, extra_body={"top_k": 3}
        )

    from openai.types.chat import ChatCompletion

    reply = within(desk, work)
    assert isinstance(reply, ChatCompletion)
    assert reply.choices[0].message.content == "billing"
    body = desk.local.asked[-1]
    assert body == {"messages": MESSAGES, "model": "fake-model", "temperature": 0.2, "max_tokens": 9, "top_k": 3}


def test_omit_and_extra_body_apply_to_routed_calls(desk: Desk) -> None:
    desk.config()
    text = (desk.project.root / "harness.toml").read_text()
    keys = 'omit = ["temperature"]\nmax_tokens_parameter = "max_completion_tokens"\nextra_body = { top_k = 5, min_p = 1 }\n'
    desk.project.config(text.replace("[backends.api]", f"{keys}\n[backends.api]"))

    async def work(router: ModelRouter) -> None:
        await router.chat.completions.create(
            task="triage", messages=MESSAGES, temperature=0.2, max_tokens=9, extra_body={"top_k": 3}
        )

    within(desk, work)
    body = desk.local.asked[-1]
    assert body == {"messages": MESSAGES, "model": "fake-model", "max_completion_tokens": 9, "top_k": 3, "min_p": 1}


def test_create_rejects_a_model_parameter(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        with pytest.raises(TypeError, match="takes no model"):
            await router.chat.completions.create(task="triage", messages=MESSAGES, model="gpt-4o")

    within(desk, work)


def test_ask_renders_the_targets_variant_and_reads_the_reply(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        desk.local.next = [Act("The category is: billing")]
        answer = await router.ask("triage", text="charged twice")
        assert (answer.value, answer.backend, answer.variant, answer.fallback) == ("billing", "home", "local", "")
        assert answer.reading.violations == ("preamble",)
        assert (answer.usd, answer.attempts) == (0.0, 1)
        assert answer.latency_s > 0
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
        ({"txt": "x"}, PromptError, "'text'.*'txt'"),
        ({"text": "x", "labels": ["mine"]}, ConfigError, "input 'labels'"),
    ],
)
def test_inputs_that_do_not_fit_raise_without_a_request(
    desk: Desk, inputs: dict[str, Any], error: type[Exception], says: str
) -> None:
    async def work(router: ModelRouter) -> None:
        with pytest.raises(error, match=says):
            await router.ask("triage", **inputs)

    within(desk, work)
    assert desk.api.prompts == []


def test_a_broken_contract_is_accepted_by_default(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        desk.local.next = [Act("I would rather talk about the weather.")]
        answer = await router.ask("triage", text="x")
        assert (answer.value, answer.backend, answer.reading.compliant) == (None, "home", False)

    within(desk, work)
    assert desk.calls()[0].value is None


def test_escalate_repeats_once_and_then_tries_the_next_target(desk: Desk) -> None:
    desk.routing('on_broken_contract = "escalate"')
    weather = Act("Nice weather.")

    async def work(router: ModelRouter) -> list[tuple[str, str, int]]:
        desk.local.next = [Act("Label: billing"), weather, Act("billing"), weather, weather]
        answers = [await router.ask("triage", text="x") for _ in range(3)]
        return [(a.backend, a.fallback, a.attempts) for a in answers]

    assert within(desk, work) == [("home", "", 1), ("home", "", 2), ("api", "contract", 3)]
    first, second = desk.local.asked[-2:]
    assert (first["temperature"], first["seed"]) == (0.0, 0)
    assert (second["temperature"], second["seed"]) == (0.5, 1)


def test_contract_broken_by_all_backends_is_the_named_cause(desk: Desk) -> None:
    desk.routing('on_broken_contract = "escalate"')

    async def work(router: ModelRouter) -> None:
        desk.local.answer = desk.api.answer = lambda _: Act("Nice weather.")
        with pytest.raises(AllBackendsFailed) as caught:
            await router.ask("triage", text="x")
        assert [(name, kind) for name, kind, _ in caught.value.causes] == [("home", "contract"), ("api", "contract")]

    within(desk, work)
    (call,) = desk.calls()
    assert (call.error, call.attempts) == ("contract", 4)
    assert call.usd == pytest.approx(0.028)


def test_a_backend_above_max_usd_is_not_called(desk: Desk) -> None:
    desk.routing("max_usd = 0.02")

    async def work(router: ModelRouter) -> None:
        desk.local.next = [refusal(500), refusal(500)]
        with pytest.raises(AllBackendsFailed, match=r"api: budget: .*\$0.0\d+.* max_usd = 0.02"):
            await router.ask("triage", text="x")

    within(desk, work)
    assert desk.api.prompts == []


def test_hedging_calls_the_next_target_too_and_first_reply_wins(desk: Desk) -> None:
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


def test_hedging_still_opens_the_breaker_of_a_hanging_target(desk: Desk) -> None:
    desk.routing("hedge_after_s = 0.02")

    async def work(router: ModelRouter) -> list[str]:
        desk.local.answer = lambda _: Act(delay_s=30)
        await asyncio.gather(*(router.ask("triage", text="x") for _ in range(3)))
        assert list(router.down) == ["home"]
        assert "0.02 s" in router.down["home"]
        return [(await router.ask("triage", text="x")).fallback]

    assert within(desk, work) == ["breaker_open"]


def test_the_cost_of_a_cancelled_attempt_is_unknown(desk: Desk) -> None:
    """The first target is the paid one."""
    text = ROUTING.replace("{route}", "hedge_after_s = 0.05")
    desk.routing(text=text.replace('"home"', '"x"').replace('"api"', '"home"').replace('"x"', '"api"'))

    async def work(router: ModelRouter) -> None:
        desk.api.next = [Act(delay_s=30)]
        answer = await router.ask("triage", text="x")
        assert (answer.backend, answer.usd) == ("home", None)

    within(desk, work)


def test_hedging_starts_the_next_target_only_when_needed(desk: Desk) -> None:
    desk.routing(text=ROUTING.replace("2.0", "600.0").replace("{route}", "hedge_after_s = 500"))

    async def work(router: ModelRouter) -> None:
        assert (await router.ask("triage", text="x")).backend == "home"
        desk.local.next = [refusal(500)]
        assert (await router.ask("triage", text="x")).fallback == "server"

    within(desk, work)
    assert len(desk.api.prompts) == 1


@pytest.mark.parametrize("how", [create, lambda router: router.ask("triage", text="x")])
def test_without_hedging_targets_are_called_one_at_a_time(
    desk: Desk, how: Callable[[ModelRouter], Awaitable[Any]]
) -> None:
    desk.routing(text=ROUTING.replace("2.0", "1.2"))
    open_calls: list[int] = []

    def count_open_calls(_: dict[str, Any]) -> Act:
        asyncio.get_running_loop().call_later(0.02, lambda: open_calls.append(desk.local.waited_for))
        return Act(delay_s=0.05)

    async def work(router: ModelRouter) -> None:
        desk.local.answer = lambda _: Act(delay_s=30)
        desk.api.answer = count_open_calls
        await how(router)

    within(desk, work)
    assert open_calls == [0]
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


def test_close_ends_calls_in_flight_with_harness_error(desk: Desk) -> None:
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


def test_close_during_the_start_raises_harness_error(desk: Desk) -> None:
    async def main() -> None:
        desk.local.answer = desk.api.answer = lambda _: Act(delay_s=30)
        router = desk.router()
        call = asyncio.create_task(create(router))
        await asyncio.sleep(0.05)
        await router.close()
        with pytest.raises(HarnessError, match="the router is closed"):
            await call

    asyncio.run(main())


def test_a_caller_cancelled_during_the_start_affects_no_other(desk: Desk) -> None:
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


def test_the_sdks_timeout_parameter_applies(desk: Desk) -> None:
    desk.routing(text=ROUTING.replace("2.0", "60.0"))

    async def work(router: ModelRouter) -> None:
        desk.local.next = [Act(delay_s=10)]
        await router.chat.completions.create(task="triage", messages=MESSAGES, timeout=0.1)

    within(desk, work)
    assert [(call.backend, call.fallback) for call in desk.calls()] == [("api", "timeout")]


def test_models_are_loaded_at_the_start_and_after_a_restart(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        assert [body["messages"][0]["content"] for body in desk.local.asked] == [WARM_UP]
        await create(router)
        desk.local.kill()
        for _ in range(3):
            await create(router)
        assert list(router.down) == ["home"]
        desk.local.start()
        await until(lambda: not router.down)
        await create(router)

    within(desk, work)
    warm_ups = [body["messages"][0]["content"] == WARM_UP for body in desk.local.asked]
    assert warm_ups == [True, False, True, False]


def test_the_first_call_starts_the_router(desk: Desk) -> None:
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
    """Make the task an embedding task; with `url`, served by one backend there."""
    desk.project.prompt("{{ role }}: {{ text }}", "{{ role }}: {{ text }}", name="search")
    desk.project.write("datasets/passages.jsonl", json.dumps({"id": "p1", "title": "a", "text": "b"}) + "\n")
    desk.project.eval(text=EMBEDDING)
    if url:
        desk.project.config(CONFIG.format(local=url, api=url).replace('"local"', '"local"\nserves = ["embeddings"]'))
        desk.routing(text=ROUTING.replace("{route}", "").replace('["local", "api_frontier"]', '["local"]'))


def test_ask_returns_a_vector_for_an_embedding_task(desk: Desk, server: FakeOpenAI) -> None:
    searched(desk, server.base_url)

    async def work(router: ModelRouter) -> None:
        answer = await router.ask("triage", text="refund")
        assert len(answer.value) == 26
        assert answer.reading.compliant

    within(desk, work)
    assert server.chats[-1].prompt == "query: refund"
    assert desk.calls()[0].value is None


def test_an_embedding_task_must_have_a_single_tier(desk: Desk, server: FakeOpenAI) -> None:
    searched(desk, server.base_url)
    desk.config()
    desk.project.config(
        (desk.project.root / "harness.toml").read_text().replace("variant", 'serves = ["embeddings"]\nvariant')
    )
    desk.routing()
    with pytest.raises(ConfigError, match=r"routing.toml:6: triage needs vectors.* name one tier"):
        desk.router()


def test_a_backend_without_embeddings_is_an_error_at_the_start(desk: Desk) -> None:
    searched(desk)
    with pytest.raises(ConfigError, match=r"routing.toml:6: triage needs embeddings.* backend home"):
        desk.router()


def test_a_routing_without_tasks_starts_and_rejects_calls(desk: Desk) -> None:
    desk.routing(text='[tiers]\nlocal = "home"\n')

    async def work(router: ModelRouter) -> None:
        with pytest.raises(ConfigError, match="no task 'triage' in"):
            await create(router)

    within(desk, work)
