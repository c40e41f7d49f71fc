"""What a comparison says has changed: the one thing that a user changed, by its name."""

from __future__ import annotations

import pytest

from harness.analysis.compare import changes

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
def test_one_change_is_named_once(what: str, changed: dict[str, str]) -> None:
    assert [change.what for change in changes(FINGERPRINT, {**FINGERPRINT, **changed})] == [what]


def test_nothing_changed() -> None:
    assert changes(FINGERPRINT, FINGERPRINT) == ()


def test_a_part_that_older_fingerprints_do_not_have_says_what_it_was_then() -> None:
    assert changes(FINGERPRINT, {**FINGERPRINT, "decoding": "free", "repeats": "1"}) == ()


def test_values_are_shown_and_hashes_only_where_nothing_else_differs() -> None:
    (change,) = changes(FINGERPRINT, {**FINGERPRINT, "model_digest": "sha256:m2", "quantization": "Q2_K"})
    assert str(change) == "model (quantization: Q8_0 -> Q2_K)"
    (change,) = changes(FINGERPRINT, {**FINGERPRINT, "model_digest": "sha256:m2"})
    assert str(change) == "model (model_digest: m1 -> m2)"


def test_of_a_hash_twelve_characters_are_shown_and_what_it_is_of() -> None:
    old, new = "ab" * 32, "cd" * 32
    base, head = ({**FINGERPRINT, "backend_hash": one} for one in (old, new))
    (change,) = changes(base, head)
    assert str(change) == (
        "backend settings (provider, address or options; backend_hash: abababababab -> cdcdcdcdcdcd)"
    )


def test_another_backend_is_said_to_be_another() -> None:
    head = {**FINGERPRINT, "backend_hash": "b2"}
    (change,) = changes(FINGERPRINT, head, ("here", "there"))
    assert str(change) == "backend settings (backend: here -> there)"
    assert change.parts == (("backend", "here", "there"), ("backend_hash", "b1", "b2"))
    assert changes(FINGERPRINT, FINGERPRINT, ("here", "there")) == ()
