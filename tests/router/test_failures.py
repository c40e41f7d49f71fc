"""Servers that fail or reply with rubbish, and what the caller gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from time import perf_counter

import pytest

from harness.core.errors import AllBackendsFailed, BackendUnavailable, ConfigError
from harness.router import ModelRouter

from ..support.lean import Act, refusal
from .conftest import MESSAGES, ROUTING, Desk

KEY = "sk-verysecret-1234567890abcdefghijklmnop"


async def create(router: ModelRouter) -> str:
    reply = await router.chat.completions.create(task="triage", messages=MESSAGES, max_tokens=16)
    return str(reply.choices[0].message.content)


def once(desk: Desk) -> str:
    async def main() -> str:
        async with desk.router() as router:
            return await create(router)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (refusal(500), "server"),
        (refusal(503), "server"),
        (refusal(429, headers="retry-after: 60\r\n"), "rate_limit"),
        (refusal(404, "the model `fake-model` does not exist"), "refused"),
        (refusal(401, "incorrect API key"), "refused"),
        (refusal(400, "the prompt is longer than the context"), "bad_request"),
        (Act(drop=True), "connection"),
        (Act(body=b"<html>busy</html>"), "bad_reply"),
        (Act(body=b'{"choices": '), "bad_reply"),
        (Act(body=b"[]"), "bad_reply"),
        (Act(body=b'{"error": {"message": "out of memory"}}'), "bad_reply"),
        (Act(body=b'{"object": "chat.completion", "choices": []}'), "bad_reply"),
        (Act(body=b'{"object": "chat.completion", "choices": [{}]}'), "bad_reply"),
        (Act(body=b'{"choices": {"a": 1}}'), "bad_reply"),
        (Act(body=b'{"choices": 5}'), "bad_reply"),
        (Act(body=b'{"choices": [null]}'), "bad_reply"),
        (Act(body=b'{"choices": [{"message": "billing"}]}'), "bad_reply"),
        (Act(body=b'{"choices": [{"message": ["billing"]}]}'), "bad_reply"),
        (Act(body=b'{"choices": [{"message": {"content": 5}}]}'), "bad_reply"),
        (Act(body=b'{"choices": ' + b"[" * 5000 + b"]" * 5000 + b"}"), "bad_reply"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["chat", "ask"])
def test_any_invalid_reply_falls_back_to_the_next_target(desk: Desk, act: Act, kind: str, how: str) -> None:
    async def main() -> str:
        async with desk.router() as router:
            desk.local.answer = lambda _: act
            if how == "chat":
                return await create(router)
            answer = await router.ask("triage", text="charged twice")
            assert (answer.backend, answer.fallback) == ("api", "bad_request" if act.status == 400 else kind)
            return str(answer.value)

    assert asyncio.run(main()) == "billing"
    (call,) = desk.calls()
    assert (call.backend, call.fallback, call.attempts, call.error) == ("api", kind, 2, "")
    assert len(desk.api.prompts) == 1


def test_a_server_down_at_the_start_gets_calls_once_it_is_up(desk: Desk) -> None:
    desk.local.kill()

    async def main() -> None:
        async with desk.router() as router:
            assert list(router.down) == ["home"]
            await create(router)
            desk.local.start()
            await until(lambda: not router.down)
            await create(router)

    asyncio.run(main())
    assert [(c.backend, c.fallback) for c in desk.calls()] == [("api", "breaker_open"), ("home", "")]


async def until(condition: Callable[[], bool], within_s: float = 60.0) -> float:
    """Wait for a condition; return the seconds. The limit ends a test that would wait forever."""
    started = perf_counter()
    while not condition():
        assert perf_counter() - started < within_s
        await asyncio.sleep(0.005)
    return perf_counter() - started


@pytest.mark.parametrize("how", ["chat", "ask"])
def test_a_hanging_server_gets_only_its_share_of_the_deadline(desk: Desk, how: str) -> None:
    async def main() -> float:
        async with desk.router() as router:
            desk.local.answer = lambda _: Act(delay_s=30)
            started = perf_counter()
            await (create(router) if how == "chat" else router.ask("triage", text="x"))
            return perf_counter() - started

    assert asyncio.run(main()) >= 1.0, "half of the 2 s: a busy machine needs as long for the second reply"
    assert [(c.backend, c.fallback) for c in desk.calls()] == [("api", "timeout")]


def test_a_server_that_hangs_at_the_start_waits_only_start_s(desk: Desk) -> None:
    desk.routing(text=ROUTING.replace("start_s = 1.0", "start_s = 0.5"))
    desk.local.answer = lambda _: Act(delay_s=30)
    assert once(desk) == "billing"
    assert desk.calls()[0].fallback == "breaker_open"


def test_all_backends_failed_names_every_cause_on_one_line(desk: Desk) -> None:
    async def main() -> None:
        async with desk.router() as router:
            desk.local.answer = lambda _: refusal(500, "CUDA out of memory")
            desk.api.kill()
            with pytest.raises(AllBackendsFailed) as caught:
                await create(router)
            assert [(name, kind) for name, kind, _ in caught.value.causes] == [
                ("home", "server"),
                ("api", "connection"),
            ]
            assert "triage" in str(caught.value)
            assert "CUDA out of memory" in str(caught.value)
            assert "\n" not in str(caught.value)

    asyncio.run(main())
    (call,) = desk.calls()
    assert (call.backend, call.error, call.fallback) == ("", "connection", "server")


def test_the_last_target_is_tried_again_after_a_503(desk: Desk) -> None:
    async def main() -> None:
        async with desk.router() as router:
            desk.local.kill()
            desk.api.next = [refusal(503)]
            await create(router)

    asyncio.run(main())
    assert desk.calls()[0].attempts == 3


def test_a_429_is_waited_for_within_patience_s(desk: Desk) -> None:
    desk.routing("patience_s = 0.5")

    async def main() -> None:
        async with desk.router() as router:
            desk.local.next = [refusal(429, headers="retry-after: 0.1\r\n")]
            await create(router)

    asyncio.run(main())
    assert [(c.backend, c.fallback, c.attempts) for c in desk.calls()] == [("home", "", 2)]


def test_a_wrong_model_name_is_reported_at_the_start(desk: Desk) -> None:
    desk.local.models = ["another"]
    desk.local.answer = lambda _: refusal(404, "no such model")

    async def main() -> str:
        async with desk.router() as router:
            await create(router)
            return router.down["home"]

    assert "lists no model 'fake-model'" in asyncio.run(main())


def test_a_missing_key_is_reported_before_any_request(desk: Desk) -> None:
    desk.config('api_key_env = "API_KEY_OF_NOBODY"\n')
    with pytest.raises(BackendUnavailable, match=r"backend api: .*API_KEY_OF_NOBODY"):
        desk.router()


def test_no_message_and_no_log_row_contains_a_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "sk-secret-1234")
    desk.config('api_key_env = "API_KEY"\n[log]\ntexts = true\n')

    async def main() -> None:
        async with desk.router() as router:
            desk.local.answer = lambda _: Act(text="your key is sk-secret-1234")
            await create(router)
            desk.local.kill()
            desk.api.answer = lambda _: refusal(401, "incorrect key sk-secret-1234")
            with pytest.raises(AllBackendsFailed) as caught:
                await create(router)
            assert "incorrect key ***" in str(caught.value)

    asyncio.run(main())
    assert [c.reply for c in desk.calls()] == ["your key is ***", None]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("filler", range(60, 130, 23))
def test_cutting_a_message_leaves_no_part_of_a_key(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    filler: int,
    status: int,
    *,
    stream: bool,
) -> None:
    monkeypatch.setenv("HOME_KEY", KEY)
    desk.config()
    text = (desk.project.root / "harness.toml").read_text()
    desk.project.config(text.replace("[backends.api]", 'api_key_env = "HOME_KEY"\n\n[backends.api]', 1))
    desk.api.kill()
    body = json.dumps({"error": {"message": "x" * filler + KEY}}).encode()

    async def main() -> str:
        async with desk.router() as router:
            desk.local.answer = lambda _: Act(status=status, body=body)
            with pytest.raises(AllBackendsFailed) as caught:
                await router.chat.completions.create(task="triage", messages=MESSAGES, stream=stream)
            return str(caught.value) + str(router.down)

    assert KEY[:8] not in asyncio.run(main()) + caplog.text + repr(desk.calls())


def test_no_message_contains_the_password_of_openai_base_url(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", desk.local.base_url.replace("//", "//bob:passw0rd1@"))
    text = (desk.project.root / "harness.toml").read_text()
    desk.project.config(text.replace(f'base_url = "{desk.local.base_url}"\n', ""))
    desk.api.kill()
    desk.local.answer = lambda _: refusal(500, "no such user: bob:passw0rd1")

    async def main() -> str:
        async with desk.router() as router:
            with pytest.raises(AllBackendsFailed) as caught:
                await create(router)
            return str(caught.value)

    message = asyncio.run(main())
    assert "no such user" in message
    assert "passw0rd1" not in message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((' "home"', ' "hone"'), ("routing.toml:2:", "[tiers] local", "'hone'", "did you mean 'home'?")),
        (("[tasks.triage]", "[tasks.triaje]"), ("routing.toml:5:", "'triaje'")),
    ],
)  # fmt: skip
def test_an_error_in_the_file_names_line_key_and_suggestion(
    desk: Desk, change: tuple[str, str], says: tuple[str, ...]
) -> None:
    desk.routing(text=ROUTING.replace("{route}", "").replace(*change))
    with pytest.raises(ConfigError) as caught:
        desk.router()
    assert all(part in str(caught.value) for part in says)
    assert "\n" not in str(caught.value)


def test_an_unknown_task_is_an_error_with_the_closest_name(desk: Desk) -> None:
    async def main() -> None:
        async with desk.router() as router:
            with pytest.raises(ConfigError, match=r"no task 'triag' in .*routing.toml \(did you mean 'triage'\?\)"):
                await router.chat.completions.create(task="triag", messages=MESSAGES)
            with pytest.raises(ConfigError, match="no task 'x'"):
                await router.ask("x")

    asyncio.run(main())
