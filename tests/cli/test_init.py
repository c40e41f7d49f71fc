"""`harness init`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from pkgutil import iter_modules

import pytest
import yaml

from harness import tasks
from harness.cli.init import ProviderName, TaskKind
from harness.project import evals
from harness.project.starter_files import PROVIDERS

from ..support.cli import Terminal
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply

CASES = {
    "classification": "feedback",
    "extraction": "orders",
    "summarization": "handovers",
    "moderation": "comments",
    "embedding": "help_search",
    "tool_calling": "shop_agent",
}
"""The eval of each task kind."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    new = tmp_path / "new"
    new.mkdir()
    monkeypatch.chdir(new)
    return new


def answers(cases: Path) -> Callable[[ReceivedRequest], Reply]:
    """A model that knows the answer to each case."""
    known = {row["inputs"]["text"]: row["expected"] for row in map(json.loads, cases.read_text().splitlines())}
    return lambda asked: Reply(next((label for text, label in known.items() if text in asked.prompt), "OK"))


def test_init_creates_a_valid_project(harness: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = harness("init", str(tmp_path / "new"))
    assert ended.code == 0
    assert "harness run -o reports/first.html" in ended.out
    monkeypatch.chdir(tmp_path / "new")
    assert harness("datasets", "validate").code == 0
    assert harness("prompts", "check").code == 0


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("task", CASES)
def test_every_task_and_provider_makes_a_project_that_runs(
    harness: Terminal, folder: Path, task: str, provider: str
) -> None:
    assert harness("init", "--task", task, "--provider", provider, "--ci", "github").code == 0
    assert harness("datasets", "validate").code == 0
    assert harness("prompts", "check").code == 0
    ended = harness("run", "--estimate")
    assert ended.code == 0, ended.err
    assert CASES[task] in ended.out
    (definition,) = evals.find(folder)
    assert definition.task == task
    assert 8 <= len(Path(f"datasets/{definition.dataset}/cases.jsonl").read_text().splitlines()) <= 24


@pytest.mark.parametrize("task", CASES)
def test_commented_lines_of_the_starter_are_valid(harness: Terminal, folder: Path, task: str) -> None:
    harness("init", "--task", task)
    uncomment(folder / f"evals/{CASES[task]}.toml")
    uncomment(folder / "harness.toml")
    ended = harness("run", "--estimate", "--strict")  # strict: the cases can prove the limits of the gates
    assert ended.code == 0, ended.err


def uncomment(path: Path) -> None:
    """Remove the # before each key and table."""
    path.write_text(re.sub(r"^# (?=\[|\w+ = )", "", path.read_text(), flags=re.MULTILINE))


def test_commented_gates_of_the_starter_pass(harness: Terminal, server: FakeOpenAI, folder: Path) -> None:
    harness("init")
    uncomment(folder / "evals/feedback.toml")
    config = Path("harness.toml")
    of_server = f'provider = "openai"\nbase_url = "{server.base_url}"\ncheck_model = false'
    config.write_text(config.read_text().replace('provider = "llamacpp"', of_server))
    server.answer = answers(Path("datasets/feedback/cases.jsonl"))
    ended = harness("run", "--strict", "--backend", "smollm2", "--variant", "local")
    assert ended.code == 0, ended.err
    assert ended.out.count("passed ") == 2


def test_existing_files_are_never_changed(harness: Terminal, folder: Path) -> None:
    (folder / "README.md").write_text("ours")
    (folder / ".gitignore").write_text("*.pyc\n")
    (folder / "evals").mkdir()
    (folder / "evals/feedback.toml").write_text("ours")
    ended = harness("init")
    assert ended.code == 0
    written, left = ended.out.split("left as they are:")
    assert "harness.toml" in written
    assert ".gitignore" in left
    assert "evals/feedback.toml" in left
    assert "Add to .gitignore: .harness/" in left
    assert (folder / "README.md").read_text() == (folder / "evals/feedback.toml").read_text() == "ours"


def test_second_task_adds_an_eval(harness: Terminal, folder: Path) -> None:
    harness("init")
    before = (folder / "harness.toml").read_text()
    ended = harness("init", "--task", "extraction", "--provider", "vllm")
    assert "Add to harness.toml, unless it has such a backend:\n\n[backends.mistral-vllm]" in ended.out
    assert (folder / "harness.toml").read_text() == before
    assert [definition.name for definition in evals.find(folder)] == ["feedback", "orders"]
    assert harness("run", "--estimate").code == 0


def test_init_twice_writes_nothing(harness: Terminal, folder: Path) -> None:
    harness("init", "--ci", "github")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert "wrote:" not in harness("init", "--ci", "github").out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_file_in_place_of_a_folder_is_an_error(harness: Terminal, folder: Path) -> None:
    (folder / "evals").write_text("")
    ended = harness("init")
    assert ended.code == 2
    assert "evals is a file where a folder is needed: nothing was written" in ended.err
    assert not (folder / "harness.toml").exists()


@pytest.mark.parametrize(
    ("task", "extra"), [("classification", "[llamacpp]"), ("summarization", "[llamacpp,summaries]")]
)
def test_workflow_installs_the_package_and_runs_pytest(harness: Terminal, folder: Path, task: str, extra: str) -> None:
    harness("init", "--ci", "github", "--task", task)
    text = (folder / ".github/workflows/evals.yml").read_text()
    loaded = yaml.safe_load(text)
    jobs = loaded["jobs"]
    for job in jobs.values():
        scripts = [step["run"] for step in job["steps"] if "run" in step]
        assert f'python -m pip install "prompt-portability-harness{extra}"' in scripts
        assert not [script for script in scripts if "make" in script or "${{" in script]
        assert job["timeout-minutes"] <= 360
    assert "python -m pytest evals/" in str(jobs["gates"])
    assert "python -m harness weekly --resume" in str(jobs["weekly"])
    assert loaded[True]["schedule"]  # YAML 1.1 reads the key `on` as true
    assert "write" not in loaded["permissions"].values()


def test_workflow_of_a_subfolder_is_at_the_root_of_the_repository(harness: Terminal, folder: Path) -> None:
    (folder / ".git").mkdir()
    harness("init", "quality/evals-of-us", "--ci", "github")
    text = (folder / ".github/workflows/evals.yml").read_text()
    loaded = yaml.safe_load(text)
    assert loaded["defaults"]["run"]["working-directory"] == "quality/evals-of-us"
    assert "path: quality/evals-of-us/.harness/" in text
    assert (folder / "quality/evals-of-us/harness.toml").is_file()
    assert not (folder / "quality/evals-of-us/.github").exists()


def test_every_task_kind_and_provider_has_a_starter() -> None:
    assert {kind.value for kind in TaskKind} == set(CASES) == {module.name for module in iter_modules(tasks.__path__)}
    assert {name.value for name in ProviderName} == set(PROVIDERS)
