"""Cases as rows of the store: a later field must not change the rows of cases without it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.core.types import Case
from harness.store.runs import open_store
from harness.store.serialize import case_row

from ..report.test_compared import run
from ..support.stored import manifest, result

CASE = Case("t-1", {"text": "x"}, "billing", ("hard",), "test", "author", "d1")


def test_cluster_survives_a_round_trip(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'runs.db'}")
    store.begin(manifest(), plan_key="plan", model_key="model")
    saved = replace(result("t-1"), case=replace(CASE, cluster="Acme"))
    store.save(manifest().run_id, [saved])
    assert store.results(manifest().run_id) == [saved]
    store.close()


def test_case_without_a_cluster_keeps_its_older_row() -> None:
    assert json.loads(case_row(CASE)["row"]) == {
        "id": "t-1",
        "inputs": {"text": "x"},
        "expected": "billing",
        "tags": ["hard"],
        "split": "test",
        "label_source": "author",
        "digest": "d1",
    }


def test_cluster_is_a_part_of_the_hash_of_a_row() -> None:
    assert case_row(replace(CASE, cluster="Acme"))["row_hash"] != case_row(CASE)["row_hash"]


def test_first_token_is_saved_and_read() -> None:
    store = open_store("sqlite:///:memory:")
    plain = run("gpt@big", "R", run_id="plain")
    (only,) = plain.results
    with_token = replace(only, response=replace(only.response, first_token=(("a", -0.5), ("b", -1.0))))
    store.add(replace(plain, results=(with_token,)))
    assert store.load("plain").results[0].response.first_token == (("a", -0.5), ("b", -1.0))
    store.close()
