"""How many tokens a prompt is: by whoever knows, before it is sent."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from harness.core.types import Message, Request, Sampling
from harness.project.config import BackendConfig
from harness.runner.tokens import TokenCounts, about, count, encoding_of

from ..support.backend_calls import configured
from ..support.servers import Asked, FakeOpenAI, Reply

REQUESTS = (
    Request((Message("system", "Answer with one word."), Message("user", "I was charged twice")), Sampling()),
    Request((Message("user", "Ολα καλά; 日本語"),), Sampling(), repeat=1),
)


def counted(backend: BackendConfig, *, local: bool = True, requests: tuple[Request, ...] = REQUESTS) -> TokenCounts:
    return asyncio.run(count(backend, requests, local=local))


class Tokenizer(FakeOpenAI):
    """A fake that says so: it makes a token of each word, as vLLM's or llama.cpp's server would tell it."""

    def __init__(self, engine: str) -> None:
        super().__init__()
        self.engine = engine

    def reply_to(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if asked.path == "/apply-template" and self.engine == "llama.cpp":
            return Reply(json={"prompt": " ".join(turn["content"] for turn in asked.body["messages"])})
        if asked.path != "/tokenize" or not self.engine:
            return Reply(status=404, json={})
        if self.engine == "vLLM":
            text = asked.body.get("prompt") or " ".join(turn["content"] for turn in asked.body["messages"])
            return Reply(json={"count": len(text.split()), "max_model_len": 4096, "tokens": []})
        return Reply(json={"tokens": asked.body.get("content", "").split()})


@pytest.fixture(params=["vLLM", "llama.cpp"])
def tokenizer(request: Any) -> Any:
    fake = Tokenizer(request.param)
    yield fake
    fake.close()


class TestTheServersTokenizer:
    def test_server_tokenizer_includes_the_chat_template(self, tokenizer: Tokenizer) -> None:
        found = counted(configured("openai", tokenizer.base_url))
        assert found.tokens == (8, 3)
        assert found.by == f"{tokenizer.engine}'s tokenizer at {tokenizer.root}"

    def test_token_count_calls_no_model(self, tokenizer: Tokenizer) -> None:
        counted(configured("openai", tokenizer.base_url))
        assert {asked.path for asked in tokenizer.asked} <= {"/tokenize", "/apply-template"}

    def test_embedding_input_has_no_chat_template(self, tokenizer: Tokenizer) -> None:
        embed = Request((Message("user", "three little words"),), Sampling(), embed=True)
        assert counted(configured("openai", tokenizer.base_url), requests=(embed,)).tokens == (3,)
        assert "/apply-template" not in {asked.path for asked in tokenizer.asked}

    def test_the_same_prompt_is_counted_once(self, tokenizer: Tokenizer) -> None:
        many = tuple(Request(REQUESTS[0].messages, Sampling(), repeat=i) for i in range(50))
        assert counted(configured("openai", tokenizer.base_url), requests=many).tokens == (8,) * 50
        assert len(tokenizer.asked) < 10

    def test_server_without_tokenizer_is_estimated_by_bytes(self, server: FakeOpenAI) -> None:
        found = counted(configured("openai", server.base_url))
        assert found.by == "about: 3.5 bytes a token"
        assert found.tokens == tuple(map(about, REQUESTS))

    def test_missing_server_is_estimated_by_bytes(self) -> None:
        assert counted(configured("openai", "http://127.0.0.1:9/v1")).by.startswith("about")


class TestOpenAIsEncodings:
    def test_counts_equal_those_of_tiktoken(self) -> None:
        """`tiktoken.get_encoding("o200k_base")`: "Answer with one word." is 5 tokens, "I was charged twice" is 4."""
        pytest.importorskip("quicktok")
        found = counted(configured("openai").model_copy(update={"model": "gpt-4o"}), local=False)
        assert found.by == "o200k_base"
        assert found.tokens[0] == 5 + 4 + 2 * 4 + 3

    def test_special_tokens_in_a_text_are_text(self) -> None:
        pytest.importorskip("quicktok")
        hostile = Request((Message("user", "<|endoftext|> \ud800"),), Sampling())
        assert counted(configured("openai"), local=False, requests=(hostile,)).tokens[0] > 8

    def test_without_the_extra_the_bytes_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "quicktok", None)
        assert counted(configured("openai"), local=False).by == "about: 3.5 bytes a token"

    @pytest.mark.parametrize(
        ("model", "encoding"),
        [
            ("gpt-4o", "o200k_base"),
            ("gpt-4o-mini-2024-07-18", "o200k_base"),
            ("gpt-4.1-mini", "o200k_base"),
            ("gpt-5", "o200k_base"),
            ("o4-mini", "o200k_base"),
            ("chatgpt-4o-latest", "o200k_base"),
            ("ft:gpt-4o-mini:team::x", "o200k_base"),
            ("gpt-4", "cl100k_base"),
            ("gpt-4-turbo", "cl100k_base"),
            ("gpt-3.5-turbo", "cl100k_base"),
            ("ft:gpt-3.5-turbo:team::x", "cl100k_base"),
            ("text-embedding-3-small", "cl100k_base"),
        ],
    )
    def test_encoding_of_each_model_matches_tiktoken(self, model: str, encoding: str) -> None:
        assert encoding_of(model) == encoding


def test_estimate_is_by_bytes_and_turns() -> None:
    assert about(Request((Message("user", "x" * 35),), Sampling())) == 10 + 4 + 3
    assert about(Request((Message("user", "x" * 35),), Sampling(), embed=True)) == 10
