"""A read-only store: reading commands work, and writing commands fail with one line."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.store.runs import open_store

from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import FakeOpenAI
from ..support.stored import manifest, result

RUN = "20250601-1000-aaaa"


@contextmanager
def locked(*paths: Path) -> Iterator[None]:
    """Make files and folders read-only. For root, who ignores permissions, make them immutable."""
    as_root = os.geteuid() == 0
    if as_root and shutil.which("chattr") is None:
        pytest.skip("root writes whatever the permissions, and there is no chattr")
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    try:
        for path in paths:
            path.chmod(before[path] & 0o555)
            if as_root and subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode:
                pytest.skip("root writes whatever the permissions, and this file system has no immutable files")
        yield
    finally:
        for path in paths:
            if as_root:
                subprocess.run(["chattr", "-i", path], capture_output=True, check=False)
            path.chmod(before[path])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with one run."""
    path = tmp_path / "there" / "runs.db"
    store = open_store(f"sqlite:///{path}")
    store.begin(manifest(), plan_key="plan", model_key="model")
    store.save(RUN, [result()])
    store.close()
    return path


def parts(path: Path, what: str) -> list[Path]:
    return {"file": [path], "folder": [path.parent], "both": [path, path.parent]}[what]


@pytest.mark.parametrize("what", ["file", "folder", "both"])
def test_read_only_store_is_readable_and_refuses_writes(path: Path, what: str) -> None:
    with locked(*parts(path, what)):
        store = open_store(f"sqlite:///{path}")
        assert store.load(RUN).results == (result(),)
        with pytest.raises(StoreError, match=r"readonly database: .* check its permissions"):
            store.save(RUN, [result("t-2")])
        assert len(store.results(RUN)) == 1
        store.close()


INSERT = (
    "INSERT INTO runs (run_id, eval, cell, plan_key, model_key, started_at, manifest) "
    "SELECT 'newer', eval, cell, '', '', started_at, manifest FROM runs"
)


def test_read_only_store_includes_the_write_ahead_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as at_work:
        at_work.execute(INSERT)
        at_work.commit()
        with locked(path.parent):
            store = open_store(f"sqlite:///{path}")
            assert len(store.manifests()) == 2
            store.close()


def test_unreadable_log_is_an_error_not_an_older_state(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "runs.db"
    copy.parent.mkdir()
    with closing(sqlite3.connect(path)) as at_work:
        at_work.execute(INSERT)
        at_work.commit()
        for name in ("runs.db", "runs.db-wal"):  # without the index, as in an incomplete copy
            shutil.copy(path.with_name(name), copy.with_name(name))
    with (
        locked(copy.parent),
        pytest.raises(StoreError, match="its folder must exist and be writable"),
    ):
        open_store(f"sqlite:///{copy}")


def test_read_only_old_store_is_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "there" / "runs.db"
    path.parent.mkdir()
    shutil.copy(Path(__file__).parent / "data" / "store_format1.db", path)
    with locked(path, path.parent), pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{path}")
    assert "\n" not in str(caught.value)
    assert "has format 1 and must be migrated" in str(caught.value)


@pytest.mark.parametrize("what", ["folder", "both"])
def test_reading_commands_work_on_a_read_only_store(
    harness: Terminal, served: Project, server: FakeOpenAI, what: str
) -> None:
    for _ in range(2):
        assert harness("run", "--variant", "local", "--no-cache").code == 0
    path = served.root / ".harness" / "runs.db"
    for command in (["history"], ["compare", "previous", "latest"], ["report", "-o", "r.html"]):
        with locked(*parts(path, what)):
            ended = harness(*command)
        assert (ended.code, ended.err) == (0, ""), ended
    with locked(*parts(path, what)):
        ended = harness("run", "--variant", "local")
    assert ended.code == 2
    assert "check its permissions" in ended.err
    assert ended.err.count("\n") == 1
