"""Differences of two fingerprints, named by what a user would have changed: a prompt, a model, a contract."""

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
"""Cause -> the parts of a fingerprint that show it."""

BACKEND = "backend_hash"
"""Hash of model and engine, which have parts of their own, and of provider, address and options, which have none."""

IMPLIED: Mapping[str, tuple[str, ...]] = {
    "rendered_hash": ("prompt", "dataset", "contract"),
    BACKEND: ("model", "engine"),
    "served_model": ("model", "engine"),
}
"""Parts derived from others. Their change is reported only if none of these causes changed."""

NAMES = {"rendered_hash": "rendered prompt", BACKEND: "backend settings", "served_model": "served model"}
DEFAULTS = {"decoding": "free", "repeats": "1"}
"""Values of parts that older fingerprints do not have."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cause of a difference. `parts`: the fingerprint's parts that differ, as (name, old value, new value)."""

    what: str
    parts: tuple[tuple[str, str, str], ...]


def changes(
    base: Mapping[str, str], head: Mapping[str, str], backends: tuple[str, str] = ("", "")
) -> tuple[Change, ...]:
    """List what differs. One cause is one change, however many parts of the fingerprint show it.

    `backends`: the names of both backends, added to a change of backend settings.
    """
    differing = [Change(cause, parts) for cause, names in CAUSES.items() if (parts := _differing(base, head, names))]
    causes = {change.what for change in differing}
    rest = [name for name, by in IMPLIED.items() if not causes & set(by)]
    known = {name for names in CAUSES.values() for name in names} | IMPLIED.keys()
    rest += sorted((base.keys() | head.keys()) - known)
    for name in rest:
        if parts := _differing(base, head, (name,)):
            if name == BACKEND and backends[0] != backends[1]:
                parts = (("backend", *backends), *parts)
            differing.append(Change(NAMES.get(name, name), parts))
    return tuple(differing)


def _differing(
    base: Mapping[str, str], head: Mapping[str, str], names: tuple[str, ...]
) -> tuple[tuple[str, str, str], ...]:
    values = [(name, *(side.get(name, DEFAULTS.get(name, "")) for side in (base, head))) for name in names]
    return tuple((name, old, new) for name, old, new in values if old != new)
