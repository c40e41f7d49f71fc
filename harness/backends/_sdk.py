"""The way to api.openai.com: the `openai` SDK, with its authentication and whatever its environment variables say.

The SDK's response models are not used: they cost more than the call, and say no more than its JSON does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import openai

from harness.backends._http import one_line, passwords, shown_url
from harness.backends._transport import MAX_REPLY_BYTES, LostError, Reply, TooLargeError, decoded, encoded
from harness.types import JSON


class _Bounded(openai.DefaultAsyncHttpxClient):
    """The SDK's own client, which reads no more of a reply than there is room for."""

    async def send(self, request: Any, **how: Any) -> Any:
        reply = await super().send(request, **{**how, "stream": True})
        body, size = [], 0
        try:
            async for part in reply.aiter_raw():
                body.append(part)
                size += len(part)
                if size > MAX_REPLY_BYTES:
                    raise TooLargeError
        finally:
            await reply.aclose()
        headers = dict(reply.headers)
        plain = decoded(b"".join(body), headers.pop("content-encoding", "").strip().lower())
        for name in ("content-length", "transfer-encoding"):
            headers.pop(name, None)
        return type(reply)(reply.status_code, headers=headers, content=plain, request=reply.request)


class Sdk:
    """The SDK's client; retrying is the engine's, so its own is off."""

    def __init__(self, base_url: str | None, key: str, timeout_s: float) -> None:
        """`base_url`: `OPENAI_BASE_URL` or OpenAI's where it is `None`."""
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0, http_client=_Bounded()
        )
        self.url = shown_url(str(self._client.base_url))
        self.host = self._client.base_url.host
        self.secrets = (key, *passwords(str(self._client.base_url)))

    async def get(self, path: str) -> Reply:
        """Fetch `path`; of the reply's headers nothing is kept."""
        where = str(self._client.base_url.join(path)) if path.startswith("/") else f"/{path}"
        return await _told(self._got(where))

    async def post(self, path: str, body: Mapping[str, JSON]) -> Reply:
        """Send `body` to `path`."""
        encoded(body)  # what no JSON can hold is to be told before the SDK tries
        return await _told(self._posted(path, body))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _got(self, where: str) -> Reply:
        text = await self._client.get(where, cast_to=str)
        return Reply(200, {}, text.encode())

    async def _posted(self, path: str, body: Mapping[str, JSON]) -> Reply:
        """`body` is the whole request, and replaces what the SDK would make of its own arguments."""
        model = str(body["model"])
        raw: Any
        if path == "embeddings":
            raw = await self._client.embeddings.with_raw_response.create(model=model, input="", extra_body=body)
        else:
            chat = self._client.chat.completions.with_raw_response
            raw = await chat.create(model=model, messages=[], extra_body=body)
        return Reply(raw.status_code, dict(raw.headers), raw.content)


async def _told(reply: Awaitable[Reply]) -> Reply:
    """A reply, or why there is none, in our words for the SDK's."""
    try:
        return await reply
    except openai.APIStatusError as error:
        return Reply(error.status_code, dict(error.response.headers), error.response.content)
    except openai.APITimeoutError:
        raise TimeoutError from None
    except openai.APIConnectionError as error:
        raise LostError(one_line(error.__cause__ or error)) from None
    except openai.OpenAIError as error:
        raise LostError(one_line(error)) from None
