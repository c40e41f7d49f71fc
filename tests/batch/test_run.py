"""`harness run --batch`: sent once, waited for, collected whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from harness.backends.openai import OpenAIBackend
from harness.batch import _ask, _lines
from harness.batch._files import offline
from harness.batch._lines import Id
from harness.cost import run_usd
from harness.store import open_store
from harness.types import Message, Request, Result, Run, Sampling

from ..support.batches import End, FakeBatches, good, refused
from ..support.cli import Ended, Terminal
from ..support.project import Project, row
from ..support.servers import completion, error

RUN = ("run", "--batch", "-b", "fake", "--variant", "local")


def newest(project: Project) -> Run:
    store = open_store(project.load().store_url)
    try:
        return store.load(store.manifests()[0].run_id)
    finally:
        store.close()


def errors(project: Project) -> dict[str, str]:
    return {r.case.id: r.response.error.message for r in newest(project).results if r.response.error}


def by_case(project: Project) -> dict[str, Result]:
    return {result.case.id: result for result in newest(project).results}


def under_way(harness: Terminal) -> Ended:
    return harness("batch", "list")


def text_of(line: dict[str, Any]) -> str:
    return str(line["body"]["messages"][-1]["content"])


def test_a_run_by_batch_ends_as_any_run_does(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.result = lambda line: good(line, completion("technical" if "crashes" in text_of(line) else "billing"))
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    assert "4 of 4 answered" in ended.err
    assert {case: r.response.text for case, r in by_case(batched).items()} == {
        "t-1": "billing",
        "t-2": "technical",
        "t-3": "billing",
        "t-4": "billing",
    }
    assert under_way(harness).out == "no batch is under way\n"
    assert not api.chats


def test_what_is_sent_is_what_would_be_asked_directly(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    harness(*RUN)
    harness("run", "-b", "fake", "--variant", "local", "--no-cache")
    lines = api.requests("batch_0")
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    warm_up, *asked = [json.dumps(each.body, sort_keys=True) for each in api.chats]
    assert sorted(json.dumps(line["body"], sort_keys=True) for line in lines) == sorted(asked)
    assert "Say OK." in warm_up
    assert api.batches["batch_0"]["completion_window"] == "24h"


def test_an_embedding_goes_to_its_own_endpoint(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    del harness
    request = Request((Message("user", "ticket"),), Sampling(), embed=True)
    line = json.loads(_lines.line_of(offline(batched.load().backends["fake"]), Id("c", "d", "e"), request))
    assert (line["url"], line["body"]["input"], api.base_url[-3:]) == ("/v1/embeddings", "ticket", "/v1")


def test_latency_is_unknown_and_neither_gates_nor_comparisons_mind(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    batched.eval("[gates]\nmin_compliance = 0.3\nmax_p95_latency_s = 1.0\n")
    ended = harness(*RUN, "-o", "report.html", "-o", "r.jsonl", "-o", "r.csv", "-o", "r.md", "-o", "r.json")
    assert (ended.code, "no latency was measured" in ended.out) == (4, True), ended.out + ended.err
    assert {r.response.latency_s for r in newest(batched).results} == {None}
    assert newest(batched).manifest.notes == ("asked by batch",)
    api.result = good
    assert harness(*RUN, "--no-cache").code == 4
    compared = harness("compare", "latest", "previous")
    assert compared.code in (0, 1, 4), compared.err
    assert "Traceback" not in compared.err


def test_answers_by_batch_are_known_to_the_next_run(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    harness(*RUN)
    assert harness("run", "-b", "fake", "--variant", "local").code == 0
    assert [result.cached for result in newest(batched).results] == [True] * 4
    assert not api.chats


def test_all_cells_wait_at_the_same_time(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    assert harness("run", "--batch", "-b", "fake").code == 0
    assert len(api.batches) == 2
    paths = [asked.path for asked in api.asked if asked.path.startswith("/v1/batches")]
    assert paths[:2] == ["/v1/batches", "/v1/batches"], "the second cell is sent before the first is looked at twice"
    assert {run.manifest.variant for run in (newest(batched),)} <= {"gpt", "local"}


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
    assert "no batch is under way" in under_way(harness).out
    assert harness(*RUN, "--resume").code == 0
    del batched


@pytest.mark.parametrize("resume", [("--resume",), ()])
def test_after_ctrl_c_the_same_batch_is_waited_for(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, resume: tuple[str, ...]
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    assert harness(*RUN).code == 130
    listed = under_way(harness).out
    assert "batch_0  triage local@fake" in listed
    assert "in_progress" in listed
    monkeypatch.setattr(_ask, "_waited", WAITED)
    api.hangs = False
    assert harness(*RUN, *resume).code == 0
    assert list(api.batches) == ["batch_0"], "nothing is paid twice"
    assert len(newest(batched).results) == 4


WAITED = _ask._waited


def interrupt_at_next_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waited(wait_s: float) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return await WAITED(wait_s)

    monkeypatch.setattr(_ask, "_waited", waited)


def test_a_crash_before_the_servers_answer_does_not_pay_twice(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was made, but who asked for it died before it heard its id."""
    monkeypatch.setattr(_ask, "PATIENCE_S", -1.0)
    api.after_create = error(500, "oh")
    ended = harness(*RUN)
    assert (ended.code, "--resume` collects them" in ended.err) == (2, True), ended.err
    assert "(not made)" in under_way(harness).out
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    assert "no batch is under way" in under_way(harness).out
    del batched


