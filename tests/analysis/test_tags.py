"""A tag is a name given to runs, by which they are found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from harness.core.errors import StoreError
from harness.core.types import CallError, Response
from harness.store.run_refs import find_run
from harness.store.runs import Store, open_store
from harness.store.serialize import dump, manifest_of

from ..report.fakes import fake_manifest, fake_run
from ..support.cli import Terminal
from ..support.project import Project
from ..support.running import Scripted, cells_of, execute


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory."""
    found = open_store("sqlite://")
    yield found
    found.close()


def keep(store: Store, run_id: str, *tags: str, backend: str = "q4", minute: int = 0) -> None:
    """A finished run of one case, made in that minute of the hour."""
    stamp = f"2026-11-24T10:{minute:02}:00"
    store.add(fake_run(1, "local", backend, run_id=run_id, tags=tags, started_at=stamp, finished_at=stamp))


def test_run_tags_its_runs_and_the_store_keeps_the_tags(harness: Terminal, served: Project) -> None:
    assert harness("run", "--variant", "local", "--tag", "weekly", "--tag", "v2", "--tag", "weekly").code == 0
    assert "weekly, v2" in harness("history").out


def test_tags_come_from_the_environment_and_from_the_file_too(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[run]\ntag = ["nightly"]\nvariant = ["local"]\n')
    harness("run")
    assert "nightly" in harness("history").out
    monkeypatch.setenv("HARNESS_TAG", "one two")
    harness("run")
    assert "one, two" in harness("history").out


@pytest.mark.parametrize("tag", ["", "a b", "a#b", "a~1", "-x", "x" * 65])
def test_a_tag_that_could_not_be_written_after_a_cell_is_refused(harness: Terminal, served: Project, tag: str) -> None:
    ended = harness("run", "--tag", tag)
    assert ended.code == 2
    assert "a tag is letters, digits" in ended.err


def test_a_manifest_from_before_there_were_tags_has_none() -> None:
    old = asdict(fake_manifest())
    del old["tags"]
    assert manifest_of(dump(old)).tags == ()


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("latest#weekly", "w2"),
        ("previous#weekly", "w1"),
        ("latest#weekly-2026-11-17", "w1"),
        ("latest", "x"),
        ("local@q4#weekly", "w2"),
        ("ticket_triage/local@q4#weekly~1", "w1"),
        ("q4#weekly", "w2"),
    ],
)
def test_a_tag_after_a_name_leaves_the_runs_that_have_it(store: Store, reference: str, found: str) -> None:
    keep(store, "w1", "weekly", "weekly-2026-11-17", minute=1)
    keep(store, "between", minute=2)
    keep(store, "w2", "weekly", minute=3)
    keep(store, "x", backend="q8", minute=4)
    assert find_run(store, reference).manifest.run_id == found


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("latest#weekyl", r"no finished run tagged 'weekyl' .*did you mean 'weekly'"),
        ("local@q4#weekly~3", r"only 1 finished runs of local@q4 tagged weekly"),
        ("local@q9#weekly", r"no finished run of 'local@q9'"),
    ],
)
def test_what_has_no_such_tag_is_said(store: Store, reference: str, said: str) -> None:
    keep(store, "w1", "weekly")
    with pytest.raises(StoreError, match=said):
        find_run(store, reference)


def test_resume_goes_on_only_with_a_run_that_has_the_tags(project: Project, store: Store) -> None:
    """A weekly run that goes on must not end up in a run of last week in which calls had failed."""
    answers = iter([Response("billing", error=None)] * 99)
    failing = Scripted(lambda request: Response(error=CallError("timeout", "no answer within 1 s")))
    (first,) = execute(project, store, backend=lambda _: failing, tag=("weekly-1",)).runs
    assert first.manifest.tags == ("weekly-1",)
    mended = Scripted(lambda request: next(answers))
    for tags, same in [(("weekly-2",), False), (("weekly-1",), True)]:
        (run,) = execute(project, store, backend=lambda _: mended, cells=cells_of(project), resume=True, tag=tags).runs
        assert (run.manifest.run_id == first.manifest.run_id) is same
        assert run.manifest.tags == tags
