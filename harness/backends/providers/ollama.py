"""An Ollama server, by the `ollama` SDK and the native `/api/chat` and `/api/embed`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from harness.backends import OpenAIEndpoint
from harness.backends.constrained_decoding import for_wrapped, json_schema, obeys, unwrapped
from harness.backends.http.errors import checked_size, failed, failed_status, get_json, passwords, safe_line, shown_url
from harness.backends.local.models import Progress
from harness.backends.openai_responses import count, tool_calls, vector
from harness.backends.unsupported import cannot, let_through
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.plugins import ProviderCapabilities
from harness.core.toml import StrictModel
from harness.core.types import ModelInfo, Request, Response, Sampling
from harness.project.config import BackendConfig

if TYPE_CHECKING:
    import ollama

DEFAULT_URL = "http://127.0.0.1:11434"
LISTING_TIMEOUT_S = 30.0
NANOSECONDS = 1e-9

OTHER_SHAPE = (ValueError, TypeError, AttributeError)
"""Raised by the SDK for a reply that is not JSON or has another shape."""


class OllamaOptions(StrictModel):
    """Keys of `[backends.NAME]` for provider ollama.

    `num_ctx` is always sent: Ollama's own default is small, and it silently cuts longer prompts.
    """

    num_ctx: int = Field(default=8192, ge=128)
    keep_alive: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)


class OllamaBackend:
    """One model of an Ollama server."""

    capabilities: ClassVar[ProviderCapabilities] = ProviderCapabilities(
        default_url=DEFAULT_URL,
        key_variable="OLLAMA_API_KEY",
        needs_key=False,
        litellm_prefix="ollama_chat",
    )
    options_class: ClassVar[type[OllamaOptions]] = OllamaOptions
    warm_up = True
    exclusive = False
    concurrency = 32

    def __init__(self, config: BackendConfig) -> None:
        """The server is `base_url`, or `OLLAMA_HOST`, or this machine."""
        import httpx
        import ollama

        self.config = config
        self.options = OllamaOptions.model_validate(config.options)
        self._key = _key(config)
        host = config.base_url or os.environ.get("OLLAMA_HOST") or DEFAULT_URL
        headers = {"authorization": f"Bearer {self._key}"} if self._key else None
        try:
            self._client = ollama.AsyncClient(host=host, timeout=config.timeout_s, headers=headers)
        except (ValueError, httpx.InvalidURL):
            msg = "OLLAMA_HOST is not an address: expected host:port or http://host:port"
            raise BackendError(msg, backend=self.config.name) from None
        self._headers = dict(self._client._client.headers)  # noqa: SLF001  as the SDK sends them
        self.address = str(self._client._client.base_url).rstrip("/")  # noqa: SLF001  as the SDK resolves it
        self._url = shown_url(self.address)

    @classmethod
    def connect(cls, config: BackendConfig, _progress: Progress | None = None) -> Self:
        """Create a backend; raises `BackendUnavailable` if its key is missing."""
        return cls(config)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys and passwords of requests, which no message may contain."""
        return (self._key, *passwords(self.address))

    async def openai_endpoint(self) -> OpenAIEndpoint:
        """The OpenAI protocol of the same server."""
        return OpenAIEndpoint(f"{self.address}/v1", self._key)

    async def identify(self) -> ModelInfo:
        """Digest, quantization and size from `/api/tags` and `/api/show`; the model must be pulled."""
        import ollama

        try:
            async with asyncio.timeout(min(self.config.timeout_s, LISTING_TIMEOUT_S)):
                tags = await self._client.list()
                shown = await self._client.show(self.config.model)
        except ollama.ResponseError as error:
            self._raise_if_permanent(error, BackendUnavailable)
            msg = f"{self._url} replied {error.status_code}: {self._redact(error.error)}"
            raise BackendUnavailable(msg, backend=self.config.name) from None
        except _unreachable() as error:
            reason = self._redact(error) or type(error).__name__
            msg = f"no Ollama at {self._url} ({reason}): start it with `ollama serve`"
            raise BackendUnavailable(msg, backend=self.config.name) from None
        except OTHER_SHAPE as error:
            msg = f"{self._url} is not an Ollama server ({self._redact(error)}): check base_url"
            raise BackendUnavailable(msg, backend=self.config.name) from None
        names = {self.config.model, f"{self.config.model}:latest"}
        digest, size = next(((m.digest, m.size) for m in tags.models if m.model in names), (None, None))
        version = await get_json(f"{self.address}/api/version", self._headers)
        details = shown.details
        return ModelInfo(
            model=self.config.model,
            digest=f"sha256:{digest}" if digest else "",
            quantization=self.config.quantization or (details and details.quantization_level) or "",
            parameters=(details and details.parameter_size) or "",
            size=int(size) if size else None,
            engine="ollama",
            engine_version=str(version.get("version", "")) if isinstance(version, dict) else "",
        )

    async def complete(self, request: Request) -> Response:
        """Request a chat reply, or the vector of a text; latency excludes the time to load the model."""
        import httpx
        import ollama

        started = perf_counter()
        try:
            if request.embed:
                response = _vector(await self._embedding(request), perf_counter() - started)
            else:
                response = _response(await self._chat(request), perf_counter() - started)
        except ollama.ResponseError as error:
            self._raise_if_permanent(error, request=request)
            return failed_status(error.status_code, self._redact(error.error), _headers(error))
        except httpx.TimeoutException:
            return failed("timeout", f"no answer within {self.config.timeout_s:g} s", retry=True)
        except _unreachable() as error:
            return failed("connection", self._redact(error) or type(error).__name__, retry=True)
        except OTHER_SHAPE as error:
            reply_kind = "an embedding" if request.embed else "a chat reply"
            return failed("bad_reply", f"not {reply_kind}: {self._redact(error)}", retry=True)
        return checked_size(self._unwrapped(request, response))

    async def _chat(self, request: Request) -> ollama.ChatResponse:
        constraint = request.constraint
        import ollama

        arguments: dict[str, Any] = {
            "model": self.config.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "options": self._sampling(for_wrapped(request.sampling, constraint)),
            "keep_alive": self.options.keep_alive,
            "format": dict(json_schema(constraint)) if constraint else None,
        }
        reply: ollama.ChatResponse
        if not request.tools:
            reply = await self._client.chat(**arguments)
            return reply
        # The SDK drops parts of a parameter's schema that it has no field for (nested objects, formats).
        body = {key: value for key, value in arguments.items() if value is not None}
        body |= {"tools": [dict(tool) for tool in request.tools], "stream": False}
        reply = await self._client._request(ollama.ChatResponse, "POST", "/api/chat", json=body)  # noqa: SLF001
        return reply

    async def _embedding(self, request: Request) -> ollama.EmbedResponse:
        (message,) = request.messages
        return await self._client.embed(
            model=self.config.model,
            input=message.content,
            truncate=False,  # by default Ollama silently cuts longer texts
            options={**self.options.options, "num_ctx": self.options.num_ctx},
            keep_alive=self.options.keep_alive,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client._client.aclose()  # noqa: SLF001  the SDK cannot close its client

    def _sampling(self, sampling: Sampling) -> dict[str, Any]:
        parameters = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "num_predict": sampling.max_tokens,
            "stop": list(sampling.stop) or None,
            "num_ctx": self.options.num_ctx,
        }
        return {**self.options.options, **{k: v for k, v in parameters.items() if v is not None}}

    def _unwrapped(self, request: Request, response: Response) -> Response:
        """Remove the quotes around a choice; raises `BackendError` if the server ignored the constraint."""
        if request.constraint is None:
            return response
        text = unwrapped(request.constraint, response.text)
        if not obeys(request.constraint, text, bare=False):
            msg = f"{self._url} {let_through(self.config.model, self._redact(text))}"
            raise BackendError(msg, backend=self.config.name)
        return replace(response, text=text)

    def _raise_if_permanent(
        self,
        error: ollama.ResponseError,
        not_there: type[BackendError] = BackendError,
        request: Request | None = None,
    ) -> None:
        """Raise for an error that every further call would get too."""
        if request and (why := cannot(request, self.config.model, error.status_code, self._redact(error.error))):
            msg = f"{self._url} {why}"
            raise BackendError(msg, backend=self.config.name)
        if error.status_code == 404:
            raise not_there(self._not_pulled(), backend=self.config.name)
        if error.status_code in (401, 403):
            hint = f"check {self.config.key_variable}"
            msg = f"{self._url} refuses the key ({error.status_code}): {hint}"
            raise BackendError(msg, backend=self.config.name)

    def _not_pulled(self) -> str:
        return (
            f"{self._url} has no model {self.config.model!r}: "
            f"`ollama pull {self.config.model}`, or list the models with `ollama list`"
        )

    def _redact(self, text: object) -> str:
        return safe_line(text, self.secrets)


