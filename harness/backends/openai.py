"""OpenAI's chat completions and embeddings by the `openai` SDK: api.openai.com, and any server of the same protocol."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Annotated, Any, Literal

import openai
from pydantic import Field

from harness.backends import _constraint as constraints
from harness.backends._http import checked_size, failed, failed_status, one_line, shown_url
from harness.backends._refusals import cannot, let_through
from harness.backends._replies import chat_response, vector_response
from harness.config import BackendConfig, Strict, hint
from harness.errors import BackendError, BackendUnavailable
from harness.models import Progress
from harness.types import Constraint, ModelInfo, Request, Response

KEY_VARIABLE = "OPENAI_API_KEY"
HOSTED = "api.openai.com"
LISTING_TIMEOUT_S = 30.0
"""A list of models is no work; a server that does not give it in this time does not answer."""

Parameter = Literal["temperature", "top_p", "seed", "stop", "max_tokens", "max_completion_tokens"]


class Options(Strict):
    """Keys of `[backends.x]` for provider openai. `omit`: parameters that the server does not take."""

    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] | None = None
    omit: Annotated[tuple[Parameter, ...], Field(strict=False)] = ()
    extra_body: Mapping[str, Any] = Field(default_factory=dict)


class OpenAIBackend:
    """One model behind the OpenAI protocol. Retrying is the engine's: the SDK's own is off."""

    concurrency = 8
    exclusive = False
    bare_choices = False
    """Whether a server that is told the choices sends one as it is; otherwise as JSON."""

    def __init__(self, config: BackendConfig, *, client: openai.AsyncOpenAI | None = None, key: str = "") -> None:
        """`client` replaces the one made from `config`; `key` is kept only to keep it out of messages."""
        self.config = config
        self.options = Options.model_validate({k: v for k, v in config.options.items() if k in Options.model_fields})
        # A server of one's own may have to load the model first; a hosted one bills for a dummy request.
        self.warm_up = config.base_url is not None
        self._key = key or _key(config)
        self._client = client or openai.AsyncOpenAI(
            api_key=self._key, base_url=config.base_url, timeout=config.timeout_s, max_retries=0
        )
        self._url = shown_url(str(self._client.base_url))
        self._max_tokens = self.options.max_tokens_parameter or (
            "max_tokens" if self.warm_up else "max_completion_tokens"
        )

    async def identify(self) -> ModelInfo:
        """Ask which models there are; a server that does not list this one is tried all the same, and that is noted."""
        served = await self._served()
        note = ""
        if self.config.model not in served and served:
            note = f"the server lists {', '.join(sorted(served)[:3])}, not {self.config.model}"
            if not self.warm_up:
                raise BackendError(self._unknown_model(served))
        meta = served.get(self.config.model, {}).get("meta")
        told = meta if isinstance(meta, dict) else {}
        return ModelInfo(
            model=self.config.model,
            quantization=self.config.quantization or str(told.get("ftype", "")),
            parameters=str(told.get("n_params", "")),
            engine=self.config.provider + self._elsewhere(),
            note=note,
        )

    def _elsewhere(self) -> str:
        """Where `OPENAI_BASE_URL` leads, which is not where harness.toml says that this backend is."""
        moved = self.config.base_url is None and self._client.base_url.host != HOSTED
        return f" at {self._url}" if moved else ""

    async def _served(self) -> dict[str, dict[str, Any]]:
        """The models that the server lists, by id; empty where it has no such list."""
        try:
            page = await self._client.models.list(timeout=min(self.config.timeout_s, LISTING_TIMEOUT_S))
            return {str(model.id): model.model_dump(warnings=False) for model in page.data or ()}
        except openai.NotFoundError:
            return {}
        except openai.APIStatusError as error:
            self._raise_if_hopeless(error)
            return {}
        except openai.APIConnectionError as error:
            raise BackendUnavailable(self._unreachable(error)) from None
        except (openai.OpenAIError, AttributeError, TypeError, ValueError):
            # no JSON, or JSON of another shape: not a list of models
            return {}

    async def complete(self, request: Request) -> Response:
        """One chat completion, or the vector of a text."""
        started = perf_counter()
        try:
            reply = await (self._embedding(request) if request.embed else self._completion(request))
        except openai.APITimeoutError:
            return failed("timeout", f"no answer within {self.config.timeout_s:g} s", retry=True)
        except openai.APIConnectionError as error:
            return failed("connection", self._redact(str(error.__cause__ or error)), retry=True)
        except openai.APIStatusError as error:
            self._raise_if_hopeless(error, request)
            return failed_status(error.status_code, self._redact(error.message), error.response.headers)
        except (openai.OpenAIError, ValueError, OverflowError) as error:
            what = "an embedding" if request.embed else "a chat completion"
            return failed("bad_reply", f"not {what}: {self._redact(str(error))}", retry=True)
        wall_s = perf_counter() - started
        if request.embed:
            return checked_size(vector_response(reply, wall_s))
        return checked_size(self._unwrapped(request, chat_response(reply, wall_s)))

    async def _completion(self, request: Request) -> object:
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
        return await self._client.chat.completions.create(
            model=self.config.model,
            messages=[{"role": m.role, "content": m.content} for m in request.messages],  # type: ignore[misc]
            extra_body={**self.options.extra_body, **constrained} or None,
            **parameters,
        )

    async def _embedding(self, request: Request) -> object:
        (message,) = request.messages
        return await self._client.embeddings.create(
            model=self.config.model,
            input=message.content,
            encoding_format="float",
            extra_body=dict(self.options.extra_body) or None,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        """What a kind of server is told to let through, as keys of the request."""
        return constraints.response_format(constraint, closed=self.config.base_url is None)

    def _unwrapped(self, request: Request, response: Response) -> Response:
        """A constrained reply without the JSON around a choice; raises where the server took no notice."""
        if request.constraint is None or response.error is not None:
            return response
        text = response.text if self.bare_choices else constraints.unwrapped(request.constraint, response.text)
        if not constraints.kept(request.constraint, text, bare=self.bare_choices):
            msg = f"backend {self.config.name}: {self._url} {let_through(self.config.model, self._redact(text))}"
            raise BackendError(msg)
        return replace(response, text=text)

    def _raise_if_hopeless(self, error: openai.APIStatusError, request: Request | None = None) -> None:
        """Raise `BackendError` for a status that every further call would get too."""
        name, message = self.config.name, one_line(self._redact(error.message))
        if request and (why := cannot(request, self.config.model, error.status_code, message)):
            msg = f"backend {name}: {self._url} {why}"
            raise BackendError(msg)
        if error.status_code in (401, 403):
            variable = self.config.api_key_env or ("" if self.warm_up else KEY_VARIABLE)
            hint_ = f"check {variable}" if variable else "name the key's variable with api_key_env in harness.toml"
            said = f" ({message})" if error.status_code == 403 else ""  # not always about the key: a model, a region
            msg = f"backend {name}: the server refuses the key ({error.status_code}): {hint_}{said}"
            raise BackendError(msg)
        if error.status_code == 404:
            msg = f"backend {name}: {self._url} does not serve {self.config.model!r}: {message}"
            raise BackendError(msg)
        if error.code == "insufficient_quota":
            msg = f"backend {name}: the account is out of quota: {message}"
            raise BackendError(msg)

    def _unknown_model(self, served: Mapping[str, Any]) -> str:
        return f"backend {self.config.name}: no model {self.config.model!r}{hint(self.config.model, served)}"

    def _unreachable(self, error: Exception) -> str:
        cause = one_line(self._redact(str(error.__cause__ or error)))
        return f"backend {self.config.name}: no answer from {self._url} ({cause}): is the server running?"

    def _redact(self, text: str) -> str:
        """Servers like to repeat the key they did not accept."""
        return text.replace(self._key, "***") if len(self._key) > 4 else text


def _key(config: BackendConfig) -> str:
    """The key, from the environment only. OpenAI's own is never sent to another server."""
    variable = config.api_key_env or (KEY_VARIABLE if config.base_url is None else None)
    if variable is None:
        return "none"
    key = os.environ.get(variable, "").strip()
    if not key:
        msg = f"backend {config.name}: no key: set {variable} in the environment"
        raise BackendUnavailable(msg)
    if not (key.isascii() and key.isprintable()):
        msg = f"backend {config.name}: {variable} holds characters that no key has: set it anew"
        raise BackendError(msg)
    return key


def connect(config: BackendConfig, _progress: Progress | None = None) -> OpenAIBackend:
    """A backend for `config`; raises `BackendUnavailable` without a key."""
    return OpenAIBackend(config)
