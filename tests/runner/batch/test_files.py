"""`harness batch export` and `harness batch import` give the same runs as direct requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.core.types import Billing
from harness.runner.batch import export
from harness.runner.batch import results as batch_results
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
    """A project with a vLLM backend without a server, its requests exported to a file."""
    project.config(VLLM)
    export(project.plan(variant=("local",)), project.root / "requests.jsonl")
    return project


def requests(project: Project) -> list[Line]:
    return [json.loads(line) for line in (project.root / "requests.jsonl").read_text().splitlines()]


def text_of(line: Line) -> str:
    return str(line["body"]["messages"][-1]["content"])


def answered(project: Project, answer: Callable[[Line], Line] = good) -> list[Line]:
    """Return the results that an engine would write for the exported file."""
    return [answer(line) for line in requests(project)]


def write(project: Project, results: Iterable[Line | str], name: str = "results.jsonl") -> Path:
    lines = [line if isinstance(line, str) else json.dumps(line) for line in results]
    return project.write(name, "\n".join(lines) + "\n")


def replies(project: Project) -> dict[str, str]:
    return {r.case.id: r.response.error.kind if r.response.error else r.response.text for r in newest(project).results}


def imported(harness: Terminal, *more: str) -> Ended:
    return harness("batch", "import", "results.jsonl", *more)


def test_export_writes_the_input_of_vllm_run_batch(exported: Project, harness: Terminal, server: FakeOpenAI) -> None:
    """Each line has the four keys of `BatchRequestInput`, and the body of a direct request."""
    ended = harness("batch", "export", "-b", "fake", "--variant", "local", "-o", "requests.jsonl")
    assert (ended.code, ended.out) == (0, "requests.jsonl: 4 requests of 1 cell\n"), ended.err
    lines = requests(exported)
    assert [(set(line), line["method"], line["url"]) for line in lines] == [
        ({"custom_id", "method", "url", "body"}, "POST", "/v1/chat/completions")
    ] * 4
    assert all(len(line["custom_id"]) <= 64 for line in lines)
    exported.config(VLLM.replace("http://127.0.0.1:9/v1", server.base_url))
    harness("run", "--variant", "local")
    direct = [json.dumps(each.body, sort_keys=True) for each in server.chats if each.prompt != "Say OK."]
    assert sorted(json.dumps(line["body"], sort_keys=True) for line in lines) == sorted(direct)


def test_imported_results_become_a_run_with_gates(exported: Project, harness: Terminal) -> None:
    exported.eval("[gates]\nmin_compliance = 0.3\n")
    answers = answered(
        exported, lambda line: good(line, completion("technical" if "crash" in text_of(line) else "billing"))
    )
    write(exported, reversed(answers))
    ended = imported(harness, "-o", "report.md")
    assert (ended.code, "passed" in ended.out) == (0, True), ended.out + ended.err
    assert replies(exported) == {"t-1": "billing", "t-2": "technical", "t-3": "billing", "t-4": "billing"}
    run = newest(exported)
    assert run.manifest.billing is Billing.BATCH
    assert run.manifest.notes == ("asked by batch: answers from results.jsonl",)
    assert {result.response.latency_s for result in run.results} == {None}
    assert run.manifest.finished_at
    assert (exported.root / "report.md").is_file()


def test_export_and_import_need_no_api_key(exported: Project, harness: Terminal) -> None:
    exported.config(CONFIG.replace('base_url = "http://127.0.0.1:9/v1"\n', ""))
    assert harness("batch", "export", "-b", "fake", "--variant", "local").code == 0
    assert "max_completion_tokens" in requests(exported)[0]["body"]
    write(exported, answered(exported))
    assert imported(harness).code == 0


def test_failed_requests_are_recorded_errors(exported: Project, harness: Terminal) -> None:
    """OpenAI writes an error file; vLLM writes the error beside an empty response."""
    first, second, third, fourth = requests(exported)
    write(exported, [good(first)])
    by_vllm = {"response": {"status_code": 400, "request_id": "r"}, "error": {"error": {"message": "too long"}}}
    write(exported, [refused(second, 429), unanswered(third, "batch_expired"), {**fourth, **by_vllm}], "errors.jsonl")
    ended = imported(harness, "errors.jsonl")
    assert ended.code == 4
    assert replies(exported) == {"t-1": "billing", "t-2": "rate_limit", "t-3": "server", "t-4": "bad_request"}


def test_a_missing_reply_can_be_imported_later(exported: Project, harness: Terminal) -> None:
    whole = answered(exported)
    write(exported, whole[:3])
    assert imported(harness).code == 4
    assert replies(exported)["t-4"] == "not_recorded"
    write(exported, whole[3:])
    assert imported(harness, "--resume").code == 0
    assert set(replies(exported).values()) == {"billing"}


def strange(lines: list[Line]) -> dict[str, list[Line | str]]:
    """Return result files whose last result is unusable, by a key phrase of the message about it."""
    *fine, last = [*map(good, lines)]
    other = good(lines[-1], completion("technical"))
    unknown = {**last, "custom_id": "00000000" + last["custom_id"][8:]}
    return {
        "incomplete JSON": [*fine, json.dumps(last)[:60]],
        "has no custom_id": [*fine, "[1, 2]"],
        "not made by the harness": [*fine, {**last, "custom_id": "request-4"}],
        "cell is not in this import": [*fine, unknown],
        "no longer has this case": [
            *fine,
            {**last, "custom_id": last["custom_id"].replace(last["custom_id"][9:25], "0" * 16)},
        ],
        "has changed since the export": [*fine, {**last, "custom_id": last["custom_id"][:-32] + "0" * 32}],
        "replies differ, none is used": [*fine, last, other],
    }


@pytest.mark.parametrize("what", list(strange([{"custom_id": "1234abcd-" + "0" * 49}])))
def test_an_unusable_line_is_reported_once_and_not_used(exported: Project, harness: Terminal, what: str) -> None:
    write(exported, strange(requests(exported))[what])
    ended = imported(harness)
    assert ended.code == 4
    assert len([line for line in ended.err.splitlines() if what in line]) == 1, ended.err
    assert replies(exported) == {"t-1": "billing", "t-2": "billing", "t-3": "billing", "t-4": "not_recorded"}


def test_a_duplicate_reply_is_reported_and_used_once(exported: Project, harness: Terminal) -> None:
    lines = requests(exported)
    write(exported, [*map(good, lines), good(lines[0]), refused(lines[1], 500)])
    ended = imported(harness)
    assert ended.code == 0
    assert ended.err.count("one reply is used") == 2
    assert "results.jsonl:5: same id as line 1" in ended.err


def test_replies_to_another_prompt_or_model_are_not_used(exported: Project, harness: Terminal) -> None:
    write(exported, answered(exported))
    exported.prompt(local=LOCAL.replace("one word", "one label"))
    ended = imported(harness)
    assert (ended.code, ended.err.count("has changed since the export")) == (4, 4)
    assert set(replies(exported).values()) == {"not_recorded"}
    exported.prompt()
    exported.config(VLLM.replace("fake-model", "another-model"))
    assert imported(harness).err.count("has changed since the export") == 4


def test_results_of_another_sample_match_no_cell(exported: Project, harness: Terminal) -> None:
    write(exported, answered(exported))
    ended = imported(harness, "--limit", "2")
    assert (ended.code, "options of the export" in ended.err) == (2, True)
    assert imported(harness).code == 0


def test_messages_about_unusable_lines_are_limited(exported: Project, harness: Terminal) -> None:
    write(exported, [*answered(exported), *[f"half {n}" for n in range(100)]])
    ended = imported(harness)
    assert ended.code == 0
    assert "and 80 more" in ended.err


def test_an_oversized_line_is_not_a_result(
    exported: Project, harness: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_results, "MAX_LINE_BYTES", 2000)
    first, *others = requests(exported)
    write(exported, [good(first, completion("x" * 5000)), *map(good, others)])
    ended = imported(harness)
    assert (ended.code, ended.err.count("results.jsonl:1: incomplete JSON")) == (4, 1), ended.err
    assert replies(exported) == {"t-1": "not_recorded", "t-2": "billing", "t-3": "billing", "t-4": "billing"}


def test_repeats_have_different_ids(exported: Project, harness: Terminal) -> None:
    exported.eval("repeats = 2\n[sampling]\ntemperature = 0.7\n")
    harness("batch", "export", "-b", "fake", "--variant", "local")
    ids = [line["custom_id"] for line in requests(exported)]
    assert (len(ids), len(set(ids))) == (8, 8)
    write(exported, answered(exported))
    assert imported(harness).code == 0
    assert len(newest(exported).results) == 8


def test_a_tool_call_is_read_like_a_direct_reply(exported: Project, harness: Terminal) -> None:
    body = completion(None, finish_reason="tool_calls", tool_calls=[tool_call()])
    write(exported, answered(exported, lambda line: good(line, body)))
    assert imported(harness).code == 0
    assert newest(exported).results[0].response.tool_calls[0]["function"]["name"] == "refund"


def test_a_body_that_is_not_a_completion_is_a_bad_reply(exported: Project, harness: Terminal) -> None:
    bodies = iter(["text", {"choices": []}, {"choices": [{"message": 5}]}, 7])
    write(exported, answered(exported, lambda line: good(line, next(bodies))))
    assert imported(harness).code == 4
    assert replies(exported) == dict.fromkeys(["t-1", "t-2", "t-3", "t-4"], "bad_reply")


def test_export_contains_the_decoding_constraint(exported: Project, harness: Terminal) -> None:
    harness("batch", "export", "-b", "fake", "--variant", "local", "--decoding", "constrained")
    assert requests(exported)[0]["body"]["structured_outputs"] == {"choice": ["billing", "technical", "general"]}
    exported.config(VLLM + 'structured = "guided"\n')
    harness("batch", "export", "-b", "fake", "--variant", "local", "--decoding", "constrained")
    assert requests(exported)[0]["body"]["guided_choice"] == ["billing", "technical", "general"]


def test_an_engine_that_ignored_the_constraint_makes_no_run(exported: Project, harness: Terminal) -> None:
    harness("batch", "export", "-b", "fake", "--variant", "local", "--decoding", "constrained")
    write(exported, answered(exported, lambda line: good(line, completion("Well, billing?"))))
    ended = imported(harness, "--decoding", "constrained")
    assert ended.code == 2
    assert "triage" not in ended.out


def test_export_rejects_two_models_and_other_providers(exported: Project, harness: Terminal) -> None:
    exported.config(VLLM + VLLM.replace("backends.fake", "backends.other"))
    assert "name one --backend" in harness("batch", "export").err
    exported.config('[backends.fake]\nprovider = "ollama"\nmodel = "m"\nvariant = "local"\n')
    assert "not with ollama" in harness("batch", "export").err


def test_unreadable_and_unwritable_files_exit_2(exported: Project, harness: Terminal) -> None:
    assert "nothing.jsonl: cannot be read" in harness("batch", "import", "nothing.jsonl").err
    exported.write("file", "")
    ended = harness("batch", "export", "-b", "fake", "-o", "file/requests.jsonl")
    assert (ended.code, "cannot be written" in ended.err) == (2, True)


def test_cases_with_equal_text_each_get_their_own_reply(exported: Project, harness: Terminal) -> None:
    exported.cases([row(f"c-{i}", "the same", split="test") for i in range(4)])
    harness("batch", "export", "-b", "fake", "--variant", "local")
    labels = iter(["billing", "technical", "general", "billing"])
    write(exported, reversed(answered(exported, lambda line: good(line, completion(next(labels))))))
    assert imported(harness).code == 0
    assert replies(exported) == {"c-0": "billing", "c-1": "technical", "c-2": "general", "c-3": "billing"}


def test_a_request_file_is_rejected_as_result_file(exported: Project, harness: Terminal) -> None:
    ended = harness("batch", "import", "requests.jsonl", "-b", "fake")
    assert ended.code == 2
    assert "requests.jsonl:1: a request, not a result" in ended.err
    assert open_store(exported.load().store_url).manifests() == []
