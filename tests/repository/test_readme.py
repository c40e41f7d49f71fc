"""What the README tells a newcomer to type or to write, typed and written."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np  # noqa: F401  pytester forgets what its inner session imports, and numpy refuses a second time
import pytest
import scipy.stats  # noqa: F401

from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import FakeOpenAI, closing

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

pytest_plugins = ["pytester"]


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [
    shlex.split(line, comments=True)
    for block in blocks("console")
    for line in block.splitlines()
    if line.startswith("harness ")
]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's own project, with a fake server in the place of the embedded model."""
    folder = tmp_path / "clone"
    for name in ("evals", "prompts", "datasets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "test_*.py"))
    for path in folder.glob("datasets/*/cases.jsonl"):  # a third of the cases runs the same code
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[::3]), encoding="utf-8")
    with closing(FakeOpenAI()) as server:
        config = (ROOT / "harness.toml").read_text(encoding="utf-8")
        faked = f'provider = "openai"\nmodel = "fake-model"\nbase_url = "{server.base_url}"\n'
        config, embedded = re.subn(r'provider = "llamacpp"\nmodel = ".*"\n', faked, config)
        assert embedded, "the demo runs on the embedded model"
        (folder / "harness.toml").write_text(config, encoding="utf-8")
        # The gates are floors of the real model; the fake one says "billing" to everything.
        for path in folder.glob("evals/*.toml"):
            path.write_text(re.sub(r"\[gates\].*?(?=\n\[|\Z)", "", path.read_text(), flags=re.DOTALL))
        monkeypatch.chdir(folder)
        yield folder


def test_every_command_of_the_readme_runs(harness: Terminal, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(COMMANDS) >= 4
    monkeypatch.chdir(shipped)
    for command in COMMANDS:
        ended = harness(*command[1:])
        assert ended.code == 0, (command, ended.err)
    assert (shipped / "triage.html").is_file()


def test_the_commands_in_its_sentences_exist(harness: Terminal) -> None:
    for words in sorted(set(re.findall(r"`harness ([a-z]+(?: [a-z]+)?)", README))):
        command = words.split()
        ended = harness(*command, "--help")
        if ended.code:
            ended = harness(command[0], "--help")
        assert ended.code == 0, words


def test_the_library_example_runs(
    shipped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shipped)
    (example,) = [block for block in blocks("python") if "from harness import" in block]
    exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["gpt@smollm2", "local@smollm2"]


def test_the_pytest_example_runs(pytester: pytest.Pytester, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = [block for block in blocks("python") if "run_eval" in block]
    (shipped / "evals/test_own.py").write_text(example, encoding="utf-8")
    monkeypatch.setattr(pytester, "_path", shipped)
    monkeypatch.chdir(shipped)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "evals/test_own.py").assert_outcomes(passed=1)


def test_the_files_it_shows_make_a_project(project: Project) -> None:
    backend, evaluation = blocks("toml")
    (prompt,) = blocks("jinja")
    (row,) = blocks("json")
    project.config(backend)
    (project.root / "evals/triage.toml").write_text(evaluation)
    project.prompt(local=prompt)
    project.card(name="triage")
    # 250 like the one it shows: its gates are not refused
    rows = [row, *(row.replace("t-1", f"t-{i}").replace("charged twice", f"charged {i} times") for i in range(2, 251))]
    project.write("datasets/triage/cases.jsonl", "".join(rows))
    cells = project.plan()
    assert [cell.name for cell in cells] == ["gpt@mistral-q4", "local@mistral-q4"]
    assert next(iter(cells[1].requests))[1].messages[1].content == "I was charged twice"


def test_its_make_targets_exist() -> None:
    targets = re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert re.search(r"^demo:.*\n\t.*harness demo$", makefile, re.MULTILINE)


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_every_dependency_has_its_line_in_the_decisions() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    (block,) = re.findall(r"^dependencies = \[\n(.*?)^\]", pyproject, re.DOTALL | re.MULTILINE)
    decisions = (ROOT / "docs/decisions.md").read_text()
    for name in re.findall(r'"([A-Za-z0-9_-]+)', block):
        assert re.search(rf"^\| .*\b{name}\b.* \|", decisions, re.MULTILINE), name


def test_every_provider_and_every_key_is_documented() -> None:
    from harness import backends
    from harness.core.plugins import PROVIDERS
    from harness.project.config import BackendConfig
    from harness.project.evals import Eval, GateConfig, SamplingConfig
    from harness.project.run_options import options as run_options

    page = (ROOT / "docs/backends.md").read_text()
    for provider in backends.provider_names():
        assert f"**{provider}" in page
        options = PROVIDERS.load(provider).options_class
        assert provider == "replay" or all(key in page for key in options.model_fields), (
            provider
        )  # its own are not the user's
    assert all(f"`{key}`" in page for key in BackendConfig.model_fields if key not in {"name", "folder"})
    page = (ROOT / "docs/files.md").read_text()
    assert all(f"`{option.name}`" in page for option in run_options() if option.metadata["toml"])
    for model in (GateConfig, SamplingConfig):
        assert all(f"`{key}`" in page for key in model.model_fields)
    assert all(re.search(rf"`\[?{key}\]?`", page) for key in Eval.model_fields if key not in {"name", "path"})
