"""`harness datasets validate`, `stats` and `show`."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.project import Project


def test_validate_stats_and_show(harness: Terminal, served: Project) -> None:
    assert "tickets: 6 cases valid" in harness("datasets", "validate").out
    assert "test: 4" in harness("datasets", "stats").out
    assert "The billing page crashes" in harness("datasets", "show", "tickets").out
    assert "expected  technical" in harness("datasets", "show", "tickets", "t-2").out


def test_validate_asks_for_licence_and_label_source(harness: Terminal, project: Project) -> None:
    card = 'name = "tickets"\ndescription = "Six tickets."\n'
    project.card(text=card)
    ended = harness("datasets", "validate")
    assert ended.code == 0
    assert [line.partition("card.toml: ")[2].split(" ")[0] for line in ended.err.splitlines()] == [
        "licence",
        "label_source",
    ]
    project.card('private = true\nlabel_source = "human"\n', text=card)
    assert harness("datasets", "validate").err == ""
    assert "licence private, labels by human" in harness("datasets", "stats").out
