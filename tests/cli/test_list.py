"""`harness list`."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.knowing import correct_reply
from ..support.project import Project
from ..support.servers import FakeOpenAI


def cells(line: str) -> list[str]:
    """The cells of a table's line."""
    return [part.strip() for part in line.split("  ") if part.strip()]


def test_list_shows_splits_variants_and_gates(harness: Terminal, served: Project) -> None:
    served.eval("[gates]\nmin_compliance = 0.25\n")
    ended = harness("list")
    assert ended.code == 0
    row = cells(ended.out.splitlines()[1])
    assert row == ["triage", "classification", "dev 2, test 4", "gpt, local", "min_compliance 0.25", "–", "–"]


def test_list_shows_the_verdict_on_the_pair(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    path = served.root / "harness.toml"
    other = path.read_text().replace("backends.fake", "backends.api").replace('"local"', '"gpt"')
    path.write_text(f'[pair]\nreference = "api"\ncandidate = "fake"\n{path.read_text()}{other}')
    server.answer = correct_reply
    harness("run")
    row = cells(harness("list").out.splitlines()[1])
    assert row[5] == "CANNOT TELL"
    assert row[6].endswith("UTC")


def test_list_shows_the_others_if_an_eval_is_invalid(harness: Terminal, served: Project) -> None:
    served.write("evals/broken.toml", "task = 1\n")
    ended = harness("list")
    assert ended.code == 2
    assert "triage" in ended.out
    assert "evals/broken.toml:1" in ended.err
