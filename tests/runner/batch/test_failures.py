"""What fails in a batch: requests, whole batches, the server. Asked again where that can help, told in one line where not."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from harness.backends.providers.openai import OpenAIBackend
from harness.core.types import Request
from harness.runner.batch import backend as _ask
from harness.runner.batch import jsonl, openai_api
from harness.runner.batch.jsonl import CustomId

from ...support.batch_runs import RUN, by_case, errors, left_behind, newest, text_of, under_way
from ...support.batches import End, FakeBatches, good, refused
from ...support.cli import Terminal
from ...support.project import Project
from ...support.servers import Reply, completion, error


def test_failed_requests_are_asked_again_in_a_further_batch(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
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


def test_what_fails_to_the_end_is_a_recorded_error(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.result = lambda line: refused(line, 500, "no luck") if "crashes" in text_of(line) else good(line)
    assert harness(*RUN).code == 4
    assert errors(batched) == {"t-2": "Error code: 500 - no luck"}
    assert [len(api.requests(name)) for name in api.batches] == [4, 1], "retries = 1"


def test_what_an_expired_batch_left_is_asked_again(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.ends.append(End("expired", answered=1))
    assert harness(*RUN).code == 0
    assert [len(api.requests(name)) for name in api.batches] == [4, 3]
    assert not errors(batched)


def test_expired_twice_is_an_error_that_says_so(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.ends.extend([End("expired", answered=1), End("expired", answered=1)])
    assert harness(*RUN).code == 4
    assert set(errors(batched).values()) == {"the batch expired before this was asked"}
    assert len(errors(batched)) == 2
    assert harness(*RUN, "--resume").code == 0
    assert len(api.requests("batch_2")) == 2, "only what has no answer is paid again"


def test_a_refused_batch_ends_the_cell_with_one_line(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.ends.append(End("failed", why="Enqueued token limit reached"))
    ended = harness(*RUN)
    assert (ended.code, "refuses the batch: Enqueued token limit reached" in ended.err) == (2, True)
    assert "no pending batch jobs" in under_way(harness).out
    assert harness(*RUN, "--resume").code == 0
    del batched


def test_a_server_that_is_away_for_a_while_is_waited_for(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    html = error(200)
    api.troubles.extend([None, None, error(502), error(429), html, None, error(500)])
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    assert "busy or away, trying again" in ended.err
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_wrong_key_is_one_line_without_the_key(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batched.config((batched.root / "harness.toml").read_text() + 'api_key_env = "HARNESS_TEST_KEY"\n')
    monkeypatch.setenv("HARNESS_TEST_KEY", "sk-wrong-key")
    api.key = "sk-right-key"
    ended = harness(*RUN)
    assert ended.code == 2
    assert "refuses the key for batches" in ended.err
    assert "sk-wrong" not in ended.err + ended.out


def test_a_server_without_batches_says_what_to_do_instead(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    api.troubles.append(error(404, "no such path"))
    ended = harness(*RUN)
    assert ended.code == 2
    assert "has no Batch API" in ended.err
    del batched


def test_strange_lines_are_told_and_make_no_answer(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    """Half a line, a line of nobody's, an id that two answers have, a result of another request."""

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
    for told in (
        "no whole JSON",
        "'mine-1' is not one of",
        "because they differ",
        "1 results of requests that were not",
    ):
        assert told in ended.err
    assert {r.response.text for r in newest(batched).results} == {"billing"}
    assert len(api.requests("batch_1")) == 2, "the two without an answer that can be trusted are asked again"


def test_a_reply_that_breaks_its_constraint_costs_no_other_answer(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    """The run ends as a direct one does, but a batch is paid as a whole: what it says is kept."""
    batched.eval('decoding = ["constrained"]\n')
    said = {"crashes": "I think billing"}

    def result(line: dict[str, Any]) -> dict[str, Any]:
        broken = next((text for word, text in said.items() if word in text_of(line)), None)
        return good(line, completion(broken or '{"answer": "billing"}'))

    api.result = result
    ended = harness(*RUN)
    assert ended.code == 2
    error = f"{api.base_url} replied 'I think billing': it does not constrain the replies of 'fake-model'"
    assert f"error: backend fake: {error}" in ended.err
    assert {case: r.response.text for case, r in by_case(batched).items() if not r.response.error} == {
        "t-1": "billing",
        "t-3": "billing",
        "t-4": "billing",
    }
    assert list(errors(batched)) == ["t-2"]
    assert error in errors(batched)["t-2"]
    assert under_way(harness).out == "no pending batch jobs\n"
    said.clear()
    assert harness(*RUN, "--resume").code == 0
    assert [len(api.requests(name)) for name in api.batches] == [4, 1], "only what has no answer is paid again"


def test_a_broken_constraint_in_a_batch_that_was_left_behind_does_not_stop_every_run(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batched.eval('decoding = ["constrained"]\n')
    left_behind(harness, api, monkeypatch, lambda line: good(line, completion("I think billing")))
    assert "does not constrain" in harness(*RUN, "--resume").err
    assert len(errors(batched)) == 4
    api.result = lambda line: good(line, completion('{"answer": "billing"}'))
    assert harness(*RUN, "--resume").code == 0
    assert not errors(batched)


def test_results_that_break_off_halfway_are_fetched_again(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    api.troubles.extend([None, None, None, None, Reply(body=b"half a file" * 1000, drop=True)])
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    assert "busy or away, trying again" in ended.err
    assert not api.troubles
    assert list(api.batches) == ["batch_0"]
    del batched


def test_results_without_end_are_not_read(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_api, "MOST_BYTES", 1000)
    ended = harness(*RUN)
    assert ended.code == 4
    assert "no answers from batch batch_0: file file-1 has more than 1,000 bytes, which are not read" in ended.err
    assert len(errors(batched)) == 4
    del api


def test_what_fits_into_no_json_is_an_error_of_its_case(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line_of(backend: OpenAIBackend, custom_id: CustomId, request: Request) -> bytes:
        if "crashes" in request.messages[-1].content:
            msg = "half a character"
            raise ValueError(msg)
        return jsonl.line_of(backend, custom_id, request)

    monkeypatch.setattr(_ask, "line_of", line_of)
    assert harness(*RUN).code == 4
    assert errors(batched) == {"t-2": "what is asked fits into no JSON: half a character"}
    assert [len(api.requests(name)) for name in api.batches] == [3]
