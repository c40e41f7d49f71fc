"""What differs between two fingerprints, by what a user would have changed: a prompt, a model, a contract."""

from __future__ import annotations

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

IMPLIED: Mapping[str, tuple[str, ...]] = {
    "rendered_hash": ("prompt", "dataset", "contract"),
    "backend_hash": ("model", "engine"),
    "served_model": ("model", "engine"),
}
"""Parts that follow from others: a change of one is news only where none of these causes has changed."""

NAMES = {"rendered_hash": "rendered prompt", "backend_hash": "backend settings", "served_model": "served model"}
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
        return f"{self.what} ({shown})"


def changes(base: Mapping[str, str], head: Mapping[str, str]) -> tuple[Change, ...]:
    """Everything that differs. One cause is one change, however many parts of the fingerprint tell it."""
    found = [Change(cause, parts) for cause, names in CAUSES.items() if (parts := _differing(base, head, names))]
    causes = {change.what for change in found}
    rest = [name for name, by in IMPLIED.items() if not causes & set(by)]
    told = {name for names in CAUSES.values() for name in names} | IMPLIED.keys()
    rest += sorted((base.keys() | head.keys()) - told)
    found += [Change(NAMES.get(name, name), parts) for name in rest if (parts := _differing(base, head, (name,)))]
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
    return value or "not told"
