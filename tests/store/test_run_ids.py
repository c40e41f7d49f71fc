"""Run ids: many runs in one second, in one process and in two, and a forced collision."""

from __future__ import annotations

import multiprocessing
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core import ids
from harness.store.runs import open_store

from ..report.fakes import fake_manifest
from ..report.test_compared import run

SECOND = "2026-11-24T23:15:00.000+00:00"
MANIFEST = fake_manifest("local", "fake")
N = 100


def begin_many(url: str, n: int = N) -> list[str]:
    """Begin `n` runs of the same second; returns their ids."""
    store = open_store(url)
    try:
        manifests = [replace(MANIFEST, run_id=ids.new_run_id(SECOND), started_at=SECOND) for _ in range(n)]
        return [store.begin(m, plan_key="p", model_key="m").run_id for m in manifests]
    finally:
        store.close()


def test_ids_sort_by_time_and_show_it() -> None:
    assert re.fullmatch(r"20261124-231500-[0-9a-f]{8}", ids.new_run_id(SECOND))
    assert ids.new_run_id(SECOND) < ids.new_run_id("2026-11-24T23:15:01.000+00:00")


def test_two_processes_in_the_same_second_lose_no_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    open_store(url).close()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        begun = [run_id for each in pool.map(begin_many, [url, url]) for run_id in each]
    store = open_store(url)
    assert len(set(begun)) == 2 * N == len(store.manifests())
    store.close()


def test_run_with_a_taken_id_gets_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["00000000", "00000000", "00000000", "00000001"])
    monkeypatch.setattr(ids.secrets, "token_hex", lambda _: next(drawn))
    assert begin_many(f"sqlite:///{tmp_path / 'runs.db'}", 2) == [
        "20261124-231500-00000000",
        "20261124-231500-00000001",
    ]


def test_imported_run_with_a_taken_id_replaces_nothing() -> None:
    store = open_store("sqlite:///:memory:")
    first, second = run("gpt@big", "RR", run_id="same"), run("gpt@big", "ww", run_id="same")
    assert store.add(first).manifest.run_id == "same"
    saved = store.add(second)
    assert saved.manifest.run_id != "same"
    assert [r.score and r.score.strict for r in store.load("same").results] == [True, True]
    assert [r.score and r.score.strict for r in store.load(saved.manifest.run_id).results] == [False, False]
    store.close()
