"""OpenAI's chat completions and embeddings: api.openai.com by the SDK, other servers by the lean client.

The SDK takes many times the CPU time of the lean client (docs/evidence/performance.md), which matters if a local server
replies in milliseconds. Requests, replies and errors are the same with both, and are handled here.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field

from harness.backends import OpenAIEndpoint
from harness.backends import constrained_decoding as constraints
from harness.backends.http.client import HTTPClient
from harness.backends.http.errors import checked_size, failed, failed_status, safe_line, without_secrets
from harness.backends.http.transport import HTTPResponse, TooLargeError, Transport, TransportError
from harness.backends.local.models import Progress
from harness.backends.openai_responses import chat_response, refusal_of, vector_response
from harness.backends.unsupported import cannot, let_through
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.plugins import ProviderCapabilities
from harness.core.toml import StrictModel, hint
from harness.core.types import JSON, Constraint, ModelInfo, Request, Response
from harness.project.config import BackendConfig

LISTING_TIMEOUT_S = 30.0
"""Timeout of the list of models, which needs no computation."""
SIDE_TIMEOUT_S = 10.0
"""Timeout of an optional JSON endpoint of a server."""

Parameter = Literal["temperature", "top_p", "seed", "stop", "max_tokens", "max_completion_tokens"]


class OpenAIOptions(StrictModel):
    """Keys of `[backends.NAME]` for provider openai.

    `omit`: parameters that the server rejects. `check_model`: whether the server's list must have the model.
    """

    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] | None = None
    omit: Annotated[tuple[Parameter, ...], Field(strict=False)] = ()
    extra_body: Mapping[str, Any] = Field(default_factory=dict)
    check_model: bool = True


class OpenAIBackend:
    """One model behind the OpenAI protocol. Does not retry."""

    capabilities: ClassVar[ProviderCapabilities] = ProviderCapabilities(
        hosted_url="https://api.openai.com/v1",
        hosted_url_variable="OPENAI_BASE_URL",
        key_variable="OPENAI_API_KEY",
        batch_api=True,
        request_files=True,
        litellm_prefix="openai",
    )
    options_class: ClassVar[type[OpenAIOptions]] = OpenAIOptions
    concurrency = 64
    exclusive = False
    bare_choices = False
    """Whether constrained decoding returns a bare choice; otherwise the choice is inside JSON."""
    on_headers: Callable[[Mapping[str, str]], None] | None = None
    """Called with the headers of every reply of `complete`, errors included; names are in lower case. They
    contain the remaining requests and tokens (`x-ratelimit-*`)."""

    def __init__(self, config: BackendConfig, *, transport: Transport | None = None) -> None:
        """`transport` replaces the default transport of `config`."""
        self.config = config
        self.options = self.options_class.model_validate(config.options)
        # A local server may have to load the model first; a hosted service bills for a dummy request.
        self.warm_up = config.base_url is not None
        self._transport = transport or transport_to(config, key_of(config))
        self.url = self._transport.url
        self._max_tokens = self.options.max_tokens_parameter or (
            "max_tokens" if self.warm_up else "max_completion_tokens"
        )

    @classmethod
    def connect(
        cls, config: BackendConfig, _progress: Progress | None = None, *, transport: Transport | None = None
    ) -> Self:
        """Create a backend; raises `BackendUnavailable` if its key is missing."""
        if config.base_url is None and cls.capabilities.default_url is not None:
            config = config.model_copy(update={"base_url": cls.capabilities.default_url})
        return cls(config, transport=transport)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys and passwords of requests, which no message may contain."""
        return self._transport.secrets

    async def openai_endpoint(self) -> OpenAIEndpoint:
        """The server and its key."""
        return OpenAIEndpoint(self.config.base_url or self.config.service_url, key_of(self.config))

    async def identify(self) -> ModelInfo:
        """Look the model up in the server's list; raises `BackendError` if the list lacks it.

        A server that answers under any name, and a list that is not checked, are noted.
        """
        served = await self._served()
        note = ""
        if self.config.model not in served and served:
            if self.options.check_model and not _answers_any_name(served):
                raise BackendError(self._unknown_model(served), backend=self.config.name)
            note = f"the server lists {', '.join(sorted(served)[:3])}, not {self.config.model}"
        meta = served.get(self.config.model, {}).get("meta")
        details = meta if isinstance(meta, dict) else {}
        return ModelInfo(
            model=self.config.model,
            quantization=self.config.quantization or str(details.get("ftype", "")),
            parameters=str(details.get("n_params", "")),
            engine=self.config.provider + self._elsewhere(),
            note=note,
        )

    def _elsewhere(self) -> str:
        """The address of `OPENAI_BASE_URL` for the engine's name, if it replaces the hosted service."""
        moved = self.config.is_hosted and self._transport.host != urlsplit(self.capabilities.hosted_url or "").hostname
        return f" at {self.url}" if moved else ""

    async def _served(self) -> dict[str, dict[str, Any]]:
        """The models that the server lists, by id; empty if it has no list."""
        limit_s = min(self.config.timeout_s, LISTING_TIMEOUT_S)
        try:
            async with asyncio.timeout(limit_s):
                reply = await self._transport.get("models")
        except TimeoutError:
            raise BackendUnavailable(
                self._unreachable(f"no reply within {limit_s:g} s"), backend=self.config.name
            ) from None
        except TransportError as error:
            raise BackendUnavailable(self._unreachable(str(error)), backend=self.config.name) from None
        except TooLargeError:
            return {}
        if not _is_good(reply) and reply.status != 404:
            self._raise_if_permanent(reply)
        try:
            return {str(model["id"]): model for model in _json(reply)["data"]} if _is_good(reply) else {}
        except (KeyError, TypeError, ValueError):
            return {}  # not a list of models

    async def _server_page(self, path: str) -> JSON:
        """The JSON of an optional endpoint below the server's root; `None` if there is none, or on a timeout."""
        try:
            async with asyncio.timeout(SIDE_TIMEOUT_S):
                reply = await self._transport.get(path)
            return _json(reply) if _is_good(reply) else None
        except (TimeoutError, TransportError, TooLargeError, ValueError):
            return None

    async def complete(self, request: Request) -> Response:
        """Request a chat completion, or the vector of a text."""
        path, body = self.body_of(request)
        secrets = self._transport.secrets
        started = perf_counter()
        try:
            async with asyncio.timeout(self.config.timeout_s):
                reply = await self._transport.post(path, body)
        except TimeoutError:
            return failed("timeout", f"no answer within {self.config.timeout_s:g} s", retry=True)
        except TransportError as error:
            return failed("connection", safe_line(error, secrets), retry=True)
        except TooLargeError as error:
            return failed("too_large", str(error))
        except ValueError as error:
            return failed("bad_request", f"the request cannot be written as JSON: {safe_line(error, secrets)}")
        wall_s = perf_counter() - started
        if self.on_headers is not None:
            self.on_headers(reply.headers)
        if not _is_good(reply):
            self._raise_if_permanent(reply, request)
            return failed_status(reply.status, safe_line(_refusal(reply)[0], secrets), reply.headers)
        try:
            body = _json(reply)
        except ValueError:
            reply_kind = "an embedding" if request.embed else "a chat completion"
            begins = safe_line(reply.body[:4000].decode(errors="replace"), secrets, 80)
            return failed("bad_reply", f"not {reply_kind}: {begins}", retry=True)
        return self.response_of(request, body, wall_s)

    def body_of(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The path of a request, relative to the address, and its JSON body."""
        return self._embedding(request) if request.embed else self._completion(request)

    def response_of(self, request: Request, body: JSON, wall_s: float) -> Response:
        """Parse the JSON of a successful reply; raises `BackendError` if the server ignored a constraint."""
        if request.embed:
            return checked_size(vector_response(body, wall_s, self._transport.secrets))
        return checked_size(self._unwrapped(request, chat_response(body, wall_s, self._transport.secrets)))

    def _completion(self, request: Request) -> tuple[str, dict[str, Any]]:
        sampling = request.sampling
        if not self.bare_choices:
            sampling = constraints.for_wrapped(sampling, request.constraint)
        parameters: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            self._max_tokens: sampling.max_tokens,
            "stop": list(sampling.stop) or None,
            "tools": list(request.tools) or None,
        }
        parameters = {k: v for k, v in parameters.items() if v is not None and k not in self.options.omit}
        constrained = self._constrained(request.constraint) if request.constraint else {}
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        known = {"model": self.config.model, "messages": messages, **parameters}
        return "chat/completions", {**known, **self.options.extra_body, **constrained}

    def _embedding(self, request: Request) -> tuple[str, dict[str, Any]]:
        (message,) = request.messages
        known = {"model": self.config.model, "input": message.content, "encoding_format": "float"}
        return "embeddings", {**known, **self.options.extra_body}

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        """The keys of the request for a constraint."""
        return constraints.response_format(constraint, closed=self.config.base_url is None)

    def _unwrapped(self, request: Request, response: Response) -> Response:
        """Remove the JSON around a choice; raises `BackendError` if the server ignored the constraint."""
        if request.constraint is None or response.error is not None:
            return response
        text = response.text if self.bare_choices else constraints.unwrapped(request.constraint, response.text)
        if not constraints.obeys(request.constraint, text, bare=self.bare_choices):
            problem = let_through(self.config.model, without_secrets(self._transport.secrets, text))
            msg = f"{self.url} {problem}"
            raise BackendError(msg, backend=self.config.name)
        return replace(response, text=text)

    def _raise_if_permanent(self, reply: HTTPResponse, request: Request | None = None) -> None:
        """Raise `BackendError` for an error that every further call would get too."""
        name, (refusal, code) = self.config.name, _refusal(reply)
        message = safe_line(refusal, self._transport.secrets)
        if request and (why := cannot(request, self.config.model, reply.status, message)):
            msg = f"{self.url} {why}"
            raise BackendError(msg, backend=name)
        if reply.status in (401, 403):
            variable = self.config.key_variable
            advice = f"check {variable}" if variable else "name the key's variable with api_key_env in harness.toml"
            why = f" ({message})" if reply.status == 403 else ""  # may also concern a model or a region
            msg = f"the server refuses the key ({reply.status}): {advice}{why}"
            raise BackendError(msg, backend=name)
        if reply.status == 404:
            msg = f"{self.url} does not serve {self.config.model!r}: {message}"
            raise BackendError(msg, backend=name)
        if code == "insufficient_quota":
            msg = f"the account is out of quota: {message}"
            raise BackendError(msg, backend=name)

    def _unknown_model(self, served: Mapping[str, Any]) -> str:
        near = hint(self.config.model, served)
        if not self.warm_up:
            return f"no model {self.config.model!r}{near}"
        way_out = "correct `model`, or set check_model = false if the list is incomplete"
        return f"{self.url} lists no model {self.config.model!r}{near}: {way_out}"

    def _unreachable(self, why: str) -> str:
        cause = safe_line(why, self._transport.secrets)
        return f"no answer from {self.url} ({cause}): is the server running?"


def _answers_any_name(served: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the name of the model does not matter: llama.cpp serves one model, and gateways list `*`."""
    return any("*" in name or model.get("owned_by") == "llamacpp" for name, model in served.items())


def transport_to(config: BackendConfig, key: str) -> Transport:
    """The SDK for the hosted service, else the lean client. The SDK takes 0.5 s to import."""
    if config.base_url is not None:
        return HTTPClient(config.base_url, key)
    from harness.backends.http.openai_sdk import OpenAISDKTransport

    return OpenAISDKTransport(config.service_url, key, config.timeout_s)


def _is_good(reply: HTTPResponse) -> bool:
    return 200 <= reply.status < 300


def _json(reply: HTTPResponse) -> JSON:
    """The JSON of a reply; raises `ValueError` for invalid JSON."""
    try:
        return json.loads(reply.body)
    except RecursionError:
        msg = "JSON nested too deeply"
        raise ValueError(msg) from None


def _refusal(reply: HTTPResponse) -> tuple[str, str]:
    """Message and code of an error reply."""
    try:
        return refusal_of(reply.status, _json(reply))
    except ValueError:
        return refusal_of(reply.status, None)


def key_of(config: BackendConfig) -> str:
    """The API key, from the environment only; `none` if the server needs none."""
    variable = config.key_variable
    if variable is None:
        return "none"
    key = os.environ.get(variable, "").strip()
    if not key:
        msg = f"no key: set {variable} in the environment"
        raise BackendUnavailable(msg, backend=config.name)
    if not (key.isascii() and key.isprintable()):
        msg = f"{variable} contains characters that no API key has: set it again"
        raise BackendError(msg, backend=config.name)
    return key


PROVIDER = OpenAIBackend
