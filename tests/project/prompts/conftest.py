"""A template's text compiled, the prompts of the small project, and what is said where they are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import PromptError
from harness.project.prompts import PromptLibrary, Variant, compile_variant

from ...support.project import Project

Complaint = Callable[..., str]
LABELS = ["billing", "technical", "general"]


@pytest.fixture
def compiled(tmp_path: Path) -> Any:
    """Compiles a template's text."""

    def compile_text(text: str | bytes) -> Variant:
        path = tmp_path / "local.j2"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return compile_variant(path)

    return compile_text


@pytest.fixture
def library(project: Project) -> PromptLibrary:
    """The prompts of a project that works."""
    return PromptLibrary(project.root / "prompts")


@pytest.fixture
def complaint(tmp_path: Path) -> Complaint:
    """What the `PromptError` of a call says, without the folder. It must be one line."""

    def complaint_of(run: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        with pytest.raises(PromptError) as caught:
            run(*arguments, **named)
        said = str(caught.value)
        assert "\n" not in said
        return said.replace(f"{tmp_path}/", "").replace("prompts/triage", "triage").replace("prompts/lock", "lock")

    return complaint_of
