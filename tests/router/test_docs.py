"""docs/routing.md documents every key, field and failure kind."""

from __future__ import annotations

import re
from pathlib import Path

from harness.project.config import LogConfig
from harness.project.routing import BreakerConfig, ProbeConfig, TaskRoute
from harness.router import Answer
from harness.router._circuit_breaker import COUNTED

PAGE = (Path(__file__).parents[2] / "docs/routing.md").read_text(encoding="utf-8")


def test_every_key_field_and_failure_kind_is_documented() -> None:
    for model in (TaskRoute, ProbeConfig, BreakerConfig, LogConfig):
        for key, field in model.model_fields.items():
            assert re.search(rf"^\| `(\[\w+\] )?{key}`", PAGE, re.MULTILINE), key
            if isinstance(field.default, int | float) and not isinstance(field.default, bool):
                assert re.search(rf"`(\[\w+\] )?{key}`.*\| {field.default:g} \|$", PAGE, re.MULTILINE), key
    assert all(f"`{name}`" in PAGE for name in Answer.__dataclass_fields__)
    assert all(f"`{kind}`" in PAGE for kind in COUNTED)
