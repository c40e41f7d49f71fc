"""`harness run --batch`: what is sent, and that the run ends like any other, at half the price."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.analysis.costs.spend import run_usd
from harness.core.types import Billing
from harness.runner.batch import cell_batch

from ...support.batch_runs import RUN, by_case, newest, text_of, under_way
from ...support.batches import FakeBatches, good
from ...support.cli import Terminal
from ...support.project import Project, row
from ...support.servers import completion, embedding, letters


def test_a_batch_run_ends_like_any_other_run(harness: Terminal, batched: Project, api: FakeBatches) -> None:
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
    assert under_way(harness).out == "no pending batch jobs\n"
    assert not api.chats


def test_batch_requests_equal_direct_requests(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    harness(*RUN)
    harness("run", "-b", "fake", "--variant", "local", "--no-cache")
    lines = api.requests("batch_0")
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    warm_up, *direct = [json.dumps(each.body, sort_keys=True) for each in api.chats]
    assert sorted(json.dumps(line["body"], sort_keys=True) for line in lines) == sorted(direct)
    assert "Say OK." in warm_up
    assert api.batches["batch_0"]["endpoint"] == "/v1/chat/completions"
    assert api.batches["batch_0"]["completion_window"] == "24h"


def test_embeddings_go_to_their_own_endpoint(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    """Passages and queries. OpenAI rejects files with lines for an endpoint other than the batch's."""
    (batched.root / "evals/triage.toml").unlink()
    batched.config((batched.root / "harness.toml").read_text() + 'serves = ["embeddings"]\n')
    batched.eval(
        name="search", text='task = "embedding"\nprompt = "search"\ndataset = "search"\npassages = "p.jsonl"\n'
    )
    batched.write("p.jsonl", '{"id": "p1", "text": "Give back seats"}\n{"id": "p2", "text": "Cancel the plan"}\n')
    batched.prompt(name="search", gpt="{{ text }}", local="{{ text }}")
    batched.card(name="search")
    batched.cases([row("q1", "stop the plan", {"p2": 1, "p1": 0})], name="search")
    api.result = lambda line: good(line, embedding(letters(line["body"]["input"])))
    ended = harness(*RUN)
    assert ended.code == 0, ended.err
    assert api.batches["batch_0"]["endpoint"] == "/v1/embeddings"
    lines = api.requests("batch_0")
    assert {line["url"] for line in lines} == {"/v1/embeddings"}
    assert sorted(line["body"]["input"] for line in lines) == ["Cancel the plan", "Give back seats", "stop the plan"]
    assert by_case(batched)["q1"].response.vector == tuple(letters("stop the plan"))


def test_unknown_latency_leaves_its_gate_undecided(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    batched.eval("[gates]\nmin_compliance = 0.3\nmax_p95_latency_s = 1.0\n")
    ended = harness(*RUN, "-o", "report.html", "-o", "r.jsonl", "-o", "r.csv", "-o", "r.md", "-o", "r.json")
    assert (ended.code, "max_p95_latency_s is undecided" in ended.out) == (4, True), ended.out + ended.err
    assert {r.response.latency_s for r in newest(batched).results} == {None}
    manifest = newest(batched).manifest
    assert (manifest.billing, manifest.notes) == (Billing.BATCH, ("asked by batch",))
    api.result = good
    assert harness(*RUN, "--no-cache").code == 4
    compared = harness("compare", "latest", "previous")
    assert compared.code in (0, 1, 4), compared.err
    assert "Traceback" not in compared.err


def test_the_next_run_takes_batch_replies_from_the_cache(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    harness(*RUN)
    assert harness("run", "-b", "fake", "--variant", "local").code == 0
    assert [result.cached for result in newest(batched).results] == [True] * 4
    assert not api.chats


def test_all_cells_send_their_batches_before_waiting(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    assert harness("run", "--batch", "-b", "fake").code == 0
    assert len(api.batches) == 2
    paths = [request.path for request in api.asked if request.path.startswith("/v1/batches")]
    second = [i for i, path in enumerate(paths) if path == "/v1/batches"][1]
    polls = [i for i, path in enumerate(paths) if path != "/v1/batches"]
    assert second < polls[2], "the second batch is sent before the first is polled again"


def test_files_are_split_at_the_servers_limits(
    harness: Terminal, batched: Project, api: FakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batched.cases([row(f"c-{i}", f"ticket {i}", split="test") for i in range(7)])
    monkeypatch.setattr(cell_batch, "MAX_REQUESTS", 3)
    assert harness(*RUN).code == 0
    assert sorted(len(api.requests(name)) for name in api.batches) == [1, 3, 3]
    monkeypatch.setattr(cell_batch, "MAX_BYTES", 1)
    assert harness(*RUN, "--no-cache").code == 0
    assert sorted(len(api.requests(name)) for name in api.batches)[:7] == [1] * 7


def test_cases_with_equal_requests_each_get_a_reply(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    batched.cases([row(f"c-{i}", "the same", split="test") for i in range(3)])
    assert harness(*RUN).code == 0
    assert len({line["custom_id"] for line in api.requests("batch_0")}) == 3
    assert len(newest(batched).results) == 3


def test_repeated_cells_have_batches_of_their_own(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    assert harness(*RUN, "--repeat-cell", "2").code == 0
    assert [len(api.requests(name)) for name in api.batches] == [4, 4]
    del batched


def test_other_backends_of_the_run_are_called_directly(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    more = (
        f'[backends.direct]\nprovider = "vllm"\nmodel = "fake-model"\nbase_url = "{api.base_url}"\nvariant = "local"\n'
    )
    batched.config((batched.root / "harness.toml").read_text() + more)
    assert harness("run", "--batch", "--variant", "local").code == 0
    assert len(api.batches) == 1
    assert len([request for request in api.chats if request.prompt != "Say OK."]) == 4


def test_batch_with_budget_or_without_openai_is_rejected(harness: Terminal, batched: Project, api: FakeBatches) -> None:
    assert "leave out --batch or --budget" in harness(*RUN, "--budget", "1").err
    text = (batched.root / "harness.toml").read_text()
    batched.config(text.replace('"openai"', '"vllm"'))
    assert "no backend of this run is asked by batch" in harness(*RUN).err
    assert not api.batches


def test_a_batch_run_costs_half(harness: Terminal, batched: Project) -> None:
    batched.config((batched.root / "harness.toml").read_text() + "prompt_usd = 20.0\ncompletion_usd = 40.0\n")
    assert harness(*RUN).code == 0
    spent = run_usd(batched.load(), newest(batched))
    assert (spent.prompt_tokens, spent.completion_tokens) == (44, 12)
    assert spent.usd == pytest.approx((44 * 20 + 12 * 40) / 1e6 / 2)


def test_the_sdk_is_imported_only_for_a_batch() -> None:
    code = "import sys, harness.api, harness.cli.batch; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
