"""Contracts by name, with options from a file or a caller."""

from __future__ import annotations

import pytest

from harness.contracts.read import contract_names, named_contract, read
from harness.core.errors import ConfigError


def test_contract_names_are_file_names() -> None:
    assert contract_names() == ["json", "label", "text", "tools"]


@pytest.mark.parametrize(
    ("name", "options", "reply", "lenient"),
    [
        ("label", {"labels": ["billing", "other"]}, "It is: billing", "billing"),
        ("json", {"schema": {"type": "object"}}, 'Here: {"a": 1}', {"a": 1}),
        ("text", {"words": [1, 5]}, "Summary: The login failed.", "The login failed."),
    ],
)
def test_named_contract_reads_replies(name: str, options: dict[str, object], reply: str, lenient: object) -> None:
    assert read(reply, named_contract(name, options)).lenient == lenient


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("txt", {}, ["'txt'", "'text'"]),
        ("text", {"wrds": 3}, ["a.toml", "'wrds'", "'words'"]),
        ("text", {"words": [5, 4]}, ["a.toml", "at least 5"]),
        ("json", {}, ["a.toml", "schema"]),
    ],
)
def test_unknown_contract_or_option_is_reported(name: str, options: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        named_contract(name, options, "a.toml")
    assert all(part in str(caught.value) for part in parts)