def _unreachable() -> tuple[type[Exception], ...]:
    """The exceptions of the SDK if no server answers. Its `ConnectionError` and timeouts are `OSError`s."""
    import httpx

    return (OSError, httpx.HTTPError)


def _key(config: BackendConfig) -> str:
    """The API key, from the environment only; empty if not set, because local servers need no key."""
    if config.api_key_env is None:
        return os.environ.get(config.key_variable or "", "").strip()  # the SDK always sends this variable
    if key := os.environ.get(config.api_key_env, "").strip():
        return key
    msg = f"no key: set {config.api_key_env} in the environment"
    raise BackendUnavailable(msg, backend=config.name)


def _headers(error: ollama.ResponseError) -> Mapping[str, str]:
    """The headers of an error reply, which the SDK keeps only in the cause of its error."""
    import httpx

    cause = error.__context__
    return cause.response.headers if isinstance(cause, httpx.HTTPStatusError) else {}


def _response(reply: ollama.ChatResponse, wall_s: float) -> Response:
    load_s = _load_s(reply)
    calls = ((None, call.function.model_dump(mode="json")) for call in reply.message.tool_calls or ())
    return Response(
        text=reply.message.content or "",
        finish_reason=reply.done_reason or "",
        prompt_tokens=count(reply.prompt_eval_count),
        completion_tokens=count(reply.eval_count),
        latency_s=max(0.0, wall_s - load_s),
        load_s=load_s or None,
        prompt_s=_seconds(reply.prompt_eval_duration),
        generation_s=_seconds(reply.eval_duration),
        tool_calls=tool_calls(calls),
        model=reply.model or "",
    )


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds * NANOSECONDS


def _vector(reply: ollama.EmbedResponse, wall_s: float) -> Response:
    if not reply.embeddings:
        msg = "a reply without a vector"
        raise ValueError(msg)
    load_s = _load_s(reply)
    return Response(
        prompt_tokens=count(reply.prompt_eval_count),
        latency_s=max(0.0, wall_s - load_s),
        load_s=load_s or None,
        vector=vector(list(reply.embeddings[0])),
        model=reply.model or "",
    )


def _load_s(reply: ollama.ChatResponse | ollama.EmbedResponse) -> float:
    return (reply.load_duration or 0) * NANOSECONDS


PROVIDER = OllamaBackend
