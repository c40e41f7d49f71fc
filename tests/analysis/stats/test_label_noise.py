"""Wrong labels: the formulas against simulated labels."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.stats.label_noise import true_loss, unfair_loss

N = 200_000


@pytest.mark.parametrize("k", [2, 3, 10])
def test_random_wrong_labels_shrink_a_loss(k: int) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, k, N)

    def with_errors(share: float) -> np.ndarray:
        return np.where(random.random(N) < share, (truth + random.integers(1, k, N)) % k, truth)

    labels, good, worse = with_errors(0.05), with_errors(0.1), with_errors(0.2)
    observed = float(np.mean(good == labels) - np.mean(worse == labels))
    assert observed < 0.0985
    assert true_loss(observed, 0.05, k) == pytest.approx(0.1, abs=0.004)


def test_labels_by_one_model_cost_the_other_twice_the_errors() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 10, N)
    wrong = random.random((2, N)) < 0.05
    maker, other = (np.where(w, (truth + random.integers(1, 10, N)) % 10, truth) for w in wrong)
    observed = 1 - float(np.mean(other == maker))
    assert 0.09 < observed <= unfair_loss(0.05)


def test_pure_noise_is_rejected() -> None:
    with pytest.raises(ValueError, match="no signal"):
        true_loss(0.03, 0.5, 2)
