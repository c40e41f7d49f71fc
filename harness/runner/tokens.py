"""Count prompt tokens before a request is sent: by OpenAI's encodings, by the server's tokenizer, or roughly by bytes.

OpenAI's encodings come with the package `quicktok-v1` (the extra `tokens`): `tiktoken` fetches them from the net.
The servers of vLLM and llama.cpp count tokens themselves. Otherwise the count is estimated from bytes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from harness.core.extras import is_installed, needed
from harness.core.types import Message, Request
from harness.project.config import BackendConfig

BYTES_PER_TOKEN = 3.5
"""Mean for English text, prompts and JSON in OpenAI's encodings: `python bench/accuracy/tokens.py`."""
PER_MESSAGE = 4
"""Tokens around a turn of OpenAI's chats: its start, its role, its end (OpenAI cookbook, "How to count tokens")."""
PER_REPLY = 3
"""Tokens with which a reply of OpenAI's chats is begun."""
TIMEOUT_S = 10.0
AT_ONCE = 8
_OLD = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-")
"""How the names of OpenAI's models begin that came before o200k_base, as in `tiktoken.model`; also `gpt-4` itself."""

Counter = Callable[[Request], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens of each request, and the name of the tokenizer."""

    tokens: tuple[int, ...]
    by: str


async def count(backend: BackendConfig, requests: Sequence[Request], *, local: bool) -> TokenCounts:
    """Count the prompt tokens of each request. Calls no model, but may use the tokenizer of a local server."""
    once = list({_prompt_key(request): request for request in requests}.values())
    counted = await _of_server(backend, once) if local else _of_encoding(backend.model, once)
    if counted is None:
        counted = TokenCounts(tuple(map(about, once)), f"about: {BYTES_PER_TOKEN:g} bytes a token")
    by_prompt = dict(zip(map(_prompt_key, once), counted.tokens, strict=True))
    return TokenCounts(tuple(by_prompt[_prompt_key(request)] for request in requests), counted.by)


def about(request: Request) -> int:
    """Estimate tokens from bytes."""
    size = sum(len(text.encode("utf-8", "backslashreplace")) for text in _texts(request))
    return round(size / BYTES_PER_TOKEN) + _overhead(request)


def encoding_of(model: str) -> str:
    """The encoding of an OpenAI model; the newest for an unknown model."""
    name = model.removeprefix("ft:")
    return "cl100k_base" if name == "gpt-4" or name.startswith(_OLD) else "o200k_base"


def _of_encoding(model: str, requests: Sequence[Request]) -> TokenCounts | None:
    if not is_installed("tokens"):
        return None
    with needed("tokens", "A count of tokens by OpenAI's encodings needs quicktok-v1"):
        import quicktok
    encoding = quicktok.get_encoding(encoding_of(model))

    def tokens(text: str) -> int:
        # a lone surrogate is sent as an escape, too
        return len(encoding.encode_ordinary(text.encode("utf-8", "backslashreplace").decode()))

    return TokenCounts(tuple(sum(map(tokens, _texts(r))) + _overhead(r) for r in requests), encoding_of(model))


async def _of_server(backend: BackendConfig, requests: Sequence[Request]) -> TokenCounts | None:
    """Count by the server's tokenizer, with its chat template; `None` without a known tokenizer API."""
    if backend.base_url is None or not requests:
        return None
    root = backend.base_url.rstrip("/").removesuffix("/v1")
    async with httpx.AsyncClient(base_url=root, timeout=TIMEOUT_S) as client:
        for engine, counter in (("vLLM", _vllm(client, backend.model)), ("llama.cpp", _llamacpp(client))):
            if await counter(requests[0]) is None:
                continue
            turn = asyncio.Semaphore(AT_ONCE)

            async def counted(request: Request, counter: Counter = counter, turn: asyncio.Semaphore = turn) -> int:
                async with turn:
                    tokens = await counter(request)
                return about(request) if tokens is None else tokens

            return TokenCounts(tuple(await asyncio.gather(*map(counted, requests))), f"{engine}'s tokenizer at {root}")
    return None


def _vllm(client: httpx.AsyncClient, model: str) -> Counter:
    async def counter(request: Request) -> int | None:
        prompt = {"prompt": _texts(request)[0]} if request.embed else {"messages": _turns(request.messages)}
        reply = await _post(client, "/tokenize", {"model": model, **prompt})
        return reply.get("count") if isinstance(reply.get("count"), int) else None

    return counter


def _llamacpp(client: httpx.AsyncClient) -> Counter:
    async def counter(request: Request) -> int | None:
        text: Any = _texts(request)[0]
        if not request.embed:
            text = (await _post(client, "/apply-template", {"messages": _turns(request.messages)})).get("prompt")
        if not isinstance(text, str):
            return None
        reply = await _post(client, "/tokenize", {"content": text, "add_special": True})
        return len(reply["tokens"]) if isinstance(reply.get("tokens"), list) else None

    return counter


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = await client.post(path, json=body)
        answer = reply.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _texts(request: Request) -> list[str]:
    """All text of a request that a model reads. A tool counts as its JSON."""
    return [
        *(message.content for message in request.messages),
        *(json.dumps(tool, default=dict) for tool in request.tools),
    ]


def _overhead(request: Request) -> int:
    return 0 if request.embed else PER_MESSAGE * len(request.messages) + PER_REPLY


def _prompt_key(request: Request) -> tuple[object, ...]:
    """Identity of a prompt: repeats of a case share it."""
    return (request.messages, str(request.tools))
