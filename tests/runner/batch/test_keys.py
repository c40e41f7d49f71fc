"""No message about a batch contains an API key, although servers repeat a key that they reject."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.backends.providers.openai import OpenAIBackend
from harness.core.errors import BackendError, StoreError
from harness.core.types import JSON, Message, Request, Sampling
from harness.project.config import BackendConfig
from harness.runner.batch.files import offline_backend
from harness.runner.batch.jsonl import response_of
from harness.runner.batch.openai_api import BatchAPI
from harness.runner.batch.status import BatchStatus, BusyError, NoFileError

from ...support.project import Project
from ...support.wire import Part, chunked, reply, wire

KEY = "sk-verysecret-1234567890abcdefghij"
REQUEST = Request((Message("user", "ticket"),), Sampling())


@pytest.fixture
def config(project: Project, monkeypatch: pytest.MonkeyPatch) -> BackendConfig:
    """A backend whose API key is in the environment."""
    monkeypatch.setenv("HARNESS_TEST_KEY", KEY)
    project.config((project.root / "harness.toml").read_text() + 'api_key_env = "HARNESS_TEST_KEY"\n')
    return project.load().backends["fake"]


def called(config: BackendConfig, answer: bytes, call: Callable[[BatchAPI], Awaitable[Any]]) -> Any:
    """Make a call to a server that replies with `answer`."""

    async def main(base_url: str) -> Any:
        service = BatchAPI(config.model_copy(update={"base_url": base_url}), KEY)
        try:
            return await call(service)
        finally:
            await service.close()

    parts: list[Part] = [answer, None]
    with wire(parts) as server:
        return asyncio.run(main(server.base_url))


def json_reply(status: str, body: JSON) -> bytes:
    return reply(json.dumps(body).encode(), status=status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", BackendError),
        ("404 Not Found", BackendError),
        ("422 Unprocessable", BackendError),
        ("500 Oh", BusyError),
    ],
)
@pytest.mark.parametrize("before", ["Incorrect API key provided: ", "x" * (300 - len("Error code: 500 - ") - 20)])
def test_no_key_in_rejections(config: BackendConfig, status: str, kind: type[Exception], before: str) -> None:
    """Also if the message is cut in the middle of the key."""
    answer = json_reply(status, {"error": {"message": before + KEY}})
    with pytest.raises(kind) as caught:
        called(config, answer, lambda service: service.create("file-1", "/v1/chat/completions", "t"))
    assert KEY[:8] not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_foreign_reply_is_cut_after_the_key_is_removed(config: BackendConfig) -> None:
    answer = reply(b'{"no": "' + b"y" * 60 + KEY.encode() + b'"}')
    with pytest.raises(BusyError) as caught:
        called(config, answer, lambda service: service.status("batch_1"))
    assert str(caught.value).endswith('{"no": "' + "y" * 60 + '***"}')


def test_no_key_in_the_reason_of_a_failed_batch(config: BackendConfig) -> None:
    answer = json_reply(
        "200 OK", {"id": "batch_1", "status": "failed", "errors": {"data": [{"message": f"bad key {KEY}"}]}}
    )
    assert called(config, answer, lambda service: service.status("batch_1")).reason == "bad key ***"


@pytest.mark.parametrize("status", ["404 Not Found", "400 Bad Request"])
def test_no_key_in_the_reason_of_a_missing_file(config: BackendConfig, tmp_path: Path, status: str) -> None:
    answer = json_reply(status, {"error": {"message": f"nothing for {KEY}"}})
    with pytest.raises(NoFileError, match=rf"file-1: Error code: {status[:3]} - nothing for \*\*\*$"):
        called(config, answer, lambda service: service.download("file-1", tmp_path / "results.jsonl"))


@pytest.mark.parametrize(("status", "kind"), [("401 Unauthorized", BackendError), ("503 Busy", BusyError)])
def test_a_temporary_error_is_not_a_missing_file(
    config: BackendConfig, tmp_path: Path, status: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        called(config, json_reply(status, {}), lambda service: service.download("file-1", tmp_path / "results.jsonl"))
    with pytest.raises(kind):
        called(config, json_reply(status, {}), lambda service: service.has_file("file-1"))


@pytest.mark.parametrize("import_", [False, True])
def test_no_key_in_results(config: BackendConfig, *, import_: bool) -> None:
    """Results of a batch, and of an imported file."""
    backend = offline_backend(config) if import_ else backends.connect(config)
    assert isinstance(backend, OpenAIBackend)
    body = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    unanswered = {"code": "invalid_api_key", "message": f"key {KEY} is not known"}
    for result in (
        {"response": {"status_code": 401, "body": body}},
        {"response": {"status_code": 401, "body": None}, "error": body},
        {"response": None, "error": unanswered},
        {"response": None, "error": f"no, {KEY}"},
        {"response": {"status_code": 200, "body": body}},
    ):
        error = response_of(backend, REQUEST, result).error
        assert error is not None
        assert KEY[:8] not in error.message
        assert "***" in error.message


# Downloads


def test_a_file_is_downloaded_in_chunks_unchanged(config: BackendConfig, tmp_path: Path) -> None:
    whole = bytes(range(256)) * 20_000
    parts = [whole[start : start + 999_999] for start in range(0, len(whole), 999_999)]
    answer = reply(b"", "transfer-encoding: chunked") + chunked(*parts)
    called(config, answer, lambda service: service.download("file-1", tmp_path / "results.jsonl"))
    assert (tmp_path / "results.jsonl").read_bytes() == whole


def test_a_truncated_download_raises_busy_error(config: BackendConfig, tmp_path: Path) -> None:
    with pytest.raises(BusyError):
        called(
            config, reply(b"half", length=100), lambda service: service.download("file-1", tmp_path / "results.jsonl")
        )


def test_an_unwritable_path_raises_store_error(config: BackendConfig, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "results.jsonl"
    with pytest.raises(StoreError, match=r"results.jsonl: .*No such file or directory$"):
        called(config, reply(b"{}"), lambda service: service.download("file-1", path))


def test_status_text_has_state_and_counts() -> None:
    assert BatchStatus("batch_1", "in_progress", 1200, 3).text(5000) == "in_progress, 1,200 of 5,000 answered, 3 failed"
