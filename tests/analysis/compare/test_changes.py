"""Changes between fingerprints, named by what a user changed."""

from __future__ import annotations

import pytest

from harness.analysis.compare import changes
from harness.report.comparison_text import change_text

from .sides import FINGERPRINT


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("prompt", {"prompt_hash": "sha256:p2", "rendered_hash": "sha256:r2"}),
        ("model", {"model_digest": "sha256:m2", "backend_hash": "b2", "served_model": "mistral-2"}),
        ("model", {"model_digest": "sha256:m2", "quantization": "Q2_K", "backend_hash": "b2"}),
        ("contract", {"contract_hash": "sha256:c2"}),
        ("dataset", {"dataset_hash": "sha256:d2", "rendered_hash": "sha256:r2"}),
        ("engine", {"engine_version": "0.10", "backend_hash": "b2"}),
        ("sampling", {"sampling": '{"seed": 1}'}),
        ("decoding", {"decoding": "constrained"}),
        ("backend settings", {"backend_hash": "b2"}),
        ("rendered prompt", {"rendered_hash": "sha256:r2"}),
        ("new_part", {"new_part": "x"}),
    ],
)
def test_one_cause_is_one_change(what: str, changed: dict[str, str]) -> None:
    assert [change.what for change in changes(FINGERPRINT, {**FINGERPRINT, **changed})] == [what]


def test_equal_fingerprints_have_no_changes() -> None:
    assert changes(FINGERPRINT, FINGERPRINT) == ()


def test_missing_part_has_its_default() -> None:
    assert changes(FINGERPRINT, {**FINGERPRINT, "decoding": "free", "repeats": "1"}) == ()


def test_change_shows_hashes_only_if_no_name_differs() -> None:
    (change,) = changes(FINGERPRINT, {**FINGERPRINT, "model_digest": "sha256:m2", "quantization": "Q2_K"})
    assert change_text(change) == "model (quantization: Q8_0 -> Q2_K)"
    (change,) = changes(FINGERPRINT, {**FINGERPRINT, "model_digest": "sha256:m2"})
    assert change_text(change) == "model (model_digest: m1 -> m2)"


def test_change_shows_twelve_characters_of_a_hash() -> None:
    old, new = "ab" * 32, "cd" * 32
    base, head = ({**FINGERPRINT, "backend_hash": one} for one in (old, new))
    (change,) = changes(base, head)
    assert change_text(change) == (
        "backend settings (provider, address or options; backend_hash: abababababab -> cdcdcdcdcdcd)"
    )


def test_change_of_backend_names_both() -> None:
    head = {**FINGERPRINT, "backend_hash": "b2"}
    (change,) = changes(FINGERPRINT, head, ("here", "there"))
    assert change_text(change) == "backend settings (backend: here -> there)"
    assert change.parts == (("backend", "here", "there"), ("backend_hash", "b1", "b2"))
    assert changes(FINGERPRINT, FINGERPRINT, ("here", "there")) == ()
