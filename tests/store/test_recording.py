"""Recordings: replies are written at once, read elsewhere, and never given to another request."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import StoreError
from harness.core.types import Case, Manifest, ModelInfo, Response, Result, RunOrigin
from harness.store.recording import FORMAT, Recorder, Recording

from ..support.stored import NASTY, failure, manifest, result

FINGERPRINT = {"model": "m", "model_digest": "sha256:1", "engine": "e", "backend_hash": "of url and options"}


def key(number: int) -> str:
    return f"{number:064x}"


def answer(number: int = 1, text: str = "billing", **more: Any) -> Result:
    return replace(result(f"t-{number}", text), request_key=key(number), **more)


def run_of(backend: str = "fake", **more: Any) -> Manifest:
    return manifest(**({"backend": backend, "fingerprint": FINGERPRINT} | more))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "triage.jsonl"


def record(path: Path, *results: Result, run: Manifest | None = None, own: str = "local") -> None:
    with Recorder(path) as recorder:
        recorder.add(run or run_of(), results, own)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Round trip


def test_recorded_reply_is_found_by_its_request_key(path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": NASTY, "arguments": "{}"}}
    full = Response(NASTY, "length", 3, 0, 0.25, 1.5, 0.1, 0.2, NASTY, (call,), (), "served")
    vector = Response(vector=(0.1, -math.inf, 1e-300))
    record(path, answer(1, response=full), answer(2, response=vector))
    answers = Recording(path).replies()
    assert (answers.find(key(1)), answers.find(key(2)), answers.find(key(3))) == (full, vector, None)


@settings(max_examples=50)
@given(text=st.text(st.characters(exclude_categories=())), tokens=st.none() | st.integers(0))
def test_every_text_survives_a_recording(
    tmp_path_factory: pytest.TempPathFactory, text: str, tokens: int | None
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.jsonl"
    response = Response(text, model=text, prompt_tokens=tokens)
    record(path, replace(answer(response=response), case=Case(text, {}, "x")))
    assert Recording(path).replies().find(key(1)) == response


def test_recording_keeps_the_source(path: Path) -> None:
    record(path, answer(), run=run_of(eval="triage", model_bytes=7), own="gpt")
    answers = Recording(path).replies()
    source = answers.source
    assert source.model == ModelInfo("m", "sha256:1", engine="e", size=7)
    assert (source.backend, source.own_variant, source.variant, source.prompt) == ("fake", "gpt", "local", "triage/v1")
    assert answers.cells == ("triage local",)


def test_recording_has_no_prompt_address_or_api_key(path: Path) -> None:
    record(path, answer(1), answer(2))
    source, first, second = lines(path)
    assert source["recording"] == FORMAT
    assert set(first) == {"source", "key", "case", "answered_at", "response"}
    assert first["response"] == {"text": "billing", "finish_reason": "stop"}
    assert first["source"] == second["source"] == source["source"]
    assert "ticket t-1" not in path.read_text()
    assert "of url and options" not in path.read_text()


# Writing


def test_failed_and_replayed_calls_are_not_recorded(path: Path) -> None:
    record(path, failure("t-1"), failure("t-2"))
    record(path, answer(), run=run_of("replay:20250601", origin=RunOrigin.REPLAYED))
    assert path.read_text() == ""


def test_only_new_replies_are_appended(path: Path) -> None:
    record(path, answer(1), answer(2))
    before = path.read_bytes()
    record(path, answer(1), answer(2, cached=True), answer(3))
    assert path.read_bytes().startswith(before)
    assert [line.get("case") for line in lines(path)] == [None, "t-1", "t-2", "t-3"]


def test_last_reply_to_a_request_counts(path: Path) -> None:
    record(path, answer(1, "billing"))
    record(path, answer(1, "technical", answered_at="2025-06-02T10:00:00Z"))
    reply = Recording(path).replies().find(key(1))
    assert reply is not None
    assert reply.text == "technical"


def test_truncated_last_line_is_ignored_and_repaired(path: Path) -> None:
    record(path, answer(1), answer(2))
    whole = path.read_bytes()
    for cut in (1, 2, 30, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        answers = Recording(path).replies()
        assert (answers.find(key(1)) is None, answers.find(key(2)) is None) == (False, cut > 1)
        record(path, answer(1), answer(2))
        assert path.read_bytes() == whole


def test_replies_are_written_unbuffered(path: Path) -> None:
    recorder = Recorder(path)
    recorder.add(run_of(), [answer(1)], "local")
    assert Recording(path).replies().find(key(1)) is not None
    recorder.close()


def test_concurrent_backends_write_whole_lines(path: Path) -> None:
    with Recorder(path) as recorder:

        def write(name: str) -> None:
            for number in range(50):
                recorder.add(run_of(name), [answer(number, "x" * 5000)], "local")

        threads = [threading.Thread(target=write, args=(f"b{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    recording = Recording(path)
    assert sorted(recording.backends) == ["b0", "b1", "b2", "b3"]
    assert all(recording.replies(name).find(key(49)) for name in recording.backends)


def test_concatenated_recordings_are_a_recording(path: Path) -> None:
    other = path.with_name("other.jsonl")
    record(path, answer(1))
    record(other, answer(2), run=run_of(eval="search"))
    path.write_bytes(path.read_bytes() + other.read_bytes())
    answers = Recording(path).replies()
    assert answers.find(key(1)) is not None
    assert answers.find(key(2)) is not None
    assert answers.cells == ("triage local", "search local")


# Backends and models


def test_replies_of_two_backends_are_kept_apart(path: Path) -> None:
    record(path, answer(1, "billing"), run=run_of("gpt-4o"))
    record(path, answer(1, "technical"), run=run_of("mistral"))
    recording = Recording(path)
    texts = [reply.text for name in ("gpt-4o", "mistral") if (reply := recording.replies(name).find(key(1)))]
    assert texts == ["billing", "technical"]
    with pytest.raises(StoreError, match=r"use one of replay:.*triage.jsonl#gpt-4o, replay:.*#mistral"):
        recording.replies()
    with pytest.raises(StoreError, match=r"no replies of 'gpt' \(there are: gpt-4o, mistral\)"):
        recording.replies("gpt")


def test_only_the_newest_model_of_a_backend_is_replayed(path: Path) -> None:
    new = run_of(fingerprint={**FINGERPRINT, "model_digest": "sha256:2"})
    record(path, answer(1), answer(2))
    record(path, answer(2, "technical"), run=new)
    answers = Recording(path).replies()
    assert answers.source.model.digest == "sha256:2"
    assert (answers.find(key(1)), answers.find(key(2))) == (None, Response("technical", "stop"))
    record(path, answer(1), answer(2))  # the first reply again, from the cache
    answers = Recording(path).replies()
    assert answers.source.model.digest == "sha256:1"
    assert answers.find(key(1)) == Response("billing", "stop")


# Files that are not recordings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "t-1", "inputs": {}}\n', ":1: not a line of a recording"),
        ("these are my notes\n", ":1: not a line of a recording"),
        ("[1]\n", ":1: not a line of a recording"),
        ('{"recording": 1, "source": "a"}\n', ":1: not a line of a recording"),
        ('{"source": "a", "key": "00", "response": {}}\n', ":1: not a line of a recording"),
        ('{"recording": 2, "source": "a"}\n', "format 2, this version reads up to 1: upgrade"),
        ("\xff\n", ":1: not a line of a recording"),
    ],
)
def test_foreign_file_is_neither_replayed_nor_changed(path: Path, text: str, message: str) -> None:
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    for opening in (Recording, Recorder):
        with pytest.raises(StoreError) as caught:
            opening(path)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == text.encode("latin-1")


def test_missing_or_unwritable_recording_is_an_error(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"triage.jsonl: cannot be read: No such file"):
        Recording(path)
    (tmp_path / "file").write_text("")
    for bad in (tmp_path, tmp_path / "file" / "x.jsonl"):
        with pytest.raises(StoreError, match="cannot be written"):
            Recorder(bad)


def test_empty_recording_names_the_command_that_fills_it(path: Path) -> None:
    Recorder(path).close()
    with pytest.raises(StoreError, match=r"no replies yet: `harness run --record .*triage.jsonl` writes them"):
        Recording(path).replies()


def test_recording_changed_during_a_replay_is_an_error(path: Path) -> None:
    record(path, answer(1), answer(2))
    answers = Recording(path).replies()
    path.write_bytes(path.read_bytes()[10:])
    with pytest.raises(StoreError, match=r"has changed|cannot be read"):
        answers.find(key(2))
