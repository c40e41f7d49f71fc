"""What differs between two fingerprints, by what a user would have changed: a prompt, a model, a contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

CAUSES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "prompt_hash"),
    "dataset": ("dataset", "dataset_hash"),
    "contract": ("contract", "contract_hash"),
    "model": ("model", "model_digest", "quantization", "parameters"),
    "engine": ("engine", "engine_version"),
    "sampling": ("sampling",),
    "decoding": ("decoding",),
    "repeats": ("repeats",),
    "harness": ("harness",),
}
"""Cause -> the parts of a fingerprint that tell it."""

BACKEND = "backend_hash"
"""Of the model and engine, which are told beside it, and of provider, address and options, which are not."""

IMPLIED: Mapping[str, tuple[str, ...]] = {
    "rendered_hash": ("prompt", "dataset", "contract"),
    BACKEND: ("model", "engine"),
    "served_model": ("model", "engine"),
}
"""Parts that follow from others: a change of one is news only where none of these causes has changed."""

NAMES = {"rendered_hash": "rendered prompt", BACKEND: "backend settings", "served_model": "served model"}
DEFAULTS = {"decoding": "free", "repeats": "1"}
"""What a fingerprint says that was written before the part was told."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was. `parts`: what in the fingerprint differs, with both values."""

    what: str
    parts: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        """`model (quantization: Q8_0 -> Q2_K)`; hashes are not shown where a name differs, too."""
        named = [part for part in self.parts if not part[0].endswith(("_hash", "_digest"))]
        shown = ", ".join(f"{name}: {_short(old)} -> {_short(new)}" for name, old, new in named or self.parts)
        which = "" if named or self.parts[0][0] != BACKEND else "provider, address or options; "
        return f"{self.what} ({which}{shown})"


def changes(
    base: Mapping[str, str], head: Mapping[str, str], backends: tuple[str, str] = ("", "")
) -> tuple[Change, ...]:
    """Everything that differs. One cause is one change, however many parts of the fingerprint tell it.

    `backends`: what each side's is called, which is told where a backend's settings differ.
    """
    found = [Change(cause, parts) for cause, names in CAUSES.items() if (parts := _differing(base, head, names))]
    causes = {change.what for change in found}
    rest = [name for name, by in IMPLIED.items() if not causes & set(by)]
    told = {name for names in CAUSES.values() for name in names} | IMPLIED.keys()
    rest += sorted((base.keys() | head.keys()) - told)
    for name in rest:
        if parts := _differing(base, head, (name,)):
            other = name == BACKEND and backends[0] != backends[1]
            found.append(Change(NAMES.get(name, name), (("backend", *backends), *parts) if other else parts))
    return tuple(found)


def _differing(
    base: Mapping[str, str], head: Mapping[str, str], names: tuple[str, ...]
) -> tuple[tuple[str, str, str], ...]:
    values = [(name, *(side.get(name, DEFAULTS.get(name, "")) for side in (base, head))) for name in names]
    return tuple((name, old, new) for name, old, new in values if old != new)


def _short(value: str) -> str:
    kind, found, digest = value.partition(":")
    if found and kind == "sha256":
        return digest[:12]
    return value[:12] if re.fullmatch("[0-9a-f]{64}", value) else value or "not told"
