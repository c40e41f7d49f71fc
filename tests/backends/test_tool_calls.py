"""Tool calls: requests, uniform replies, and models without tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness.core.errors import BackendError
from harness.core.types import Response

from ..support.backend_calls import ask, configured, request
from ..support.servers import Fake, FakeOllama, FakeOpenAI, Reply, chat, closing, completion, tool_call
from .test_llamacpp import MODEL_FILE, embedded

REFUND = {
    "type": "function",
    "function": {
        "name": "refund",
        "description": "Give money back",
        "parameters": {
            "type": "object",
            "properties": {
                "invoice": {"type": "string", "pattern": "^INV-"},
                "money": {"type": "object", "properties": {"amount": {"type": "number", "minimum": 0}}},
            },
            "required": ["invoice"],
            "additionalProperties": False,
        },
    },
}
OFFERED = replace(request("Refund INV-7"), tools=(REFUND,))


@pytest.fixture
def server(provider: str) -> Iterator[Fake]:
    with closing(FakeOllama() if provider == "ollama" else FakeOpenAI()) as fake:
        yield fake


def offered(provider: str, server: Fake, reply: Reply) -> Response:
    server.next(reply)
    base_url = server.base_url if isinstance(server, FakeOpenAI) else server.root
    return ask(configured(provider, base_url), OFFERED)[0]


def called(provider: str, *calls: Any) -> Reply:
    """Return a reply with tool calls. Ollama's calls have no id, and their arguments are an object."""
    if provider != "ollama":
        return Reply(json=completion(None, finish_reason="tool_calls", tool_calls=list(calls)))
    own = [{"function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}} for call in calls]
    return Reply(json=chat(message={"role": "assistant", "content": "", "tool_calls": own}))


def test_tools_are_sent_with_their_complete_schema(server: Fake, provider: str) -> None:
    offered(provider, server, Reply("I cannot."))
    body = server.chats[0].body
    assert body["tools"] == [REFUND]
    assert "tool_choice" not in body
    if provider == "ollama":
        assert (body["stream"], body["options"]["temperature"]) == (False, 0.0)


def test_without_tools_none_are_sent(server: Fake, provider: str) -> None:
    ask(configured(provider, server.base_url if isinstance(server, FakeOpenAI) else server.root))
    assert not server.chats[0].body.get("tools")


def test_tool_calls_have_one_shape_with_text_arguments(server: Fake, provider: str) -> None:
    calls = [tool_call(), tool_call("close", '{"why": "résumé", "n": 1.0, "sure": true}')]
    first, second = offered(provider, server, called(provider, *calls)).tool_calls
    assert first["type"] == "function"
    assert isinstance(first["id"], str)
    assert first["function"] == {"name": "refund", "arguments": '{"invoice": "INV-7"}'}
    assert second["function"] == {"name": "close", "arguments": '{"why": "résumé", "n": 1.0, "sure": true}'}


def test_calls_without_an_id_are_numbered() -> None:
    with closing(FakeOllama()) as server:
        calls = offered("ollama", server, called("ollama", tool_call(), tool_call())).tool_calls
    assert [call["id"] for call in calls] == ["call_0", "call_1"]


@pytest.mark.parametrize(
    ("sent", "text"), [("", ""), ("{broken", "{broken"), ({"a": 1}, '{"a": 1}'), (None, "null"), (["x"], '["x"]')]
)
def test_tool_arguments_are_text_or_written_as_json(sent: Any, text: str) -> None:
    with closing(FakeOpenAI()) as server:
        (call,) = offered("openai", server, called("openai", tool_call(arguments=sent))).tool_calls
    assert call["function"]["arguments"] == text


@pytest.mark.parametrize(
    "call", [{"id": "c"}, {"function": None}, {"function": {"name": None}}, {"function": {"arguments": "{}"}}, "refund"]
)
def test_tool_call_without_function_is_a_call_error(call: Any) -> None:
    with closing(FakeOpenAI()) as server:
        reply = Reply(json=completion(None, tool_calls=[call]))
        found = offered("openai", server, reply).error
    assert found is not None
    assert (found.kind, found.retryable) == ("bad_reply", True)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "registry.ollama.ai/library/fake-model does not support tools"),  # Ollama
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),  # vLLM
        (500, "tools param requires --jinja flag"),  # llama-server
        (400, "Unsupported parameter: 'tools' is not supported with this model."),  # OpenAI
    ],
)
def test_model_without_tools_stops_the_run_with_advice(server: Fake, provider: str, status: int, said: str) -> None:
    body = {"error": said} if provider == "ollama" else {"error": {"message": said}}
    with pytest.raises(BackendError, match=r"takes no tools for 'fake-model' .*enable them in the server") as caught:
        offered(provider, server, Reply(status=status, json=body))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (500, "error parsing tool call: raw='{', err=unexpected end of JSON input", "server"),  # Ollama, one reply
        (400, "This model's maximum context length is 4096 tokens; your tools have 5000", "bad_request"),
    ],
)
def test_failure_of_one_request_is_a_call_error(server: Fake, provider: str, status: int, said: str, kind: str) -> None:
    body = {"error": said} if provider == "ollama" else {"error": {"message": said}}
    found = offered(provider, server, Reply(status=status, json=body)).error
    assert found is not None
    assert found.kind == kind


@pytest.mark.model
@pytest.mark.skipif(not MODEL_FILE.is_file(), reason="the model is not in the cache")
def test_template_without_tools_is_an_error() -> None:
    # llama.cpp drops them silently: every "no call" would then look like the model's own decision
    with pytest.raises(BackendError, match=r"does not support tools.*set calls = \"text\""):
        ask(embedded(n_ctx=512), OFFERED)
