"""Finding runs and replies: by id prefix, by cell, by plan, by model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.store.run_query import RunQuery
from harness.store.runs import Store, open_store

from ..support.stored import failure, manifest, result


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path / 'runs.db'}")) as opened:
        yield opened


@pytest.fixture
def begun(store: Store) -> Store:
    store.begin(manifest(), plan_key="plan", model_key="model")
    return store


@pytest.mark.parametrize("reference", ["20250601-1000-aaaa", "20250601-1000", "20250601-1000-a"])
def test_run_is_found_by_a_prefix_of_its_id(begun: Store, reference: str) -> None:
    assert begun.load(reference).manifest.run_id == "20250601-1000-aaaa"


def test_unknown_or_ambiguous_prefix_is_an_error(begun: Store) -> None:
    begun.begin(manifest("20250601-1000-aabb"), plan_key="plan", model_key="model")
    with pytest.raises(StoreError, match=r"several runs start with '20250601-1000-aa'.*`harness history` lists them"):
        begun.load("20250601-1000-aa")
    for unknown in ("2024", "%", "_0250601-1000-aaaa", "20250601-1000-aaaa-and-more", "\\"):
        with pytest.raises(StoreError, match="no run "):
            begun.load(unknown)


def test_exact_id_wins_over_longer_ids(store: Store) -> None:
    for run_id in ("r-1-c", "r-1-b", "r-1", "r-1-a"):
        store.begin(manifest(run_id), plan_key="plan", model_key="model")
    assert store.load("r-1").manifest.run_id == "r-1"


def test_manifests_are_newest_first_and_filtered_by_eval(store: Store) -> None:
    for day in (1, 3, 2):
        when = f"2025-06-0{day}T10:00:00Z"
        store.begin(manifest(f"r{day}", started_at=when, eval=f"e{day % 2}"), plan_key="p", model_key="m")
    assert [m.run_id for m in store.manifests()] == ["r3", "r2", "r1"]
    assert [m.run_id for m in store.manifests(RunQuery(eval="e1"))] == ["r3", "r1"]
    assert [m.run_id for m in store.manifests(RunQuery(limit=1))] == ["r3"]


def test_latest_run_of_a_cell_is_finished(store: Store) -> None:
    for day, finished in ((1, "x"), (2, "x"), (3, None)):
        run = manifest(f"r{day}", started_at=f"2025-06-0{day}T10:00:00Z", finished_at=finished)
        store.begin(run, plan_key="p", model_key="m")
    store.begin(manifest("other", backend="other", finished_at="x"), plan_key="p", model_key="m")
    assert [run.manifest.run_id for run in store.latest("triage")] == ["r2", "other"]


def test_unfinished_returns_the_newest_run_of_a_plan(store: Store) -> None:
    assert store.unfinished("plan") is None
    for day in (1, 2):
        store.begin(manifest(f"r{day}", started_at=f"2025-06-0{day}T10:00:00Z"), plan_key="plan", model_key="m")
    manifest_of_plan = store.unfinished("plan")
    assert manifest_of_plan is not None
    assert manifest_of_plan.run_id == "r2"
    store.finish(replace(manifest_of_plan, finished_at="x"))
    store.finish(manifest("r1", finished_at="x"))
    assert store.unfinished("plan") is None
    assert store.unfinished("another plan") is None


def test_cached_replies_are_newest_and_never_failures(begun: Store) -> None:
    begun.begin(manifest("later"), plan_key="plan", model_key="model")
    begun.begin(manifest("elsewhere"), plan_key="plan", model_key="another model")
    begun.save("20250601-1000-aaaa", [result("t-1", text="old"), failure("t-2")])
    begun.save("later", [result("t-1", text="new", answered_at="2025-06-02T10:00:00Z")])
    begun.save("elsewhere", [result("t-1", text="foreign", answered_at="2025-06-03T10:00:00Z")])
    replies = begun.answers("model", ["key-t-1", "key-t-2", "key-t-3"])
    assert {key: (response.text, when) for key, (response, when) in replies.items()} == {
        "key-t-1": ("new", "2025-06-02T10:00:00Z")
    }
