"""llama.cpp in this process: identity, replies, and equality with the replies of llama.cpp's own server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.backends.local import gguf, models
from harness.backends.providers import llamacpp
from harness.backends.providers.llamacpp import LlamaCppBackend
from harness.core.errors import BackendError
from harness.core.types import Response

from ..support.backend_calls import ask, configured, identify, request

NAME = "smollm2-135m-instruct"
MODEL_FILE = models.cached_path(NAME)
SERVER = Path(__file__).parents[1] / "support" / "llama_server.py"

with_model = [
    pytest.mark.model,
    pytest.mark.skipif(not MODEL_FILE.is_file(), reason=f"{NAME} is not in the cache: `harness models pull {NAME}`"),
]

TEXTS = (
    "I was charged twice for March, please refund one of them.",
    "The billing page crashes with a white screen.",
    "Are you open at Easter?",
    "refund please, charged twice",
    "API returns 502 since this morning, about one request in five.",
    "Where is my invoice for October?",
    "Could you add a dark mode?",
    "cant log in. reset mail never arrives",
)
REQUESTS = tuple(
    request(f"Ticket: {text}\nCategory:", system="Answer with one word: billing, technical, general.", max_tokens=8)
    for text in TEXTS
)


def embedded(**more: Any) -> Any:
    return configured("llamacpp", model=NAME, timeout_s=120.0, **more)


def texts(responses: list[Response]) -> list[str]:
    assert [response.error for response in responses] == [None] * len(responses)
    return [response.text for response in responses]


@contextmanager
def llama_server(*switches: str) -> Iterator[str]:
    """A new server, because llama.cpp's replies depend slightly on earlier requests."""
    command = [sys.executable, str(SERVER), str(MODEL_FILE), *switches]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"{process.stdout.readline().strip()}/v1"
        finally:
            process.stdin.close()
            process.wait(timeout=20)


class TestWithTheModel:
    pytestmark = with_model

    def test_identity_needs_no_loaded_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LlamaCppBackend, "_load", None)
        info = identify(embedded())
        assert (info.model, info.digest) == (NAME, f"sha256:{models.CATALOG[NAME].sha256}")
        assert (info.quantization, info.engine) == ("Q4_1", "llama.cpp")
        assert info.engine_version.startswith("xllamacpp 20")
        assert gguf.quantization(MODEL_FILE) == "Q4_1"

    @pytest.mark.slow
    def test_embedded_replies_equal_those_of_llama_server(self, capfd: pytest.CaptureFixture[str]) -> None:
        own = ask(embedded(), *REQUESTS)
        with llama_server() as url:
            openai = ask(configured("openai", url, timeout_s=120.0), *REQUESTS)
        with llama_server() as url:
            vllm = ask(configured("vllm", url, timeout_s=120.0), *REQUESTS)
        assert all(texts(own))
        assert texts(own) == texts(openai) == texts(vllm)
        assert [r.prompt_tokens for r in own] == [r.prompt_tokens for r in openai]
        assert all(r.truncated or r.finish_reason == "stop" for r in own)
        assert capfd.readouterr() == ("", "")  # llama.cpp's log would go through the progress bar

    @pytest.mark.slow
    def test_reproducible_replies_ignore_earlier_requests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # no proxy for connections within this machine
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        there = REQUESTS[:5]
        replies = texts(ask(embedded(reproducible=True, n_ctx=512), *there, *reversed(there)))
        assert replies[:5] == replies[:4:-1]

    def test_truncated_model_file_is_a_one_line_error(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        cut = tmp_path / "cut.gguf"
        with MODEL_FILE.open("rb") as whole:
            cut.write_bytes(whole.read(4_000_000))
        config = configured("llamacpp", model=str(cut))
        assert identify(config).quantization == "Q4_1"
        with pytest.raises(
            BackendError, match=r"llama.cpp cannot load .*cut.gguf .*check that the file is complete"
        ) as caught:
            ask(config)
        assert "\n" not in str(caught.value)
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!doctype html><html>", "not a GGUF file .*fetch it again"),
        (b"", "not a GGUF file"),
        (b"GGUF\x03\x00\x00\x00", "header is damaged"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, "header is damaged"),
    ],
)
def test_invalid_model_file_is_reported_before_loading(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=says):
        identify(configured("llamacpp", model=str(path)))


def test_unknown_model_names_the_nearest_model() -> None:
    with pytest.raises(BackendError, match=rf"no model file 'smollm2': .*{NAME}"):
        identify(configured("llamacpp", model="smollm2"))


@pytest.mark.parametrize("slots", [1, 3])
def test_concurrency_equals_the_number_of_slots(slots: int) -> None:
    assert backends.connect(configured("llamacpp", concurrency=slots)).concurrency == slots
    assert backends.connect(configured("llamacpp")).concurrency == 1


class FakeServer:
    """A fake engine."""

    listening_address = "http://127.0.0.1:9"


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that a slow fake engine loads. The engine never replies."""
    paths: list[str] = []

    def load(_: LlamaCppBackend, path: Path, *, embed: bool) -> FakeServer:
        paths.append(f"{path.name} {embed}")
        time.sleep(0.2)
        return FakeServer()

    monkeypatch.setattr(LlamaCppBackend, "_load", load)
    monkeypatch.setattr(models, "resolve", lambda *_, **__: tmp_path / "x.gguf")
    return paths


def test_timeout_does_not_load_the_model_twice(loads: list[str]) -> None:
    async def talk() -> None:
        backend = backends.connect(configured("llamacpp"))
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await backend.complete(request())
        answers = await asyncio.gather(*(backend.complete(request()) for _ in range(3)))
        assert {answer.error.kind for answer in answers if answer.error} == {"connection"}
        await backend.close()

    asyncio.run(talk())
    assert len(loads) == 1


def test_replies_and_vectors_have_separate_lazy_engines(loads: list[str]) -> None:
    async def talk() -> None:
        backend = backends.connect(configured("llamacpp"))
        await backend.complete(replace(request(), embed=True))
        assert loads == ["x.gguf True"]
        await asyncio.gather(*(backend.complete(replace(request(), embed=embed)) for embed in (False, True, False)))
        assert isinstance(backend, LlamaCppBackend)
        assert len(backend._servers) == 2
        await backend.close()
        assert not backend._servers

    asyncio.run(talk())
    assert loads == ["x.gguf True", "x.gguf False"]


def test_close_waits_for_the_model_to_load(loads: list[str]) -> None:
    async def talk() -> None:
        backend = backends.connect(configured("llamacpp"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(backend.complete(request()), 0.05)
        await backend.close()
        assert isinstance(backend, LlamaCppBackend)
        assert not backend._servers

    asyncio.run(talk())
    assert len(loads) == 1


def test_ctrl_c_does_not_wait_for_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    over, downloaded = threading.Event(), threading.Event()

    def downloads(*_: object, **__: object) -> None:
        over.wait(30)
        downloaded.set()

    monkeypatch.setattr(models, "resolve", downloads)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(backends.connect(configured("llamacpp")).identify(), 0.1))
    assert not downloaded.is_set()
    over.set()


def test_thread_error_is_raised_where_it_is_awaited() -> None:
    def defect() -> None:
        msg = "a defect"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="a defect"):
        asyncio.run(llamacpp._abandonable(defect))
    assert asyncio.run(llamacpp._abandonable(lambda: 7)) == 7
