"""User errors end with exit code 2 and one line, bugs with 70, closed pipes with 141."""

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


@pytest.mark.parametrize(
    ("arguments", "message"),
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
        (["init", "harness.toml"], "is a file where a folder is needed"),
    ],
)
def test_user_error_is_one_line_with_exit_code_2(
    harness: Terminal, served: Project, arguments: list[str], message: str
) -> None:
    ended = harness(*arguments)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err


def test_error_outside_a_project_names_harness_init(
    harness: Terminal, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))
    ended = harness("run")
    assert ended.code == 2
    assert "harness init" in ended.err


def test_bug_ends_with_exit_code_70_and_a_traceback(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        msg = "a bug, made for this test"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr("harness.report.build", broken)
    ended = harness("report")
    assert (ended.code, "ZeroDivisionError" in ended.err) == (2, False)  # no runs: build() is not called
    harness("run", "--variant", "local")
    ended = harness("report")
    assert (ended.code, "ZeroDivisionError: a bug, made for this test" in ended.err) == (70, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "triag"], "no run 'triag' in "),
        (["export", "triag", "-o", "x.csv"], "no run 'triag' in "),
        (["rescore", "triag"], "no run 'triag' in "),
        (["compare", "previous", "latest", "--eval", "triag"], "no eval 'triag' with a saved run in "),
        (["compare", "local@fake", "latest", "--eval", "triag"], "no eval 'triag' with a saved run in "),
    ],
)
def test_misspelt_eval_of_saved_runs_gets_a_suggestion(
    harness: Terminal, served: Project, arguments: list[str], message: str
) -> None:
    harness("run", "--variant", "local")
    ended = harness(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err
    assert "(did you mean 'triage'?)" in ended.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (PermissionError(EACCES, "Permission denied", "reports"), 2, "error: reports: Permission denied: check "),
        (IsADirectoryError(EISDIR, "Is a directory", "x.db"), 2, "error: x.db: Is a directory: check "),
        (OSError(ENOSPC, "No space left on device"), 2, "error: No space left on device: make room"),
        (OSError(EROFS, "Read-only file system", "/mnt/x"), 2, "error: /mnt/x: Read-only file system: mount it"),
        (PermissionError(EACCES, "Permission denied"), 70, "Traceback"),  # no path, as from a socket
        (FileNotFoundError(ENOENT, "No such file or directory", "x"), 70, "Traceback"),  # a missing file is a bug
    ],
)
def test_disk_error_is_one_line_and_a_bug_is_a_traceback(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, message: str
) -> None:
    def refused(*_: object) -> None:
        raise error

    harness("run", "--variant", "local")
    monkeypatch.setattr("harness.report.build", refused)
    ended = harness("report")
    assert ended.code == code
    assert ended.err.startswith(message)
    assert (ended.err.count("\n") == 1) is (code == 2)


@pytest.mark.parametrize(
    "arguments", [["prompts", "new", "other"], ["prompts", "new", "triage"], ["prompts", "lock"], ["init", "new"]]
)
def test_read_only_folder_is_one_line(harness: Terminal, served: Project, arguments: list[str]) -> None:
    folders = [served.root, served.root / "prompts", served.root / "prompts" / "triage"]
    with locked(*folders):
        ended = harness(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith("error: ")
    assert "not permitted" in ended.err or "denied" in ended.err


@pytest.mark.parametrize("arguments", [["history"], ["prompts", "list"], ["nosuch"], ["run", "nosuch"]])
def test_closed_pipe_ends_with_exit_code_141(served: Project, arguments: list[str]) -> None:
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
def test_reading_command_creates_no_store_at_a_wrong_path(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    elsewhere = tmp_path / "mistyped" / "x.db"
    monkeypatch.setenv("HARNESS_STORE_URL", f"sqlite:///{elsewhere}")
    ended = harness(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"folder {elsewhere.parent} does not exist: check HARNESS_STORE_URL" in ended.err
    assert not elsewhere.parent.exists()


def test_default_store_and_store_of_a_run_are_created(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert harness("history").code == 0
    monkeypatch.setenv("HARNESS_STORE_URL", f"sqlite:///{tmp_path / 'new' / 'x.db'}")
    assert harness("run", "--variant", "local").code == 0
    assert "local@fake" in harness("history").out
