"""Failures of requests, batches and the server: retried if that can help, otherwise reported on one line."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from harness.backends.providers.openai import OpenAIBackend
from harness.core.types import Request
from harness.runner.batch import cell_batch, jsonl, openai_api
from harness.runner.batch.jsonl import CustomId

from ...support.batch_runs import RUN, by_case, errors, left_behind, newest, text_of, under_way
from ...support.batches import End, FakeBatches, good, refused
from ...support.cli import Terminal
from ...support.project import Project
from ...support.servers import Reply, completion, error


def test_failed_requests_are_retried_in_another_batch(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    tried: Counter[str] = Counter()

    def result(line: dict[str, Any]) -> dict[str, Any]:
        tried[text_of(line)] += 1
        if "Easter" in text_of(line):
            return refused(line, 400, "too strange")
        return refused(line, 500) if "crashes" in text_of(line) and tried[text_of(line)] == 1 else good(line)

    api.result = result
    assert harness(*RUN).code == 4
    assert [len(api.requests(name)) for name in api.batches] == [4, 1]
    found = by_case(batched)
    assert (found["t-2"].response.text, found["t-2"].attempts) == ("billing", 2)
    assert errors(batched) == {"t-3": "Error code: 400 - too strange"}
    assert found["t-3"].score is None


def test_a_request_that_keeps_failing_is_a_recorded_error(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    api.result = lambda line: refused(line, 500, "no luck") if "crashes" in text_of(line) else good(line)
    assert harness(*RUN).code == 4
    assert errors(batched) == {"t-2": "Error code: 500 - no luck"}
    assert [len(api.requests(name)) for name in api.batches] == [4, 1], "retries = 1"


def test_requests_of_an_expired_batch_are_retried(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.ends.append(End("expired", answered=1))
    assert harness(*RUN).code == 0
    assert [len(api.requests(name)) for name in api.batches] == [4, 3]
    assert not errors(batched)


def test_requests_expired_twice_are_recorded_errors(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.ends.extend([End("expired", answered=1), End("expired", answered=1)])
    assert harness(*RUN).code == 4
    assert all("expired" in message for message in errors(batched).values())
    assert len(errors(batched)) == 2
    assert harness(*RUN, "--resume").code == 0
    assert len(api.requests("batch_2")) == 2, "only requests without a reply are sent again"


def test_a_rejected_batch_ends_the_cell_with_its_reason(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.ends.append(End("failed", why="Enqueued token limit reached"))
    ended = harness(*RUN)
    assert (ended.code, "Enqueued token limit reached" in ended.err) == (2, True)
    assert "no pending batch jobs" in under_way(harness).out
    assert harness(*RUN, "--resume").code == 0
    del batched


def test_calls_are_retried_while_the_server_is_unavailable(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    html = error(200)
    api.troubles.extend([None, None, error(502), error(429), html, None, error(500)])
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    assert "unavailable, retrying" in ended.err
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_rejected_key_is_reported_without_the_key(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batched.config((batched.root / "harness.toml").read_text() + 'api_key_env = "HARNESS_TEST_KEY"\n')
    monkeypatch.setenv("HARNESS_TEST_KEY", "sk-wrong-key")
    api.key = "sk-right-key"
    ended = harness(*RUN)
    assert ended.code == 2
    assert "rejected the API key" in ended.err
    assert "sk-wrong" not in ended.err + ended.out


def test_a_server_without_batch_api_is_reported_with_advice(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    api.troubles.append(error(404, "no such path"))
    ended = harness(*RUN)
    assert ended.code == 2
    assert "run without --batch" in ended.err
    del batched


def test_unusable_result_lines_are_reported_and_retried(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    """An incomplete line, an unknown id, two replies with one id, a result of another request."""

    def spoil(lines: list[str]) -> list[str]:
        if len(lines) < 4:
            return lines
        whole = [json.loads(line) for line in lines]
        twice = good({"custom_id": whole[0]["custom_id"]}, completion("technical"))
        other = good({"custom_id": whole[1]["custom_id"][:-4] + "0000"}, completion("general"))
        strange = [good({"custom_id": "mine-1"}), twice, other]
        return [lines[0], lines[1][: len(lines[1]) // 2], *lines[2:], *map(json.dumps, strange)]

    api.spoil = spoil
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    for part in ("incomplete JSON", "'mine-1'", "replies differ", "ignored 1 results"):
        assert part in ended.err
    assert {r.response.text for r in newest(batched).results} == {"billing"}
    assert len(api.requests("batch_1")) == 2, "the two requests without a usable reply are sent again"


def test_a_broken_constraint_keeps_all_other_replies(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    """The run ends as a direct run does, but the whole batch is paid: its replies are saved."""
    batched.eval('decoding = ["constrained"]\n')
    replies = {"crashes": "I think billing"}

    def result(line: dict[str, Any]) -> dict[str, Any]:
        broken = next((text for word, text in replies.items() if word in text_of(line)), None)
        return good(line, completion(broken or '{"answer": "billing"}'))

    api.result = result
    ended = harness(*RUN)
    assert ended.code == 2
    assert "error: backend fake: " in ended.err
    assert "'I think billing'" in ended.err
    assert {case: r.response.text for case, r in by_case(batched).items() if not r.response.error} == {
        "t-1": "billing",
        "t-3": "billing",
        "t-4": "billing",
    }
    assert list(errors(batched)) == ["t-2"]
    assert "'I think billing'" in errors(batched)["t-2"]
    assert under_way(harness).out == "no pending batch jobs\n"
    replies.clear()
    assert harness(*RUN, "--resume").code == 0
    assert [len(api.requests(name)) for name in api.batches] == [4, 1], "only requests without a reply are sent again"


def test_a_broken_constraint_of_an_earlier_batch_ends_one_run(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batched.eval('decoding = ["constrained"]\n')
    left_behind(harness, api, monkeypatch, lambda line: good(line, completion("I think billing")))
    assert "does not constrain" in harness(*RUN, "--resume").err
    assert len(errors(batched)) == 4
    api.result = lambda line: good(line, completion('{"answer": "billing"}'))
    assert harness(*RUN, "--resume").code == 0
    assert not errors(batched)


def test_an_interrupted_download_is_retried(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.troubles.extend([None, None, None, None, Reply(body=b"half a file" * 1000, drop=True)])
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    assert "unavailable, retrying" in ended.err
    assert not api.troubles
    assert list(api.batches) == ["batch_0"]
    del batched


def test_an_oversized_result_file_is_not_read(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_api, "MAX_BYTES", 1000)
    ended = harness(*RUN)
    assert ended.code == 4
    assert "batch batch_0: file file-1 has more than 1,000 bytes" in ended.err
    assert len(errors(batched)) == 4
    del api


def test_a_request_that_is_not_json_is_an_error_of_its_case(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def request_line(backend: OpenAIBackend, custom_id: CustomId, request: Request) -> bytes:
        if "crashes" in request.messages[-1].content:
            msg = "half a character"
            raise ValueError(msg)
        return jsonl.request_line(backend, custom_id, request)

    monkeypatch.setattr(cell_batch, "request_line", request_line)
    assert harness(*RUN).code == 4
    assert list(errors(batched)) == ["t-2"]
    assert "half a character" in errors(batched)["t-2"]
    assert [len(api.requests(name)) for name in api.batches] == [3]
