"""The commands about a project and its files: `init`, `doctor`, `prompts` and `datasets`."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.project.config import LocalConfig

from ..support.cli import Terminal
from ..support.project import Project


def test_init_makes_a_project_whose_files_load(
    harness: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = harness("init", str(tmp_path / "new"))
    assert ended.code == 0
    assert "harness run -o reports/first.html" in ended.out
    monkeypatch.chdir(tmp_path / "new")
    assert harness("datasets", "validate").code == 0
    assert harness("prompts", "check").code == 0


def test_doctor_says_what_each_backend_lacks(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(
        path.read_text()
        + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'
        + '\n[backends.gone]\nprovider = "vllm"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\nvariant = "local"\n'
    )
    ended = harness("doctor")
    assert ended.code == 2
    assert "ok fake: fake-model" in ended.out
    assert "no gpt: no key: set OPENAI_API_KEY in the environment" in ended.out
    assert "no gone: no answer from http://127.0.0.1:9/v1" in ended.out


def test_prompts_show_renders_what_the_model_sees(harness: Terminal, served: Project) -> None:
    ended = harness("prompts", "show", "triage", "--variant", "local", "--case", "t-2")
    assert "[system]\nAnswer with one word: billing, technical, general." in ended.out
    assert "Ticket: The billing page crashes\nCategory:" in ended.out


def test_a_prompt_is_released_once_and_for_all(harness: Terminal, served: Project) -> None:
    assert "draft" in harness("prompts", "list").out
    assert harness("prompts", "lock").out == "released triage/v1\n"
    assert "released" in harness("prompts", "list").out
    served.prompt(local="Changed {{ text }} {{ labels }}")
    ended = harness("run")
    assert ended.code == 2
    assert "edit a new version (`harness prompts new triage`)" in ended.err
    assert harness("prompts", "check").code == 2


def test_a_new_version_starts_as_a_copy_and_diff_shows_what_became_of_it(harness: Terminal, served: Project) -> None:
    assert "v2" in harness("prompts", "new", "triage").out
    path = served.root / "prompts/triage/v2/local.j2"
    path.write_text(path.read_text().replace("one word", "ONE word"))
    out = harness("prompts", "diff", "triage").out
    assert "-{% system %}Answer with one word" in out
    assert "triage/v2/gpt.j2: unchanged" in out


def test_a_prompt_that_is_new_is_said_to_be_with_the_name_that_may_have_been_meant(
    harness: Terminal, served: Project
) -> None:
    ended = harness("prompts", "new", "triag")
    assert (ended.code, ended.err) == (0, "note: new prompt triag (did you mean triage?)\n")
    assert "prompts/triag/v1: edit its files" in ended.out
    assert harness("prompts", "new", "summaries").err == "note: new prompt summaries\n"
    assert harness("prompts", "new", "triage").err == ""


def test_a_version_that_nobody_has_edited_is_released_with_a_note(harness: Terminal, served: Project) -> None:
    harness("prompts", "new", "triage")
    ended = harness("prompts", "lock")
    assert ended.out == "released triage/v1\nreleased triage/v2\n"
    assert ended.err == "note: triage/v2 is triage/v1 unedited: the same text is released twice\n"
    path = (served.root / harness("prompts", "new", "triage").out.partition(": ")[0]) / "local.j2"
    path.write_text(path.read_text().replace("one word", "ONE word"))
    assert harness("prompts", "lock").err == ""


def test_datasets_are_validated_counted_and_shown(harness: Terminal, served: Project) -> None:
    assert "tickets: 6 cases are fine" in harness("datasets", "validate").out
    assert "test: 4" in harness("datasets", "stats").out
    assert "The billing page crashes" in harness("datasets", "show", "tickets").out
    assert "expected  technical" in harness("datasets", "show", "tickets", "t-2").out


def test_every_key_of_local_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("| `[local]`"))
    assert [key for key in LocalConfig.model_fields if f"`{key}`" not in line] == []
