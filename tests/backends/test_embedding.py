"""Vectors over real sockets: what is sent, what is read, what is no vector, and who cannot give one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness.backends.http.errors import MAX_REPLY_CHARS, checked_size
from harness.backends.local.gguf import pooling
from harness.core.errors import BackendError
from harness.core.types import Response

from ..support.backend_calls import ask, configured, request
from ..support.servers import MODEL, Fake, FakeOllama, FakeOpenAI, Reply, closing, embed, embedding, error, letters
from .test_llamacpp import MODEL_FILE, embedded, llama_server, with_model

TEXT = "How do I get my money back?"
WANTED = replace(request(TEXT), embed=True)
SECOND = 1_000_000_000
BODIES: dict[str, Callable[..., Any]] = {"openai": embedding, "vllm": embedding, "ollama": embed}


@pytest.fixture
def server(provider: str) -> Iterator[Fake]:
    with closing(FakeOllama() if provider == "ollama" else FakeOpenAI()) as fake:
        yield fake


def url(server: Fake) -> str:
    return server.base_url if isinstance(server, FakeOpenAI) else server.root


def vector_of(provider: str, server: Fake, reply: Reply | None = None, **config: Any) -> Response:
    if reply is not None:
        server.next(reply)
    return ask(configured(provider, url(server), **config), WANTED)[0]


# What is sent


def test_the_text_is_sent_as_it_is_and_numbers_are_asked_for(server: Fake, provider: str) -> None:
    vector_of(provider, server)
    (asked,) = server.chats
    known: dict[str, Any] = {"model": MODEL, "input": TEXT}
    if provider == "ollama":
        assert asked.path == "/api/embed"
        assert asked.body == {**known, "truncate": False, "options": {"num_ctx": 8192}}
    else:
        assert asked.path == "/v1/embeddings"
        assert asked.body == {**known, "encoding_format": "float"}


def test_what_a_server_wants_beside_that_is_added(server: Fake, provider: str) -> None:
    if provider == "ollama":
        vector_of(provider, server, options={"num_thread": 2}, keep_alive="1h")
        assert server.chats[0].body["options"]["num_thread"] == 2
        assert server.chats[0].body["keep_alive"] == "1h"
    else:
        vector_of(provider, server, extra_body={"dimensions": 256})
        assert server.chats[0].body["dimensions"] == 256


# What is read


def test_a_vector_is_read_with_its_usage_model_and_time(server: Fake, provider: str) -> None:
    response = vector_of(provider, server)
    assert response.vector == pytest.approx(letters(TEXT))
    assert (response.text, response.model, response.error) == ("", MODEL, None)
    assert (response.prompt_tokens, response.completion_tokens) == (7, None)
    assert response.latency_s is not None
    assert response.latency_s > 0


def test_ollama_loading_the_model_is_no_latency() -> None:
    with closing(FakeOllama()) as server:
        reply = Reply(json=embed([1.0], load_duration=SECOND // 5), delay_s=0.25)
        started = time.monotonic()
        response = vector_of("ollama", server, reply)
        took = time.monotonic() - started
    assert response.load_s == pytest.approx(0.2)
    assert response.latency_s is not None
    assert 0.05 <= response.latency_s <= took - 0.2


def test_whole_numbers_are_numbers(server: Fake, provider: str) -> None:
    vector = vector_of(provider, server, Reply(json=BODIES[provider]([1, 0, -2.5]))).vector
    assert vector == (1.0, 0.0, -2.5)
    assert all(isinstance(number, float) for number in vector)


def test_what_is_not_finite_is_kept_for_the_contract_to_see(server: Fake, provider: str) -> None:
    vector = vector_of(provider, server, Reply(json=BODIES[provider]([math.nan, math.inf, 1.0]))).vector
    assert math.isnan(vector[0])
    assert vector[1:] == (math.inf, 1.0)


def test_null_is_how_llama_cpp_says_nan() -> None:
    with closing(FakeOpenAI()) as server:
        assert math.isnan(vector_of("openai", server, Reply(json=embedding([0.5, None]))).vector[1])


def test_usage_may_be_missing(server: Fake, provider: str) -> None:
    body = {k: v for k, v in BODIES[provider]([1.0]).items() if k not in ("usage", "prompt_eval_count")}
    response = vector_of(provider, server, Reply(json=body))
    assert (response.vector, response.prompt_tokens) == ((1.0,), None)


# What goes wrong


@pytest.mark.parametrize("numbers", [[], "AACAPwAAAEA=", None, 0.5, ["x"], [[1.0]], {"0": 1.0}])
def test_what_is_no_list_of_numbers_is_an_error_of_the_call(server: Fake, provider: str, numbers: Any) -> None:
    found = vector_of(provider, server, Reply(json=BODIES[provider](numbers))).error
    assert found is not None
    assert (found.kind, found.retryable) == ("bad_reply", True)
    assert "\n" not in found.message


def test_a_number_that_no_float_holds_is_an_error_of_the_call() -> None:
    with closing(FakeOpenAI()) as server:
        found = vector_of("openai", server, Reply(json=embedding([10**400]))).error
    assert found is not None
    assert found.kind == "bad_reply"


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"null", b"{}", b'{"data": []}', b'{"data": [null]}', b'{"data": 1}']
)
def test_what_is_no_embedding_is_an_error_of_the_call(server: Fake, provider: str, body: bytes) -> None:
    found = vector_of(provider, server, Reply(body=body)).error
    assert found is not None
    assert (found.kind, found.retryable) == ("bad_reply", True)


def test_a_vector_of_millions_is_no_answer() -> None:
    found = checked_size(Response(vector=(0.5,) * (MAX_REPLY_CHARS + 1))).error
    assert found is not None
    assert found.kind == "too_large"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "The model does not support Embeddings API"),  # vLLM with a chat model
        (404, "Not Found"),  # no such route
        (501, "This server does not support embeddings. Start it with `--embeddings`"),  # llama-server
        (501, "this model does not support embeddings"),  # Ollama
        (403, "You are not allowed to generate embeddings from this model"),  # OpenAI
        (400, "Pooling type 'none' is not OAI compatible. Please use a different pooling type"),  # llama-server
    ],
)
def test_missing_embedding_support_stops_the_run(server: Fake, provider: str, status: int, said: str) -> None:
    body = {"error": said} if provider == "ollama" else {"error": {"message": said}}
    with pytest.raises(
        BackendError, match=r"backend mine: http.* gives no vectors for 'fake-model' .*embedding model"
    ) as caught:
        vector_of(provider, server, Reply(status=status, json=body))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_is_told_as_ever() -> None:
    with closing(FakeOpenAI()) as server, pytest.raises(BackendError, match="does not serve 'fake-model'"):
        vector_of("openai", server, error(404, f"The model `{MODEL}` does not exist"))
    with closing(FakeOllama()) as server, pytest.raises(BackendError, match=f"`ollama pull {MODEL}`"):
        vector_of("ollama", server, Reply(status=404, json={"error": f"model '{MODEL}' not found"}))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This model's maximum context length is 512 tokens. However, you requested 600 for embedding generation"),
        (500, "input (6001 tokens) is too large to process. increase the physical batch size"),
        (500, "the input length exceeds the context length"),
    ],
)
def test_a_text_that_is_too_long_is_data_and_is_not_sent_again(
    server: Fake, provider: str, status: int, said: str
) -> None:
    body = {"error": said} if provider == "ollama" else {"error": {"message": said}}
    found = vector_of(provider, server, Reply(status=status, json=body)).error
    assert found is not None
    assert (found.kind, found.retryable) == ("bad_request", False)


# llama.cpp in this process


class TestWithTheModel:
    pytestmark = with_model

    @pytest.mark.slow
    def test_chat_model_gives_mean_vectors_and_replies(self) -> None:
        texts = (TEXT, "I want a refund", "The app crashes when I open it", "word " * 600)
        wanted = [replace(request(text), embed=True) for text in texts]
        first, *others = ask(embedded(n_ctx=1024), *wanted, request(max_tokens=4), wanted[0])
        assert len(first.vector) == 576
        assert math.hypot(*first.vector) == pytest.approx(1, abs=1e-4)
        assert first.prompt_tokens == 8
        similar = [sum(a * b for a, b in zip(first.vector, other.vector, strict=True)) for other in others[:2]]
        assert similar[0] > similar[1]
        assert others[2].prompt_tokens == 601  # more than the batch that llama.cpp has by default
        assert others[3].text
        assert others[4].vector == pytest.approx(first.vector)

    def test_pooling_can_be_chosen_and_matters(self) -> None:
        last = ask(embedded(pooling="last", n_ctx=512), WANTED)[0].vector
        mean = ask(embedded(n_ctx=512), WANTED)[0].vector
        assert len(last) == len(mean)
        assert last != pytest.approx(mean)

    def test_a_text_longer_than_the_context_is_data(self) -> None:
        long, empty = ask(embedded(n_ctx=128), *(replace(request(t), embed=True) for t in ("word " * 300, "")))
        assert long.error is not None
        assert (long.error.kind, long.error.retryable) == ("bad_request", False)
        assert empty.error is not None
        assert empty.error.kind == "bad_request"

    def test_served_or_embedded_it_gives_the_same_vector(self) -> None:
        own = ask(embedded(), WANTED)[0]
        with llama_server("--embeddings") as url:
            served = [ask(configured(provider, url), WANTED)[0] for provider in ("openai", "vllm")]
        for response in served:
            assert response.vector == pytest.approx(own.vector, abs=1e-5)
            assert response.prompt_tokens == own.prompt_tokens

    def test_a_server_that_was_not_started_for_vectors_says_so(self) -> None:
        with llama_server() as url, pytest.raises(BackendError, match=r"gives no vectors .*--embeddings"):
            ask(configured("openai", url), WANTED)

    def test_its_file_says_nothing_of_pooling(self) -> None:
        assert pooling(MODEL_FILE) == ""
