"""Fixtures: compiled templates, the prompt library of a small project, and error messages."""

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
    """Function that compiles the text of a template."""

    def compile_text(text: str | bytes) -> Variant:
        path = tmp_path / "local.j2"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return compile_variant(path)

    return compile_text


@pytest.fixture
def library(project: Project) -> PromptLibrary:
    """Prompt library of a valid project."""
    return PromptLibrary(project.root / "prompts")


@pytest.fixture
def complaint(tmp_path: Path) -> Complaint:
    """Function that returns the one-line message of a call's `PromptError`, without the folder."""

    def complaint_of(run: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        with pytest.raises(PromptError) as caught:
            run(*arguments, **named)
        message = str(caught.value)
        assert "\n" not in message
        return message.replace(f"{tmp_path}/", "").replace("prompts/triage", "triage").replace("prompts/lock", "lock")

    return complaint_of
