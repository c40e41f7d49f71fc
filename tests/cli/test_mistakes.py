"""What a user gets wrong at the command line: one line that says what to do, exit code 2, and no model is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from errno import EACCES, EISDIR, ENOENT, ENOSPC, EROFS
from pathlib import Path

import pytest

from ..store.test_read_only import locked
from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import FakeOpenAI


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "triag"], "no eval 'triag'"),
        (["run", "-b", "fak"], "did you mean 'fake'?"),
        (["run", "-o", "x.pdf"], "x.pdf"),
        (["run", "--version", "v9"], "no version 'v9'"),
        (["run", "--variant", "lokal"], "did you mean 'local'?"),
        (["run", "--split", "tset"], "did you mean 'test'?"),
        (["run", "-b", "replay:nothing"], "no run 'nothing'"),
        (["prompts", "show", "triag"], "did you mean 'triage'?"),
        (["prompts", "show", "triage", "--case", "nope"], "no case 'nope'"),
        (["prompts", "diff", "triage"], "has one version"),
        (["datasets", "show", "ticket"], "did you mean 'tickets'?"),
        (["datasets", "show", "tickets", "nope"], "no case 'nope'"),
        (["report"], "no finished runs"),
        (["export", "nothing", "-o", "x.csv"], "no run 'nothing'"),
        (["init", "."], "not an empty folder"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(
    harness: Terminal, served: Project, arguments: list[str], said: str
) -> None:
    ended = harness(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err


def test_outside_a_project_the_way_in_is_told(
    harness: Terminal, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))
    ended = harness("run")
    assert ended.code == 2
    assert "run `harness init`" in ended.err


def test_a_backend_that_is_not_there_is_skipped_unless_it_was_named(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n')
    ended = harness("run")
    assert ended.code == 0
    assert "note: skipping gpt: no key: set OPENAI_API_KEY in the environment" in ended.err
    ended = harness("run", "--backend", "gpt")
    assert ended.code == 2
    assert "error: backend gpt: no key: set OPENAI_API_KEY in the environment" in ended.err


def test_an_eval_that_leaves_every_backend_out_says_so_and_runs_where_both_are_named(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n')
    served.eval('backends = ["gpt"]\n')
    ended = harness("run", "--backend", "fake")
    assert (ended.code, "nothing to run" in ended.err) == (2, True)
    assert harness("run", "triage", "--backend", "fake").code == 0
    served.eval('backends = ["gtp"]\n')
    assert "did you mean 'gpt'?" in harness("run").err


def test_a_backend_tuned_for_a_variant_that_is_not_there_is_refused_before_anything_is_asked(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text().replace('variant = "local"', 'variant = "locl"'))
    ended = harness("run")
    assert (ended.code, "did you mean 'local'?" in ended.err) == (2, True)
    assert not server.chats


def test_a_missing_baseline_is_said_before_anything_is_asked(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    ended = harness("run", "--against", "baseline")
    assert ended.code == 2
    assert "there is no baseline of triage local@fake: `harness baseline save` makes one" in ended.err
    assert not server.chats


def test_a_label_that_is_missing_shows_on_a_sample_too(harness: Terminal, served: Project) -> None:
    served.eval(
        text='task = "classification"\nprompt = "triage"\ndataset = "tickets"\nlabels = ["billing", "general"]\n'
    )
    ended = harness("run", "--limit", "1")
    assert ended.code == 2
    assert "case t-2: expected 'technical' is not among the labels" in ended.err


def test_a_bug_of_ours_is_no_failed_gate(harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        msg = "a bug, made for this test"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr("harness.report.build", broken)
    ended = harness("report")
    assert (ended.code, "ZeroDivisionError" in ended.err) == (2, False)  # nothing to report: never got there
    harness("run", "--variant", "local")
    ended = harness("report")
    assert (ended.code, "ZeroDivisionError: a bug, made for this test" in ended.err) == (70, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "triag"], "no run 'triag' in "),
        (["export", "triag", "-o", "x.csv"], "no run 'triag' in "),
        (["rescore", "triag"], "no run 'triag' in "),
        (["compare", "previous", "latest", "--eval", "triag"], "no eval 'triag' with a saved run in "),
        (["compare", "local@fake", "latest", "--eval", "triag"], "no eval 'triag' with a saved run in "),
    ],
)
def test_a_misspelt_eval_of_saved_runs_is_told_with_the_nearest_name(
    harness: Terminal, served: Project, arguments: list[str], said: str
) -> None:
    harness("run", "--variant", "local")
    ended = harness(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert said in ended.err
    assert "(did you mean 'triage'?)" in ended.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(EACCES, "Permission denied", "reports"), 2, "error: reports: Permission denied: check "),
        (IsADirectoryError(EISDIR, "Is a directory", "x.db"), 2, "error: x.db: Is a directory: check "),
        (OSError(ENOSPC, "No space left on device"), 2, "error: No space left on device: make room"),
        (OSError(EROFS, "Read-only file system", "/mnt/x"), 2, "error: /mnt/x: Read-only file system: mount it"),
        (PermissionError(EACCES, "Permission denied"), 70, "Traceback"),  # of a socket, say: no path
        (FileNotFoundError(ENOENT, "No such file or directory", "x"), 70, "Traceback"),  # which we should have made
    ],
)
def test_what_the_disk_refuses_is_one_line_and_what_we_did_wrong_is_a_traceback(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, said: str
) -> None:
    def refused(*_: object) -> None:
        raise error

    harness("run", "--variant", "local")
    monkeypatch.setattr("harness.report.build", refused)
    ended = harness("report")
    assert ended.code == code
    assert ended.err.startswith(said)
    assert (ended.err.count("\n") == 1) is (code == 2)


@pytest.mark.parametrize(
    "arguments", [["prompts", "new", "other"], ["prompts", "new", "triage"], ["prompts", "lock"], ["init", "new"]]
)
def test_in_a_folder_that_cannot_be_written_nothing_ends_with_a_traceback(
    harness: Terminal, served: Project, arguments: list[str]
) -> None:
    folders = [served.root, served.root / "prompts", served.root / "prompts" / "triage"]
    with locked(*folders):
        ended = harness(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith("error: ")
    assert "not permitted" in ended.err or "denied" in ended.err


@pytest.mark.parametrize("arguments", [["history"], ["prompts", "list"], ["nosuch"], ["run", "nosuch"]])
def test_who_stops_reading_makes_no_failed_gate(served: Project, arguments: list[str]) -> None:
    """As in `harness history | head -1` with pipefail: 1 would be the code of a failed gate."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "harness", *arguments]
        ended = subprocess.run(
            command, cwd=served.root, stdout=writing, stderr=writing if "nosuch" in arguments else subprocess.PIPE,
            check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr or b"") == (141, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["history"], ["report"], ["rescore", "triage"], ["compare", "previous", "latest"], ["baseline", "save"],
        ["baseline", "check"], ["baseline", "show", "triage"], ["cost"],
    ],
)  # fmt: skip
def test_who_only_reads_makes_no_store_at_a_mistyped_path(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    elsewhere = tmp_path / "mistyped" / "x.db"
    monkeypatch.setenv("HARNESS_STORE_URL", f"sqlite:///{elsewhere}")
    ended = harness(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"folder {elsewhere.parent} does not exist: check HARNESS_STORE_URL" in ended.err
    assert not elsewhere.parent.exists()


def test_the_usual_store_is_made_by_who_reads_and_another_by_who_runs(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert harness("history").code == 0
    monkeypatch.setenv("HARNESS_STORE_URL", f"sqlite:///{tmp_path / 'new' / 'x.db'}")
    assert harness("run", "--variant", "local").code == 0
    assert "local@fake" in harness("history").out
