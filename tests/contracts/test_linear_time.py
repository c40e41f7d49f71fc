"""`assert_linear`: functions that it accepts, and functions that it reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..support import linear


@pytest.fixture
def spend(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Spend CPU time on a fake clock."""
    clock = [0.0]
    monkeypatch.setattr(linear, "thread_time", lambda: clock[0])

    def spend(seconds: float) -> None:
        clock[0] += seconds

    return spend


def test_linear_function_is_accepted(spend: Callable[[float], None]) -> None:
    linear.assert_linear(lambda text: spend(1e-6 * len(text)), "a".__mul__)


@pytest.mark.parametrize("power", [1.7, 2.0, 3.0])
def test_superlinear_function_is_reported(spend: Callable[[float], None], power: float) -> None:
    with pytest.raises(AssertionError, match="10 times the text took"):
        linear.assert_linear(lambda text: spend(1e-9 * len(text) ** power), "a".__mul__)


def test_one_undisturbed_attempt_is_enough(spend: Callable[[float], None]) -> None:
    noise = iter([0.0, 9.0, 0.0, 9.0, 0.0, 0.0])
    linear.assert_linear(lambda text: spend(1e-6 * len(text) + next(noise)), "a".__mul__)
