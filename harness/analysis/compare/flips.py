"""Flips: cases whose outcome changed, which an equal mean hides (Dutta et al. 2024, "Accuracy is not all you need")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from harness.analysis.compare.sides import CaseOutcome
from harness.analysis.compare.verdicts import LegName

FlipKind = Literal["right_to_wrong", "wrong_to_right", "wrong_to_other_wrong", "compliant_to_not", "not_to_compliant"]
KINDS: tuple[FlipKind, ...] = get_args(FlipKind)


@dataclass(frozen=True, slots=True)
class Flip:
    """One case with a different outcome."""

    kind: FlipKind
    case_id: str


def flips(pairs: Iterable[tuple[CaseOutcome, CaseOutcome]], leg: LegName = "strict") -> tuple[Flip, ...]:
    """List the flips in the order of the cases. A case can flip in its answer, read by the leg, and in its form."""
    return tuple(Flip(kind, base.id) for base, head in pairs for kind in _kinds(base, head, leg))


def counts(all_flips: Iterable[Flip]) -> dict[FlipKind, int]:
    """Count the flips of each kind, zeros included."""
    kinds = [flip.kind for flip in all_flips]
    return {kind: kinds.count(kind) for kind in KINDS}


def answers_changed(pairs: Iterable[tuple[CaseOutcome, CaseOutcome]]) -> int:
    """Count the cases whose answer differs, right or wrong."""
    return sum(base.answer != head.answer or base.is_right != head.is_right for base, head in pairs)


def _kinds(base: CaseOutcome, head: CaseOutcome, leg: LegName) -> Iterator[FlipKind]:
    before, after = base.is_right_read(leg), head.is_right_read(leg)
    if before != after:
        yield "right_to_wrong" if before else "wrong_to_right"
    elif not before and base.answer != head.answer:
        yield "wrong_to_other_wrong"
    if base.is_compliant != head.is_compliant:
        yield "compliant_to_not" if base.is_compliant else "not_to_compliant"
