"""Prompt versions: pairs of templates that do not change after release."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import PromptError
from harness.project.prompts import PromptLibrary

from ...support.project import GPT, LOCAL, Project
from .conftest import LABELS, Complaint


class TestPairs:
    def test_both_variants_must_exist(self, project: Project, library: PromptLibrary, complaint: Complaint) -> None:
        (project.root / "prompts/triage/v1/local.j2").unlink()
        message = complaint(library.load, "triage")
        assert message.startswith("triage/v1: local.j2 is missing")

    def test_variants_must_use_the_same_variables(
        self, project: Project, library: PromptLibrary, complaint: Complaint
    ) -> None:
        project.prompt(local=LOCAL.replace("text", "ticket"))
        message = complaint(library.load, "triage")
        assert message.startswith("triage/v1: gpt.j2 and local.j2")
        assert message.endswith("text, ticket")

    def test_variable_set_in_the_template_is_not_required(self, project: Project, library: PromptLibrary) -> None:
        project.prompt(local=LOCAL + "{% set n = 3 %}{% for x in range(n) %}{% endfor %}")
        assert library.load("triage").variables == {"labels", "text"}

    def test_more_variants_can_be_added(self, project: Project, library: PromptLibrary) -> None:
        project.prompt(mistral=LOCAL)
        assert list(library.load("triage").variants) == ["gpt", "local", "mistral"]

    def test_unknown_variant_is_reported_with_a_suggestion(self, library: PromptLibrary, complaint: Complaint) -> None:
        prompt = library.load("triage")
        message = complaint(prompt.variant, "lokal")
        assert message == "triage/v1 has no variant 'lokal' (did you mean 'local'?): add triage/v1/lokal.j2"


class TestVersions:
    def test_v10_is_newer_than_v2(self, project: Project, library: PromptLibrary) -> None:
        for version in ("v2", "v10", "draft", "v3b"):
            project.prompt(version=version)
        assert library.versions("triage") == ["v1", "v2", "v10"]
        assert library.load("triage").id == "triage/v10"

    @pytest.mark.parametrize(("reference", "version", "loaded"), [
        ("triage", None, "triage/v2"), ("triage/v1", None, "triage/v1"), ("triage", "v1", "triage/v1"),
        ("triage/v1", "v2", "triage/v2"),
    ])  # fmt: skip
    def test_version_can_be_pinned(
        self, project: Project, library: PromptLibrary, reference: str, version: str | None, loaded: str
    ) -> None:
        project.prompt(version="v2")
        assert library.load(reference, version=version).id == loaded

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("triag", "no prompt 'triag' in {folder} (did you mean 'triage'?)"),
            ("triage/v3", "prompt 'triage' has no version 'v3' (there are: v1)"),
            ("triage/1", "prompt 'triage' has no version '1' (did you mean 'v1'?)"),
        ],
    )
    def test_unknown_prompt_or_version_gets_a_suggestion(
        self, library: PromptLibrary, reference: str, message: str
    ) -> None:
        with pytest.raises(PromptError) as caught:
            library.load(reference)
        assert str(caught.value) == message.format(folder=library.folder)

    def test_new_version_is_a_copy_of_the_newest(self, project: Project, library: PromptLibrary) -> None:
        project.prompt(gpt=GPT.replace("\n", "\r\n"), mistral=LOCAL)
        folder = library.new("triage")
        assert folder == library.folder / "triage" / "v2"
        for path in (library.folder / "triage" / "v1").iterdir():
            assert (folder / path.name).read_bytes() == path.read_bytes()

    def test_new_prompt_starts_with_a_valid_pair(self, library: PromptLibrary) -> None:
        assert library.new("spam_filter").name == "v1"
        rendered = library.load("spam_filter").variant("local").render({"labels": LABELS, "text": "x"})
        assert [message.role for message in rendered] == ["system", "user"]

    @pytest.mark.parametrize("name", ["", "Triage", "a/b", "../a", "a b", "1a"])
    def test_invalid_prompt_name_is_rejected(self, library: PromptLibrary, name: str, complaint: Complaint) -> None:
        assert complaint(library.new, name).startswith(f"{name!r} is not a valid prompt name")

    def test_missing_folder_has_no_prompts(self, tmp_path: Path) -> None:
        assert PromptLibrary(tmp_path / "prompts").names() == []


class TestLock:
    def test_changed_released_version_is_rejected(
        self, project: Project, library: PromptLibrary, complaint: Complaint
    ) -> None:
        assert library.lock() == ["triage/v1"]
        assert library.lock() == []
        assert library.load("triage").id == "triage/v1"
        project.prompt(gpt=GPT.replace("only", "just"))
        message = complaint(library.load, "triage")
        assert message.startswith("triage/v1: gpt.j2 changed after triage/v1 was released")
        assert "`harness prompts new triage`" in message

    def test_new_version_can_change_until_release(self, project: Project, library: PromptLibrary) -> None:
        library.lock()
        library.new("triage")
        project.prompt(gpt=GPT.replace("only", "just"), version="v2")
        assert library.load("triage").id == "triage/v2"
        assert library.lock(["triage"]) == ["triage/v2"]

    def test_line_endings_do_not_matter(self, project: Project, library: PromptLibrary) -> None:
        library.lock()
        project.prompt(gpt=GPT.replace("\n", "\r\n"), local=LOCAL.replace("\n", "\r\n"))
        assert library.load("triage").id == "triage/v1"

    def test_added_or_deleted_variant_is_a_change(
        self, project: Project, library: PromptLibrary, complaint: Complaint
    ) -> None:
        project.prompt(mistral=LOCAL)
        library.lock()
        (project.root / "prompts/triage/v1/mistral.j2").rename(project.root / "prompts/triage/v1/qwen.j2")
        assert "mistral.j2 was deleted and qwen.j2 was added after triage/v1" in complaint(library.load, "triage")

    def test_lock_file_keeps_any_folder_and_file_name(self, project: Project, library: PromptLibrary) -> None:
        project.prompt(name="my prompt.x", **{"gpt-4.1": GPT})
        library.lock()
        assert library.locked().keys() == {"my prompt.x/v1", "triage/v1"}
        assert library.locked()["my prompt.x/v1"].keys() == {"gpt", "local", "gpt-4.1"}
        assert library.load("my prompt.x").id == "my prompt.x/v1"

    def test_lock_file_is_sorted(self, project: Project, library: PromptLibrary) -> None:
        for version in ("v10", "v2"):
            project.prompt(version=version)
        library.lock()
        headers = [line for line in (library.folder / "lock.toml").read_text().splitlines() if line.startswith("[")]
        assert headers == ["[triage.v1]", "[triage.v2]", "[triage.v10]"]

    @pytest.mark.parametrize(
        "text", ["[triage", "triage = 3", "[triage]\nv1 = 3", "[triage.draft]\ngpt = 'x'", b"\xff", "<<<<<<< HEAD"]
    )
    def test_damaged_lock_file_suggests_a_fix(
        self, project: Project, library: PromptLibrary, text: str | bytes, complaint: Complaint
    ) -> None:
        project.write("prompts/lock.toml", text)
        message = complaint(library.load, "triage")
        assert message.startswith("lock.toml: cannot be read (")
        assert message.endswith("`harness prompts lock`")

    def test_nothing_is_released_if_a_prompt_is_invalid(
        self, project: Project, library: PromptLibrary, complaint: Complaint
    ) -> None:
        project.prompt(gpt="{% user %}", name="zebra")
        complaint(library.lock)
        assert library.locked() == {}
        complaint(library.lock, ["zebr"])
