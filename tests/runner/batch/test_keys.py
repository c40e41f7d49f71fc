"""No key stands in what is told of a batch: a server that does not accept one likes to repeat it."""

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
from harness.runner.batch.files import offline
from harness.runner.batch.jsonl import response_of
from harness.runner.batch.openai_api import BatchAPI
from harness.runner.batch.status import BatchStatus, BusyError, NoFileError

from ...support.project import Project
from ...support.wire import Part, chunked, reply, wire

KEY = "sk-verysecret-1234567890abcdefghij"
REQUEST = Request((Message("user", "ticket"),), Sampling())


@pytest.fixture
def config(project: Project, monkeypatch: pytest.MonkeyPatch) -> BackendConfig:
    """A backend whose key is in the environment."""
    monkeypatch.setenv("HARNESS_TEST_KEY", KEY)
    project.config((project.root / "harness.toml").read_text() + 'api_key_env = "HARNESS_TEST_KEY"\n')
    return project.load().backends["fake"]


def asked(config: BackendConfig, answer: bytes, call: Callable[[BatchAPI], Awaitable[Any]]) -> Any:
    """What a call to a server gets that says `answer`."""

    async def ask(base_url: str) -> Any:
        service = BatchAPI(config.model_copy(update={"base_url": base_url}), KEY)
        try:
            return await call(service)
        finally:
            await service.close()

    parts: list[Part] = [answer, None]
    with wire(parts) as server:
        return asyncio.run(ask(server.base_url))


def told(status: str, body: JSON) -> bytes:
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
def test_what_a_server_refuses(config: BackendConfig, status: str, kind: type[Exception], before: str) -> None:
    """Also where the message is cut in the middle of the key."""
    answer = told(status, {"error": {"message": before + KEY}})
    with pytest.raises(kind) as caught:
        asked(config, answer, lambda service: service.create("file-1", "/v1/chat/completions", "t"))
    assert KEY[:8] not in str(caught.value)
    assert "***" in str(caught.value)


def test_what_is_no_batch_is_cut_after_the_key_is_taken_out(config: BackendConfig) -> None:
    answer = reply(b'{"no": "' + b"y" * 60 + KEY.encode() + b'"}')
    with pytest.raises(BusyError) as caught:
        asked(config, answer, lambda service: service.look("batch_1"))
    assert str(caught.value).endswith('says nothing of a batch: {"no": "' + "y" * 60 + '***"}')


def test_why_a_batch_has_failed(config: BackendConfig) -> None:
    answer = told("200 OK", {"id": "batch_1", "status": "failed", "errors": {"data": [{"message": f"bad key {KEY}"}]}})
    assert asked(config, answer, lambda service: service.look("batch_1")).why == "bad key ***"


@pytest.mark.parametrize("status", ["404 Not Found", "400 Bad Request"])
def test_why_a_file_is_not_there(config: BackendConfig, tmp_path: Path, status: str) -> None:
    answer = told(status, {"error": {"message": f"nothing for {KEY}"}})
    with pytest.raises(
        NoFileError, match=rf"does not give file file-1: Error code: {status[:3]} - nothing for \*\*\*$"
    ):
        asked(config, answer, lambda service: service.fetch("file-1", tmp_path / "results.jsonl"))


@pytest.mark.parametrize(("status", "kind"), [("401 Unauthorized", BackendError), ("503 Busy", BusyError)])
def test_a_file_that_may_be_had_later_is_not_given_up(
    config: BackendConfig, tmp_path: Path, status: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        asked(config, told(status, {}), lambda service: service.fetch("file-1", tmp_path / "results.jsonl"))
    with pytest.raises(kind):
        asked(config, told(status, {}), lambda service: service.has("file-1"))


@pytest.mark.parametrize("import_", [False, True])
def test_results(config: BackendConfig, *, import_: bool) -> None:
    """Of a batch that was waited for, and of a file that is imported."""
    backend = offline(config) if import_ else backends.connect(config)
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


# A file on its way


def test_a_file_comes_in_pieces_and_as_it_is(config: BackendConfig, tmp_path: Path) -> None:
    whole = bytes(range(256)) * 20_000
    parts = [whole[start : start + 999_999] for start in range(0, len(whole), 999_999)]
    answer = reply(b"", "transfer-encoding: chunked") + chunked(*parts)
    asked(config, answer, lambda service: service.fetch("file-1", tmp_path / "results.jsonl"))
    assert (tmp_path / "results.jsonl").read_bytes() == whole


def test_a_file_that_breaks_off_is_busy_and_not_whole(config: BackendConfig, tmp_path: Path) -> None:
    with pytest.raises(BusyError):
        asked(config, reply(b"half", length=100), lambda service: service.fetch("file-1", tmp_path / "results.jsonl"))


def test_a_disk_that_takes_no_file_is_one_line(config: BackendConfig, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "results.jsonl"
    with pytest.raises(StoreError, match=r"results of a batch cannot be written: No such file or directory$"):
        asked(config, reply(b"{}"), lambda service: service.fetch("file-1", path))


def test_how_a_batch_stands_is_told_in_a_few_words() -> None:
    assert BatchStatus("batch_1", "in_progress", 1200, 3).told(5000) == "in_progress, 1,200 of 5,000 answered, 3 failed"
