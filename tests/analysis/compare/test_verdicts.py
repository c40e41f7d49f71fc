"""Names of verdicts and decisions, also in files of older versions."""

from __future__ import annotations

import pytest

from harness.analysis.compare import Verdict
from harness.analysis.costs.advice_types import Decision


def test_keep_in_files_of_older_versions_reads_as_stay() -> None:
    assert Verdict("KEEP") is Verdict.STAY
    assert Decision("KEEP") is Decision.STAY


@pytest.mark.parametrize("kind", [Verdict, Decision])
def test_unknown_verdict_is_an_error(kind: type[Verdict | Decision]) -> None:
    with pytest.raises(ValueError, match="LEAVE"):
        kind("LEAVE")
