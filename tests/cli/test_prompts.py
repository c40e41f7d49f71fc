"""`harness prompts`."""

from __future__ import annotations

from ..support.cli import Terminal
from ..support.project import Project


def test_show_renders_the_messages_of_a_case(harness: Terminal, served: Project) -> None:
    ended = harness("prompts", "show", "triage", "--variant", "local", "--case", "t-2")
    assert "[system]\nAnswer with one word: billing, technical, general." in ended.out
    assert "Ticket: The billing page crashes\nCategory:" in ended.out


def test_edited_released_prompt_is_an_error(harness: Terminal, served: Project) -> None:
    assert "draft" in harness("prompts", "list").out
    assert harness("prompts", "lock").out == "released triage/v1\n"
    assert "released" in harness("prompts", "list").out
    served.prompt(local="Changed {{ text }} {{ labels }}")
    ended = harness("run")
    assert ended.code == 2
    assert "harness prompts new triage" in ended.err
    assert harness("prompts", "check").code == 2


def test_new_copies_a_version_and_diff_shows_changes(harness: Terminal, served: Project) -> None:
    assert "v2" in harness("prompts", "new", "triage").out
    path = served.root / "prompts/triage/v2/local.j2"
    path.write_text(path.read_text().replace("one word", "ONE word"))
    out = harness("prompts", "diff", "triage").out
    assert "-{% system %}Answer with one word" in out
    assert "triage/v2/gpt.j2: unchanged" in out


def test_new_suggests_a_similar_existing_name(harness: Terminal, served: Project) -> None:
    ended = harness("prompts", "new", "triag")
    assert (ended.code, ended.err) == (0, "note: new prompt triag (did you mean triage?)\n")
    assert "prompts/triag/v1" in ended.out
    assert harness("prompts", "new", "summaries").err == "note: new prompt summaries\n"
    assert harness("prompts", "new", "triage").err == ""


def test_lock_notes_an_unedited_copy(harness: Terminal, served: Project) -> None:
    harness("prompts", "new", "triage")
    ended = harness("prompts", "lock")
    assert ended.out == "released triage/v1\nreleased triage/v2\n"
    assert "triage/v2 has the same text as triage/v1" in ended.err
    path = (served.root / harness("prompts", "new", "triage").out.partition(": ")[0]) / "local.j2"
    path.write_text(path.read_text().replace("one word", "ONE word"))
    assert harness("prompts", "lock").err == ""
