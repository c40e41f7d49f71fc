"""Constrained decoding: the request to each kind of server, unwrapped replies, and servers without support."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import backends
from harness.backends import constrained_decoding
from harness.core.errors import BackendError
from harness.core.types import Constraint, Response, Sampling

from ..support.backend_calls import ask, configured, identify, request
from ..support.servers import Fake, FakeOllama, FakeOpenAI, Reply, chat, closing, completion, error
from .test_llamacpp import embedded, llama_server, with_model

LABELS = ("billing", "technical", "not technical")
CHOICES = Constraint(choices=LABELS)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "vendor": {"type": "string"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}},
        "type": {"type": ["object", "null"], "additionalProperties": True},
    },
}
RECORD = Constraint(schema=SCHEMA)


@pytest.fixture
def server(provider: str) -> Iterator[Fake]:
    with closing(FakeOllama() if provider == "ollama" else FakeOpenAI()) as fake:
        yield fake


def url(server: Fake) -> str:
    return server.base_url if isinstance(server, FakeOpenAI) else server.root


def constrained(
    provider: str, server: Fake, constraint: Constraint, reply: Reply, stop: tuple[str, ...] = (), **config: Any
) -> Response:
    server.next(reply)
    return ask(configured(provider, url(server), **config), replace(request(stop=stop), constraint=constraint))[0]


def body_of(provider: str, constraint: Constraint, said: str, **config: Any) -> Any:
    with closing(FakeOllama() if provider == "ollama" else FakeOpenAI()) as server:
        constrained(provider, server, constraint, Reply(said), **config)
        return server.chats[0].body


# Requests


def test_openai_gets_an_object_around_the_choices() -> None:
    told = body_of("openai", CHOICES, "billing")["response_format"]
    assert told["type"] == "json_schema"
    assert (told["json_schema"]["name"], told["json_schema"]["strict"]) == ("answer", True)
    assert told["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(LABELS)}},
        "required": ["answer"],
        "additionalProperties": False,
    }


def test_self_hosted_server_gets_the_schema_unchanged() -> None:
    assert body_of("openai", RECORD, "{}")["response_format"]["json_schema"]["schema"] == SCHEMA


def test_hosted_service_gets_closed_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
    with closing(FakeOpenAI()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        server.next(Reply("{}"))
        ask(configured("openai"), replace(request(), constraint=RECORD))
        sent = server.chats[0].body["response_format"]["json_schema"]["schema"]
    assert sent["additionalProperties"] is False
    assert sent["properties"]["items"]["items"]["additionalProperties"] is False
    assert sent["properties"]["type"] == SCHEMA["properties"]["type"]  # an explicit additionalProperties is kept
    assert set(sent["properties"]) == set(SCHEMA["properties"])
    assert "required" not in sent  # the harness does not change the schema: the service reports the missing key


def test_vllm_gets_choices_or_a_schema() -> None:
    assert body_of("vllm", CHOICES, "billing")["structured_outputs"] == {"choice": list(LABELS)}
    assert body_of("vllm", RECORD, "{}")["structured_outputs"] == {"json": SCHEMA}


@pytest.mark.parametrize(
    ("version", "option", "key"),
    [
        ("0.10.2", None, "guided_choice"),
        ("0.9.1+cpu", None, "guided_choice"),
        ("0.11.0", None, "structured_outputs"),
        ("1.2.3", None, "structured_outputs"),
        ("0.1.dev1+g1234", None, "structured_outputs"),
        ("a fork", None, "structured_outputs"),
        ("0.10.2", "structured_outputs", "structured_outputs"),
        ("1.2.3", "guided", "guided_choice"),
    ],
)
def test_vllm_parameter_follows_version_unless_configured(version: str, option: str | None, key: str) -> None:
    async def talk(base_url: str) -> None:
        backend = backends.connect(configured("vllm", base_url, **({"structured": option} if option else {})))
        await backend.identify()
        await backend.complete(replace(request(), constraint=CHOICES))
        await backend.close()

    with closing(FakeOpenAI(version=version)) as server:
        asyncio.run(talk(server.base_url))
        body = server.chats[0].body
    assert {"guided_choice", "structured_outputs"} & set(body) == {key}


def test_ollama_gets_a_schema_as_format() -> None:
    assert body_of("ollama", CHOICES, '"billing"')["format"] == {"type": "string", "enum": list(LABELS)}
    assert body_of("ollama", RECORD, "{}")["format"] == SCHEMA


def test_llama_cpp_gets_a_grammar_of_the_choices() -> None:
    told = constrained_decoding.grammar(
        Constraint(choices=('say "no"', "a\\b", "two\nlines\t\r", "été 日本 😀", "[a-z]*"))
    )
    assert told == {
        "grammar": r'root ::= "say \"no\"" | "a\\b" | "two\nlines\t\r" | "été 日本 😀" | "[a-z]*"',
    }
    assert constrained_decoding.grammar(RECORD)["response_format"]["json_schema"]["schema"] == SCHEMA


def test_wrapped_choice_has_room_and_no_stop_strings(server: Fake, provider: str) -> None:
    constrained(provider, server, CHOICES, Reply("billing"), stop=("\n",))
    body = server.chats[0].body
    sent = body["options"] if provider == "ollama" else body
    limit = sent["num_predict"] if provider == "ollama" else sent["max_tokens"]
    assert (sent.get("stop"), limit) == ((["\n"], 256) if provider == "vllm" else (None, 256 + 16))


def test_schema_json_is_the_reply_with_room_and_stop_strings(server: Fake, provider: str) -> None:
    constrained(provider, server, RECORD, Reply("{}"), stop=("###",))
    body = server.chats[0].body
    sent = body["options"] if provider == "ollama" else body
    assert sent["stop"] == ["###"]
    assert 256 in (sent.get("num_predict"), sent.get("max_tokens"))


def test_free_decoding_sends_no_constraint(server: Fake, provider: str) -> None:
    ask(configured(provider, url(server)))
    assert not {"response_format", "structured_outputs", "format", "grammar"} & set(server.chats[0].body)


# Replies


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ('{"answer": "billing"}', "billing"),
        ('{\n  "answer": "not technical"\n}\n', "not technical"),
        ('"technical"', "technical"),
        ("technical", "technical"),
        ('{"answer": "refund"}', '{"answer": "refund"}'),
        ('{"answer": "billing", "why": "money"}', '{"answer": "billing", "why": "money"}'),
        ('{"label": "billing"}', '{"label": "billing"}'),
        ('{"answer": ["billing"]}', '{"answer": ["billing"]}'),
        ('{"answer": "bil', '{"answer": "bil'),
        ('"bil', '"bil'),
        ("", ""),
    ],
)
@pytest.mark.parametrize("provider", ["openai", "ollama"], indirect=True)
def test_choice_is_unwrapped_only_from_an_exact_reply(server: Fake, provider: str, said: str, read: str) -> None:
    assert constrained(provider, server, CHOICES, Reply(said)).text == read


@pytest.mark.parametrize("said", ["billing", " billing", "not tech", ""])
def test_vllm_choice_is_not_wrapped(said: str) -> None:
    with closing(FakeOpenAI()) as server:
        assert constrained("vllm", server, CHOICES, Reply(said)).text == said


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, unique=True), st.data())
def test_any_wrapped_label_is_unwrapped_unchanged(labels: list[str], data: st.DataObject) -> None:
    constraint = Constraint(choices=tuple(labels))
    label = data.draw(st.sampled_from(labels))
    for wrapped in (json.dumps({"answer": label}), json.dumps(label)):
        if wrapped not in labels:
            assert constrained_decoding.unwrapped(constraint, wrapped) == label
            assert constrained_decoding.obeys(constraint, label, bare=True)


def test_schema_json_is_not_unwrapped(server: Fake, provider: str) -> None:
    said = '{"vendor": "ACME",  "answer": "billing"}'
    assert constrained(provider, server, RECORD, Reply(said)).text == said


def test_refusal_and_failed_call_break_no_constraint(server: Fake, provider: str) -> None:
    found = constrained(provider, server, CHOICES, Reply(status=503, json={"error": "busy"})).error
    assert found is not None
    assert found.kind == "server"
    if provider == "openai":
        refused = constrained(provider, server, CHOICES, Reply(json=completion(None, refusal="No.")))
        assert (refused.text, refused.refusal) == ("", "No.")


# Servers without support


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (CHOICES, "The category is: billing."),
        (CHOICES, "Technical"),
        (RECORD, "```json\n{}\n```"),
        (RECORD, "Sure: {}"),
    ],
)
def test_server_that_ignores_a_constraint_stops_the_run(
    server: Fake, provider: str, constraint: Constraint, said: str
) -> None:
    with pytest.raises(BackendError, match=r"backend mine: http.* it does not constrain the replies") as caught:
        constrained(provider, server, constraint, Reply(said))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
        (400, "Invalid schema for response_format 'answer': In context=(), 'required' is required to be supplied"),
        (400, "Failed to initialize samplers: failed to parse grammar"),
        (422, "structured_outputs: extra fields not permitted"),
        (400, "invalid JSON schema in format"),
    ],
)
def test_rejected_constraint_stops_the_run(server: Fake, provider: str, status: int, said: str) -> None:
    body = {"error": said} if provider == "ollama" else {"error": {"message": said}}
    with pytest.raises(BackendError, match=r"cannot decode under this constraint .*free decoding") as caught:
        constrained(provider, server, CHOICES, Reply(status=status, json=body))
    assert said in str(caught.value)


def test_too_long_text_is_no_constraint_error() -> None:
    with closing(FakeOpenAI()) as server:
        said = "the request exceeds the available context size: response_format"
        found = constrained("openai", server, CHOICES, error(400, said)).error
    assert found is not None
    assert found.kind == "bad_request"


def test_unknown_vllm_version_uses_the_newer_parameter() -> None:
    with closing(FakeOpenAI()) as server:
        assert identify(configured("vllm", server.base_url)).engine_version == ""
        constrained("vllm", server, CHOICES, Reply("billing"))
        assert "structured_outputs" in server.chats[0].body


def test_ollama_thinking_is_not_in_the_reply() -> None:
    message = {"role": "assistant", "content": '"billing"', "thinking": "Money, so billing."}
    with closing(FakeOllama()) as server:
        assert constrained("ollama", server, CHOICES, Reply(json=chat(message=message))).text == "billing"


# llama.cpp in this process


class TestWithTheModel:
    pytestmark = with_model

    @pytest.mark.slow
    def test_constrained_reply_is_a_choice_or_schema_json(self) -> None:
        odd = ('a "quoted" \\ one', "été 日本 😀\nline")
        schema = {
            "type": "object",
            "properties": {"vendor": {"type": "string", "maxLength": 12}, "total": {"type": ["number", "null"]}},
            "required": ["vendor", "total"],
            "additionalProperties": False,
        }
        asked = replace(request("ACME wants 12.50 for March."), sampling=Sampling(max_tokens=64))
        free, one, other, record = ask(
            embedded(n_ctx=512),
            asked,
            replace(asked, constraint=CHOICES),
            replace(asked, constraint=Constraint(choices=odd)),
            replace(asked, constraint=Constraint(schema=schema)),
        )
        assert free.text not in LABELS
        assert one.text in LABELS
        assert other.text in odd
        assert set(json.loads(record.text)) == {"vendor", "total"}

    @pytest.mark.slow
    def test_llama_cpp_takes_parameters_of_openai_not_of_vllm(self) -> None:
        asked = replace(request("Tell me a story about a ship."), constraint=CHOICES)
        patient = {"timeout_s": 120.0}  # a timed-out call on a busy machine would raise no error
        with llama_server() as url:
            assert ask(configured("openai", url, **patient), asked)[0].text in LABELS
            with pytest.raises(BackendError, match="it does not constrain"):  # llama.cpp ignores a parameter of vLLM
                ask(configured("vllm", url, **patient), asked)
