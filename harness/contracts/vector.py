"""The vector contract: what an embedding must be for an index to take it.

`strict` and `lenient` are a short description ("576 dimensions"), because the response already holds the numbers.
`lenient` is there as long as a direction can be made of them: of a vector with a length other than declared, or of one
that is not of unit length. Some things show only beside the vectors of other texts: those are found by `together`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.contracts.violations import VIOLATIONS
from harness.core.types import Reading, Response

UNIT = 1e-3
"""How far a norm may be from 1: vectors sent as 16-bit floats stay well within it."""
SAME = 1e-5
"""Components of unit vectors that differ by less are the same: far more than rounding, far less than another text."""

_ORDER = {code: place for place, code in enumerate(VIOLATIONS)}


@dataclass(frozen=True)
class VectorContract:
    """Finite numbers that are not all the same, as many as `dimensions`, and of unit length where `normalized`."""

    dimensions: int | None = None
    normalized: bool = False

    @property
    def id(self) -> str:
        """Name and version of the rules. The version changes whenever a reading could."""
        return "vector/1"

    def read(self, response: Response) -> Reading:
        """What an index makes of this vector, and whether a direction can be made of it at all."""
        vector = response.vector
        if unusable := _unusable(vector):
            return broken((unusable,))
        codes = []
        if self.dimensions is not None and len(vector) != self.dimensions:
            codes.append("wrong_dimensions")
        if self.normalized and abs(math.hypot(*vector) - 1) > UNIT:
            codes.append("not_normalized")
        said = f"{len(vector)} dimensions"
        return Reading(None if codes else said, said, compliant=not codes, violations=tuple(codes))

    def together(self, vectors: Sequence[Sequence[float]], texts: Sequence[str]) -> list[str]:
        """For each vector the code of what shows only beside the others, or nothing.

        `wrong_dimensions`: cannot be compared, because it is not as long as declared; or, where no vector is or nothing
        was declared, not as long as most are. `duplicate_vector`: the vector of another text as well; a server that is
        set up wrongly (the first token's vector of a model that reads from left to right) gives the same one for all.
        Equal `texts` may have equal vectors.
        """
        codes = [""] * len(vectors)
        usable = [place for place, vector in enumerate(vectors) if not _unusable(vector)]
        if not usable:
            return codes
        lengths = Counter(len(vectors[place]) for place in usable)
        length = self.dimensions if self.dimensions in lengths else max(lengths, key=lambda n: (lengths[n], n))
        for place in usable:
            codes[place] = "" if len(vectors[place]) == length else "wrong_dimensions"
        alike = [place for place in usable if not codes[place]]
        for group in _same([vectors[place] for place in alike]):
            if len({texts[alike[place]] for place in group}) > 1:
                for place in group:
                    codes[alike[place]] = "duplicate_vector"
        return codes


def broken(codes: Sequence[str]) -> Reading:
    """The reading of a vector that nothing can be searched with."""
    return Reading(None, None, compliant=False, violations=tuple(sorted(set(codes), key=_ORDER.__getitem__)))


def _unusable(vector: Sequence[float]) -> str:
    """The code of what keeps a vector from having a direction that says anything."""
    if not vector:
        return "empty"
    if not all(map(math.isfinite, vector)):
        return "not_finite"
    return "constant_vector" if min(vector) == max(vector) else ""


def _same(vectors: Sequence[Sequence[float]]) -> list[list[int]]:
    """Groups of places at which the same vector stands, but for rounding.

    Sorted along one random direction equal vectors are neighbours, which saves comparing each with each.
    """
    import numpy as np

    unit = np.asarray(vectors, dtype=np.float64)
    unit /= np.abs(unit).max(axis=1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    order = np.argsort(unit @ np.random.default_rng(0).standard_normal(unit.shape[1]), kind="stable")
    groups = [[int(order[0])]]
    for before, here in pairwise(order):
        if np.abs(unit[here] - unit[before]).max() < SAME:
            groups[-1].append(int(here))
        else:
            groups.append([int(here)])
    return groups