def test_an_answer_that_was_lost_makes_no_second_batch(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    api.after_create = error(503, "oh")
    assert harness(*RUN).code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_crash_before_the_server_has_heard_is_forgotten(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ask, "PATIENCE_S", -1.0)
    api.troubles.extend([None, error(503, "oh")])  # the file is taken, the batch is not
    assert harness(*RUN).code == 2
    assert harness(*RUN, "--resume").code == 0
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_server_that_is_away_for_a_while_is_waited_for(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    html = error(200)
    api.troubles.extend([None, None, error(502), error(429), html, None, error(500)])
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    assert "busy or away, trying again" in ended.err
    assert list(api.batches) == ["batch_0"]
    del batched


def test_a_server_that_stays_away_leaves_the_batch_to_the_next_run(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ask, "PATIENCE_S", 0.02)
    api.troubles.extend([None, None, *[error(503)] * 100])
    assert harness(*RUN).code == 2
    api.troubles.clear()
    assert harness(*RUN, "--resume").code == 0
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


def test_cancelled_keeps_what_was_answered(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    harness(*RUN)
    monkeypatch.setattr(_ask, "_waited", WAITED)
    api.ends.append(End(answered=1))
    assert "batch_0: cancelling" in harness("batch", "cancel", "batch_0").out
    assert "cancelled, 1 of 4 answered, 3 failed" in under_way(harness).out
    api.hangs = False
    assert harness(*RUN, "--resume").code == 0, "asked again, because somebody asks again"
    assert [len(api.requests(name)) for name in api.batches] == [4, 3]
    del batched


@pytest.mark.parametrize("earlier", [False, True])
def test_what_is_cancelled_while_it_is_waited_for_is_not_asked_again(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch, *, earlier: bool
) -> None:
    api.hangs = True
    if earlier:
        interrupt_at_next_wait(monkeypatch)
        harness(*RUN)
        monkeypatch.setattr(_ask, "_waited", WAITED)
    looks = iter(range(100))

    def cancel_at_the_third() -> None:
        if next(looks) == 2:
            api.batches["batch_0"] |= {"status": "cancelling", "answered": 1}

    api.on_look = cancel_at_the_third
    assert harness(*RUN, "--resume").code == 4
    assert list(api.batches) == ["batch_0"]
    assert set(errors(batched).values()) == {"the batch was cancelled before this was asked"}
    assert len(errors(batched)) == 3


def test_cancel_needs_to_know_which(harness: Terminal, batched: Project) -> None:
    assert "`harness batch list`" in harness("batch", "cancel").err
    assert "no batch 'batch_9' is under way" in harness("batch", "cancel", "batch_9").err
    assert harness("batch", "cancel", "--all").code == 0
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


def test_files_are_split_as_the_server_takes_them(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batched.cases([row(f"c-{i}", f"ticket {i}", split="test") for i in range(7)])
    monkeypatch.setattr(_ask, "MOST_REQUESTS", 3)
    assert harness(*RUN).code == 0
    assert sorted(len(api.requests(name)) for name in api.batches) == [1, 3, 3]
    monkeypatch.setattr(_ask, "MOST_BYTES", 1)
    assert harness(*RUN, "--no-cache").code == 0
    assert sorted(len(api.requests(name)) for name in api.batches)[:7] == [1] * 7


def test_cases_that_are_asked_the_same_have_answers_of_their_own(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    batched.cases([row(f"c-{i}", "the same", split="test") for i in range(3)])
    assert harness(*RUN).code == 0
    assert len({line["custom_id"] for line in api.requests("batch_0")}) == 3
    assert len(newest(batched).results) == 3


def test_repeated_cells_do_not_collect_each_others_batches(
    harness: Terminal, batched: Project, api: FakeBatches
) -> None:
    assert harness(*RUN, "--repeat-cell", "2").code == 0
    assert [len(api.requests(name)) for name in api.batches] == [4, 4]
    del batched


def test_other_backends_of_the_run_go_the_usual_way(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    more = (
        f'[backends.direct]\nprovider = "vllm"\nmodel = "fake-model"\nbase_url = "{api.base_url}"\nvariant = "local"\n'
    )
    batched.config((batched.root / "harness.toml").read_text() + more)
    assert harness("run", "--batch", "--variant", "local").code == 0
    assert len(api.batches) == 1
    assert len([asked for asked in api.chats if asked.prompt != "Say OK."]) == 4


def test_what_no_batch_can_do_is_refused_at_once(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    assert "leave out --batch or --budget" in harness(*RUN, "--budget", "1").err
    text = (batched.root / "harness.toml").read_text()
    batched.config(text.replace('"openai"', '"vllm"'))
    assert "no backend of this run is asked by batch" in harness(*RUN).err
    assert not api.batches


def test_what_fits_into_no_json_is_an_error_of_its_case(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line_of(backend: OpenAIBackend, custom_id: Id, request: Request) -> bytes:
        if "crashes" in request.messages[-1].content:
            msg = "half a character"
            raise ValueError(msg)
        return _lines.line_of(backend, custom_id, request)

    monkeypatch.setattr(_ask, "line_of", line_of)
    assert harness(*RUN).code == 4
    assert errors(batched) == {"t-2": "what is asked fits into no JSON: half a character"}
    assert [len(api.requests(name)) for name in api.batches] == [3]


def test_it_costs_half(harness: Terminal, batched: Project) -> None:
    batched.config((batched.root / "harness.toml").read_text() + "prompt_usd = 20.0\ncompletion_usd = 40.0\n")
    assert harness(*RUN).code == 0
    spent = run_usd(batched.load(), newest(batched))
    assert (spent.prompt_tokens, spent.completion_tokens) == (44, 12)
    assert spent.usd == pytest.approx((44 * 20 + 12 * 40) / 1e6 / 2)


def test_a_list_that_the_server_cannot_add_to_says_so(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_next_wait(monkeypatch)
    api.hangs = True
    harness(*RUN)
    api.troubles.append(error(503, "down for an hour"))
    assert "down for an hour" in under_way(harness).out
    batched.config((batched.root / "harness.toml").read_text().replace("backends.fake", "backends.new"))
    assert "backend fake is not in harness.toml any more" in under_way(harness).out


def test_the_sdk_is_imported_only_for_a_batch() -> None:
    code = "import sys, harness.api, harness.cli.batch; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
