"""RunQuery: each filter, the order, the newest run of each cell, limit and offset; on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.core.types import OWN_ORIGINS, RunOrigin
from harness.store.run_query import RunQuery
from harness.store.runs import SavedCell, Store, open_store
from harness.store.schema import RUNS

from ..support.postgres import Postgres, running
from ..support.stored import manifest

RUN_DEFAULTS = {"finished_at": "2025-06-30T00:00:00Z"}
RUNS_BY_DAY: dict[int, dict[str, Any]] = {
    1: {"tags": ("weekly",)},
    2: {"tags": ("weekly", "weekly-2025-06-02"), "split": "dev"},
    3: {"limit": 5},
    4: {"eval": "other", "variant": "gpt", "backend": "big"},
    5: {"decoding": "constrained"},
    6: {"backend": "replay:1", "origin": RunOrigin.REPLAYED},
    7: {"finished_at": None},
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    sqlite = f"sqlite:///{tmp_path / 'runs.db'}"
    opened = open_store(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres").fresh())
    for day, values in RUNS_BY_DAY.items():
        started = f"2025-06-0{day}T10:00:00Z"
        run = manifest(f"r{day}", started_at=started, **(RUN_DEFAULTS | values))
        opened.begin(run, plan_key="plan", model_key="model")
    yield opened
    opened.close()


def days(store: Store, **query: Any) -> list[int]:
    return [int(m.run_id[1:]) for m in store.manifests(RunQuery(**query))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"eval": "other"}, [4]),
        ({"cell": "local@fake"}, [7, 3, 2, 1]),
        ({"backends": ("big", "replay:1")}, [6, 4]),
        ({"backends": ()}, []),
        ({"variant": "gpt"}, [4]),
        ({"decoding": "constrained"}, [5]),
        ({"splits": ("", "dev")}, [2]),
        ({"finished": True}, [6, 5, 4, 3, 2, 1]),
        ({"whole": True}, [7, 6, 5, 4, 2, 1]),
        ({"case_limit": 5}, [3]),
        ({"case_limit": 4}, []),
        ({"tags": ("weekly",)}, [2, 1]),
        ({"tags": ("weekly", "weekly-2025-06-02")}, [2]),
        ({"tags": ("week",)}, []),
        ({"origins": OWN_ORIGINS}, [7, 5, 4, 3, 2, 1]),
        ({"since": "2025-06-03T10:00:00Z", "before": "2025-06-05T10:00:00Z"}, [4, 3]),
        ({"limit": 2}, [7, 6]),
        ({"limit": 2, "offset": 1}, [6, 5]),
        ({"cell": "local@fake", "whole_first": True}, [7, 2, 1, 3]),
        ({"newest_per_cell": True}, [7, 6, 5, 4]),
        ({"newest_per_cell": True, "finished": True}, [6, 5, 4, 3]),
        ({"newest_per_cell": True, "finished": True, "whole_first": True}, [6, 5, 4, 2]),
        ({"newest_per_cell": True, "limit": 1, "offset": 1}, [6]),
    ],
)
def test_query_returns_matching_runs_in_order(store: Store, query: dict[str, Any], expected: list[int]) -> None:
    assert days(store, **query) == expected


def test_newest_run_of_a_query_or_none(store: Store) -> None:
    newest = store.newest(RunQuery(finished=True, whole=True, cell="local@fake"))
    assert newest is not None
    assert newest.run_id == "r2"
    assert store.newest(RunQuery(cell="nobody@fake")) is None


def test_cells_tags_and_counts_of_a_query(store: Store) -> None:
    assert store.cells(RunQuery(finished=True, origins=OWN_ORIGINS)) == [
        SavedCell("other", "gpt@big", "big"),
        SavedCell("triage", "local@fake", "fake"),
        SavedCell("triage", "local@fake+constrained", "fake"),
    ]
    assert store.tags(RunQuery(splits=("dev",))) == {"weekly", "weekly-2025-06-02"}
    assert store.count_runs(RunQuery(cell="local@fake", limit=1)) == 4


def test_latest_prefers_runs_over_all_cases(store: Store) -> None:
    assert [run.manifest.run_id for run in store.latest("triage")] == ["r2", "r5"]


def test_deleted_run_leaves_no_tags(store: Store) -> None:
    store.discard_if_empty("r2")
    assert store.tags() == {"weekly"}


def test_newest_run_of_a_cell_is_found_by_an_index() -> None:
    store = open_store("sqlite://")
    query = RunQuery(eval="triage", cell="local@fake", finished=True, limit=1).select(RUNS.c.manifest)
    with store.connection() as connection:
        text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = " ".join(row.detail for row in connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")))
    assert "USING INDEX ix_runs_eval_cell" in plan
    store.close()
