"""`harness demo`: its project, the models it adds, and the screen. The embedded model is replaced by a fake server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.project import demo

from ..support.cli import Terminal
from ..support.servers import FakeOpenAI, closing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo project, written as `harness demo` in an empty folder writes it."""
    return demo.find_or_write(tmp_path_factory.mktemp("empty") / "harness-demo")


@pytest.fixture
def faked(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The demo project with a fake server in the place of the embedded model, and few cases."""
    folder = tmp_path / "demo"
    shutil.copytree(written, folder)
    for path in folder.glob("datasets/*/cases.jsonl"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[::6]), encoding="utf-8")
    with closing(FakeOpenAI()) as server:
        config = (folder / "harness.toml").read_text(encoding="utf-8")
        provider = f'provider = "openai"\nmodel = "fake-model"\nbase_url = "{server.base_url}"\n'
        config, n = re.subn(r'provider = "llamacpp"\nmodel = ".*"\n', provider, config)
        assert n
        (folder / "harness.toml").write_text(config, encoding="utf-8")
        monkeypatch.chdir(folder)
        yield folder


def test_the_written_project_is_that_of_the_repository(written: Path) -> None:
    for part in ("harness.toml", "evals/ticket_triage.toml", "prompts/lock.toml", "datasets/ticket_triage/card.toml"):
        assert (written / part).read_bytes() == (ROOT / part).read_bytes()


def test_an_existing_demo_is_used_and_other_files_are_kept(written: Path, tmp_path: Path) -> None:
    (written / "notes.txt").write_text("mine", encoding="utf-8")
    assert demo.find_or_write(written) == written
    assert (written / "notes.txt").read_text(encoding="utf-8") == "mine"
    (tmp_path / "own.py").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="name a new folder"):
        demo.find_or_write(tmp_path)


def test_the_screen_ends_with_verdicts_report_and_commands(harness: Terminal, faked: Path) -> None:
    ended = harness("demo")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert len(lines) <= 25
    assert any(line.startswith("STAY") for line in lines)
    place = lines.index(f"report: {faked / 'reports/demo.html'}")
    commands = lines[place + 2 :]
    assert len(commands) == 3
    assert all(line.startswith("  harness ") for line in commands)
    page = (faked / "reports/demo.html").read_text(encoding="utf-8")
    assert "recorded replies of qwen2.5-coder-1.5b-instruct" in page


@pytest.mark.parametrize(
    ("added", "problem"), [("ollama:", "name a model"), ("olama:x", "'ollama'"), ("gpt", "gpt-4o")]
)
def test_a_wrong_model_is_one_line(harness: Terminal, written: Path, added: str, problem: str) -> None:
    ended = harness("demo", str(written), "--with", added)
    assert ended.code == 2
    assert problem in ended.err
    assert len(ended.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_added_model_is_called_after_its_cost_is_confirmed(
    harness: Terminal, faked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(FakeOpenAI("gpt-4o")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        config = (faked / "harness.toml").read_text(encoding="utf-8")
        priced = 'model = "gpt-4o"\nprompt_usd = 2.5\ncompletion_usd = 10.0\n'
        (faked / "harness.toml").write_text(config.replace('model = "gpt-4o"\n', priced, 1), encoding="utf-8")
        refused = harness("demo", "--with", "gpt-4o")
        assert refused.code != 0
        assert "at most $" in refused.out
        assert not server.prompts
        added = harness("demo", "--with", "gpt-4o", "--yes")
        assert added.code == 0, added.err
        assert server.prompts
