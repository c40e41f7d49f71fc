"""`harness batch export`, an engine that takes files, `harness batch import`: the same runs as asked directly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.core.types import Billing
from harness.runner.batch import export
from harness.runner.batch import results as _found
from harness.store.runs import open_store

from ...support.batch_runs import newest
from ...support.batches import good, refused, unanswered
from ...support.cli import Ended, Terminal
from ...support.project import CONFIG, LOCAL, Project, row
from ...support.servers import FakeOpenAI, completion, tool_call

Line = dict[str, Any]
VLLM = CONFIG.replace('"openai"', '"vllm"')


@pytest.fixture(autouse=True)
def exported(project: Project) -> Project:
    """A project of a vLLM backend that nobody serves, its requests in a file."""
    project.config(VLLM)
    export(project.plan(variant=("local",)), project.root / "requests.jsonl")
    return project


def requests(project: Project) -> list[Line]:
    return [json.loads(line) for line in (project.root / "requests.jsonl").read_text().splitlines()]


def text_of(line: Line) -> str:
    return str(line["body"]["messages"][-1]["content"])


def answered(project: Project, answer: Callable[[Line], Line] = good) -> list[Line]:
    """What an engine makes of the file."""
    return [answer(line) for line in requests(project)]


def write(project: Project, results: Iterable[Line | str], name: str = "results.jsonl") -> Path:
    lines = [line if isinstance(line, str) else json.dumps(line) for line in results]
    return project.write(name, "\n".join(lines) + "\n")


def said(project: Project) -> dict[str, str]:
    return {r.case.id: r.response.error.kind if r.response.error else r.response.text for r in newest(project).results}


def imported(harness: Terminal, *more: str) -> Ended:
    return harness("batch", "import", "results.jsonl", *more)


def test_the_file_is_what_vllm_run_batch_takes(exported: Project, harness: Terminal, server: FakeOpenAI) -> None:
    """Each line with the four keys of its `BatchRequestInput`, each body what the server would be asked."""
    ended = harness("batch", "export", "-b", "fake", "--variant", "local", "-o", "requests.jsonl")
    assert (ended.code, ended.out) == (0, "requests.jsonl: 4 requests of 1 cell\n"), ended.err
    lines = requests(exported)
    assert [(set(line), line["method"], line["url"]) for line in lines] == [
        ({"custom_id", "method", "url", "body"}, "POST", "/v1/chat/completions")
    ] * 4
    assert all(len(line["custom_id"]) <= 64 for line in lines)
    exported.config(VLLM.replace("http://127.0.0.1:9/v1", server.base_url))
    harness("run", "--variant", "local")
    asked = [json.dumps(each.body, sort_keys=True) for each in server.chats if each.prompt != "Say OK."]
    assert sorted(json.dumps(line["body"], sort_keys=True) for line in lines) == sorted(asked)


def test_results_become_a_run_like_any_other(exported: Project, harness: Terminal) -> None:
    exported.eval("[gates]\nmin_compliance = 0.3\n")
    answers = answered(
        exported, lambda line: good(line, completion("technical" if "crash" in text_of(line) else "billing"))
    )
    write(exported, reversed(answers))
    ended = imported(harness, "-o", "report.md")
    assert (ended.code, "passed" in ended.out) == (0, True), ended.out + ended.err
    assert said(exported) == {"t-1": "billing", "t-2": "technical", "t-3": "billing", "t-4": "billing"}
    run = newest(exported)
    assert run.manifest.billing is Billing.BATCH
    assert run.manifest.notes == ("asked by batch: answers from results.jsonl",)
    assert {result.response.latency_s for result in run.results} == {None}
    assert run.manifest.finished_at
    assert (exported.root / "report.md").is_file()


def test_the_key_is_not_needed(exported: Project, harness: Terminal) -> None:
    exported.config(CONFIG.replace('base_url = "http://127.0.0.1:9/v1"\n', ""))
    assert harness("batch", "export", "-b", "fake", "--variant", "local").code == 0
    assert "max_completion_tokens" in requests(exported)[0]["body"]
    write(exported, answered(exported))
    assert imported(harness).code == 0


def test_what_failed_is_a_recorded_error_of_its_case(exported: Project, harness: Terminal) -> None:
    """OpenAI's error file beside the output, and vLLM's way to say it: the error beside an empty response."""
    first, second, third, fourth = requests(exported)
    write(exported, [good(first)])
    by_vllm = {"response": {"status_code": 400, "request_id": "r"}, "error": {"error": {"message": "too long"}}}
    write(exported, [refused(second, 429), unanswered(third, "batch_expired"), {**fourth, **by_vllm}], "errors.jsonl")
    ended = imported(harness, "errors.jsonl")
    assert ended.code == 4
    assert said(exported) == {"t-1": "billing", "t-2": "rate_limit", "t-3": "server", "t-4": "bad_request"}


def test_a_missing_answer_can_be_added_later(exported: Project, harness: Terminal) -> None:
    whole = answered(exported)
    write(exported, whole[:3])
    assert imported(harness).code == 4
    assert said(exported)["t-4"] == "not_recorded"
    write(exported, whole[3:])
    assert imported(harness, "--resume").code == 0
    assert set(said(exported).values()) == {"billing"}


def strange(lines: list[Line]) -> dict[str, list[Line | str]]:
    """Files of results with something wrong about the last one, by what the line about it says."""
    *fine, last = [*map(good, lines)]
    other = good(lines[-1], completion("technical"))
    unknown = {**last, "custom_id": "00000000" + last["custom_id"][8:]}
    return {
        "no whole JSON": [*fine, json.dumps(last)[:60]],
        "has no custom_id": [*fine, "[1, 2]"],
        "is not one of the harness": [*fine, {**last, "custom_id": "request-4"}],
        "of no eval, variant and backend of this import": [*fine, unknown],
        "has no such case": [
            *fine,
            {**last, "custom_id": last["custom_id"].replace(last["custom_id"][9:25], "0" * 16)},
        ],
        "was asked something else": [*fine, {**last, "custom_id": last["custom_id"][:-32] + "0" * 32}],
        "no answer is used, because they differ": [*fine, last, other],
    }


@pytest.mark.parametrize("what", list(strange([{"custom_id": "1234abcd-" + "0" * 49}])))
def test_a_line_that_cannot_be_used_is_told_and_makes_no_answer(
    exported: Project, harness: Terminal, what: str
) -> None:
    write(exported, strange(requests(exported))[what])
    ended = imported(harness)
    assert ended.code == 4
    assert len([line for line in ended.err.splitlines() if what in line]) == 1, ended.err
    assert said(exported) == {"t-1": "billing", "t-2": "billing", "t-3": "billing", "t-4": "not_recorded"}


def test_the_same_answer_twice_is_told_and_used_once(exported: Project, harness: Terminal) -> None:
    lines = requests(exported)
    write(exported, [*map(good, lines), good(lines[0]), refused(lines[1], 500)])
    ended = imported(harness)
    assert ended.code == 0
    assert ended.err.count("again: one answer is used") == 2
    assert "results.jsonl:5: the id of line 1" in ended.err


def test_answers_to_another_prompt_or_model_are_no_answers(exported: Project, harness: Terminal) -> None:
    write(exported, answered(exported))
    exported.prompt(local=LOCAL.replace("one word", "one label"))
    ended = imported(harness)
    assert (ended.code, ended.err.count("was asked something else")) == (4, 4)
    assert set(said(exported).values()) == {"not_recorded"}
    exported.prompt()
    exported.config(VLLM.replace("fake-model", "another-model"))
    assert imported(harness).err.count("or another model") == 4


def test_results_of_another_sample_are_of_no_cell(exported: Project, harness: Terminal) -> None:
    write(exported, answered(exported))
    ended = imported(harness, "--limit", "2")
    assert (ended.code, "give the options of the export" in ended.err) == (2, True)
    assert imported(harness).code == 0


def test_very_many_strange_lines_are_counted(exported: Project, harness: Terminal) -> None:
    write(exported, [*answered(exported), *[f"half {n}" for n in range(100)]])
    ended = imported(harness)
    assert ended.code == 0
    assert "and 80 more" in ended.err


def test_a_line_longer_than_any_reply_is_no_result(
    exported: Project, harness: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_found, "MOST_LINE", 2000)
    first, *others = requests(exported)
    write(exported, [good(first, completion("x" * 5000)), *map(good, others)])
    ended = imported(harness)
    assert (ended.code, ended.err.count("results.jsonl:1: no whole JSON")) == (4, 1), ended.err
    assert said(exported) == {"t-1": "not_recorded", "t-2": "billing", "t-3": "billing", "t-4": "billing"}


def test_repeats_have_ids_of_their_own(exported: Project, harness: Terminal) -> None:
    exported.eval("repeats = 2\n[sampling]\ntemperature = 0.7\n")
    harness("batch", "export", "-b", "fake", "--variant", "local")
    ids = [line["custom_id"] for line in requests(exported)]
    assert (len(ids), len(set(ids))) == (8, 8)
    write(exported, answered(exported))
    assert imported(harness).code == 0
    assert len(newest(exported).results) == 8


def test_a_tool_call_is_read_as_if_it_had_come_at_once(exported: Project, harness: Terminal) -> None:
    body = completion(None, finish_reason="tool_calls", tool_calls=[tool_call()])
    write(exported, answered(exported, lambda line: good(line, body)))
    assert imported(harness).code == 0
    assert newest(exported).results[0].response.tool_calls[0]["function"]["name"] == "refund"


def test_a_body_that_is_no_completion_is_a_bad_reply(exported: Project, harness: Terminal) -> None:
    bodies = iter(["text", {"choices": []}, {"choices": [{"message": 5}]}, 7])
    write(exported, answered(exported, lambda line: good(line, next(bodies))))
    assert imported(harness).code == 4
    assert said(exported) == dict.fromkeys(["t-1", "t-2", "t-3", "t-4"], "bad_reply")


def test_choices_that_the_engine_was_told_stand_in_the_file(exported: Project, harness: Terminal) -> None:
    harness("batch", "export", "-b", "fake", "--variant", "local", "--decoding", "constrained")
    assert requests(exported)[0]["body"]["structured_outputs"] == {"choice": ["billing", "technical", "general"]}
    exported.config(VLLM + 'structured = "guided"\n')
    harness("batch", "export", "-b", "fake", "--variant", "local", "--decoding", "constrained")
    assert requests(exported)[0]["body"]["guided_choice"] == ["billing", "technical", "general"]


def test_an_engine_that_ignored_the_choices_is_no_run(exported: Project, harness: Terminal) -> None:
    harness("batch", "export", "-b", "fake", "--variant", "local", "--decoding", "constrained")
    write(exported, answered(exported, lambda line: good(line, completion("Well, billing?"))))
    ended = imported(harness, "--decoding", "constrained")
    assert ended.code == 2
    assert "triage" not in ended.out


def test_one_file_is_for_one_model(exported: Project, harness: Terminal) -> None:
    exported.config(VLLM + VLLM.replace("backends.fake", "backends.other"))
    assert "name one --backend" in harness("batch", "export").err
    exported.config('[backends.fake]\nprovider = "ollama"\nmodel = "m"\nvariant = "local"\n')
    assert "not for ollama" in harness("batch", "export").err


def test_files_that_cannot_be_read_or_written_are_one_line(exported: Project, harness: Terminal) -> None:
    assert "nothing.jsonl: cannot be read" in harness("batch", "import", "nothing.jsonl").err
    exported.write("file", "")
    ended = harness("batch", "export", "-b", "fake", "-o", "file/requests.jsonl")
    assert (ended.code, "cannot be written" in ended.err) == (2, True)


def test_many_cases_of_the_same_text_each_get_their_answer(exported: Project, harness: Terminal) -> None:
    exported.cases([row(f"c-{i}", "the same", split="test") for i in range(4)])
    harness("batch", "export", "-b", "fake", "--variant", "local")
    labels = iter(["billing", "technical", "general", "billing"])
    write(exported, reversed(answered(exported, lambda line: good(line, completion(next(labels))))))
    assert imported(harness).code == 0
    assert said(exported) == {"c-0": "billing", "c-1": "technical", "c-2": "general", "c-3": "billing"}


def test_the_file_of_requests_itself_is_no_file_of_results(exported: Project, harness: Terminal) -> None:
    ended = harness("batch", "import", "requests.jsonl", "-b", "fake")
    assert ended.code == 2
    assert "requests.jsonl:1: a request, and not what came of it" in ended.err
    assert open_store(exported.load().store_url).manifests() == []
