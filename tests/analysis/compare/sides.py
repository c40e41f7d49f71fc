"""Sides made by hand: a string a case, `R` right, `p` right but badly phrased, `w` wrong, `-` no answer, `E` failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.analysis.compare import CaseOutcome, RunOutcomes

FINGERPRINT = {
    "prompt": "triage/v1/local",
    "prompt_hash": "sha256:p1",
    "rendered_hash": "sha256:r1",
    "dataset": "tickets",
    "dataset_hash": "sha256:d1",
    "contract": "label/1",
    "contract_hash": "sha256:c1",
    "sampling": "{}",
    "model": "mistral",
    "model_digest": "sha256:m1",
    "quantization": "Q8_0",
    "engine": "ollama",
    "engine_version": "0.9",
    "backend_hash": "b1",
    "harness": "0.1.0",
}

KINDS: Mapping[str, tuple[int, int, int, str]] = {
    "R": (1, 1, 1, "right"),
    "p": (0, 1, 0, "right"),
    "w": (0, 0, 1, "wrong"),
    "v": (0, 0, 1, "wrong in another way"),
    "-": (0, 0, 0, "null"),
}


def made(
    outcomes: str, name: str = "local@q8", tags: Mapping[int, str] | None = None, **fingerprint: str
) -> RunOutcomes:
    """One case per letter, `c0`, `c1`, …; keywords replace parts of the fingerprint."""
    cases = {}
    for i, letter in enumerate(outcomes):
        common: dict[str, Any] = {"id": f"c{i}", "digest": f"d{i}", "tags": (tags[i],) if tags and i in tags else ()}
        if letter == "E":
            cases[f"c{i}"] = CaseOutcome(**common, judged=0, strict=0, lenient=0, compliant=0, errors=1)
        else:
            strict, lenient, compliant, answer = KINDS[letter]
            cases[f"c{i}"] = CaseOutcome(
                **common, judged=1, strict=strict, lenient=lenient, compliant=compliant, answer=answer
            )
    backend = name.partition("@")[2]
    return RunOutcomes(
        name, f"run-{name}", "triage", name, backend, "2026-11-24", {**FINGERPRINT, **fingerprint}, cases
    )
