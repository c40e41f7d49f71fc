"""docs/tutorial.md, followed step by step on a fake server; docs/how-do-i.md, each command of it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ..support.cli import Terminal
from ..support.servers import FakeOpenAI, closing

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
HOW_DO_I = (DOCS / "how-do-i.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)


def test_tutorial_leads_from_a_csv_to_a_verdict(
    harness: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, card, evaluation, gates = blocks("toml")
    (cases,) = blocks("csv")
    gpt, local = blocks("jinja")
    header, *rows = cases.splitlines()
    many = [row.replace('"', f'"{n}: ', 1) for n in range(20) for row in rows]
    folder = tmp_path / "my-evals"
    monkeypatch.chdir(tmp_path)
    assert harness("init", "my-evals", "--task", "classification", "--provider", "openai").code == 0
    monkeypatch.chdir(folder)
    with closing(FakeOpenAI("gpt-4o", "mistral-7b-instruct")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        config = re.sub(r'base_url = "[^"]*"', f'base_url = "{server.base_url}"', config)
        written = {
            "harness.toml": config,
            "datasets/tickets/cases.csv": "\n".join([header, *many]) + "\n",
            "datasets/tickets/card.toml": card,
            "prompts/triage/v1/gpt.j2": gpt,
            "prompts/triage/v1/local.j2": local,
            "evals/triage.toml": evaluation,
        }
        for name, text in written.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        commands = [shlex.split(line, comments=True) for block in blocks("console") for line in block.splitlines()]
        for command in commands:
            if command[0] == "harness" and command[1] != "init":
                ended = harness(*command[1:])
                assert ended.code == 0, (command, ended.out, ended.err)
        assert re.search(r"^(MOVE|STAY|FIX FORMAT|NEED|CANNOT TELL)", harness("run", "triage").out, re.MULTILINE)
        (folder / "evals/triage.toml").write_text(f"{evaluation}\n{gates}", encoding="utf-8")
        assert harness("run", "triage", "--estimate").code == 0


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`harness ([a-z]+(?: [a-z]+)?)", HOW_DO_I))))
def test_each_command_of_how_do_i_exists(harness: Terminal, command: str) -> None:
    words = command.split()
    assert any(harness(*words[:n], "--help").code == 0 for n in (len(words), 1))


def test_how_do_i_has_thirty_tasks() -> None:
    assert len(re.findall(r"^\| (?!I want|---)", HOW_DO_I, re.MULTILINE)) >= 30


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert {page for page in pages if f" {page}" not in navigation} == set()
