"""Vector contract: valid vectors, comparable vectors, and checks across vectors."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts.vector import VectorContract
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Response

HALF = math.sqrt(0.5)
NUMBERS = st.lists(st.floats(), max_size=6)


def read(vector: tuple[float, ...], **settings: object) -> tuple[str | None, str | None, tuple[str, ...]]:
    reading = VectorContract(**settings).read(Response(vector=vector))  # type: ignore[arg-type]
    assert reading.compliant is (reading.strict is not None)
    return reading.strict, reading.lenient, reading.violations


def together(vectors: list[tuple[float, ...]], dimensions: int | None = None, texts: str = "") -> list[str]:
    names = list(texts or "abcdefghij"[: len(vectors)])
    return VectorContract(dimensions).together(vectors, names)


@pytest.mark.parametrize(
    ("vector", "settings", "strict", "lenient", "codes"),
    [
        ((0.6, 0.8), {}, "2 dimensions", "2 dimensions", ()),
        ((3.0, 4.0), {}, "2 dimensions", "2 dimensions", ()),
        ((0.6, 0.8), {"normalized": True, "dimensions": 2}, "2 dimensions", "2 dimensions", ()),
        ((0.6003, 0.8), {"normalized": True}, "2 dimensions", "2 dimensions", ()),
        ((3.0, 4.0), {"normalized": True}, None, "2 dimensions", ("not_normalized",)),
        ((0.6, 0.8), {"dimensions": 3}, None, "2 dimensions", ("wrong_dimensions",)),
        (
            (3.0, 4.0),
            {"dimensions": 3, "normalized": True},
            None,
            "2 dimensions",
            ("wrong_dimensions", "not_normalized"),
        ),
        ((), {}, None, None, ("empty",)),
        ((0.6, math.nan), {}, None, None, ("not_finite",)),
        ((0.6, math.inf), {"normalized": True}, None, None, ("not_finite",)),
        ((0.0, 0.0), {}, None, None, ("constant_vector",)),
        ((HALF, HALF), {"normalized": True}, None, None, ("constant_vector",)),
        ((1e300, 1.0), {"normalized": True}, None, "2 dimensions", ("not_normalized",)),
    ],
)
def test_vector_is_strict_lenient_or_unusable(
    vector: tuple[float, ...], settings: dict[str, object], strict: str, lenient: str, codes: tuple[str, ...]
) -> None:
    assert read(vector, **settings) == (strict, lenient, codes)
    assert set(codes) <= VIOLATIONS.keys()


def test_reading_does_not_copy_the_vector() -> None:
    strict, lenient, _ = read(tuple(float(i) for i in range(1536)))
    assert strict == lenient == "1536 dimensions"


def test_distinct_vectors_have_no_violation() -> None:
    assert together([(1.0, 0.0), (0.0, 1.0), (0.6, 0.8)]) == ["", "", ""]


def test_same_vector_for_different_texts_is_a_violation() -> None:
    same = (0.6, 0.8)
    assert together([same, (1.0, 0.0), same]) == ["duplicate_vector", "", "duplicate_vector"]
    assert together([same] * 4) == ["duplicate_vector"] * 4


def test_duplicates_are_found_despite_rounding_and_length() -> None:
    assert together([(0.6, 0.8), (0.6 + 1e-7, 0.8 - 1e-7), (1.0, 0.0)])[:2] == ["duplicate_vector"] * 2
    assert together([(0.6, 0.8), (6.0, 8.0), (1.0, 0.0)])[:2] == ["duplicate_vector"] * 2
    assert together([(0.6, 0.8), (0.61, 0.79)]) == ["", ""]


def test_same_text_can_have_the_same_vector() -> None:
    assert together([(0.6, 0.8), (0.6, 0.8), (1.0, 0.0)], texts="aab") == ["", "", ""]


def test_vector_of_minority_length_is_not_comparable() -> None:
    vectors = [(0.6, 0.8), (1.0, 0.0, 0.5), (0.0, 1.0)]
    assert together(vectors) == ["", "wrong_dimensions", ""]
    assert together(vectors, dimensions=3) == ["wrong_dimensions", "", "wrong_dimensions"]
    assert together(vectors, dimensions=9) == ["", "wrong_dimensions", ""]


def test_vector_without_direction_is_not_compared() -> None:
    assert together([(), (0.0, 0.0), (0.0, 0.0), (0.6, math.nan), (1.0, 0.0)]) == ["", "", "", "", ""]
    assert together([]) == []


@given(NUMBERS, st.none() | st.integers(2, 5), st.booleans())
def test_any_vector_is_read_without_an_exception(vector: list[float], dimensions: int | None, normalized: bool) -> None:
    contract = VectorContract(dimensions, normalized)
    reading = contract.read(Response(vector=tuple(vector)))
    assert reading.strict in (None, reading.lenient)
    assert reading.compliant is (not reading.violations)
    assert reading == contract.read(Response(vector=tuple(vector)))


@given(st.lists(NUMBERS, max_size=6), st.randoms())
def test_violations_do_not_depend_on_vector_order(vectors: list[list[float]], random: object) -> None:
    places = list(range(len(vectors)))
    random.shuffle(places)  # type: ignore[attr-defined]
    texts = [str(place) for place in range(len(vectors))]
    shuffled = VectorContract().together([vectors[i] for i in places], [texts[i] for i in places])
    assert shuffled == [VectorContract().together(vectors, texts)[i] for i in places]
