"""What wrong labels do to a comparison."""

from __future__ import annotations


def true_loss(observed: float, noise: float, n_labels: int) -> float:
    """Return the true loss behind an observed loss, if a share `noise` of the labels is wrong at random.

    A wrong label hides a right answer, and makes one of the `n_labels` - 1 wrong answers look right. The observed
    difference of two models is therefore 1 - noise * K / (K - 1) of the true one (Angluin & Laird, Machine Learning 2
    (1988), 343–370). `n_labels` of 0 stands for free answers, where a wrong label never fits a wrong answer.

    Raises:
        ValueError: If `noise` leaves no signal.
    """
    kept = 1 - noise * (n_labels / (n_labels - 1) if n_labels > 1 else 1.0)
    if not (0 <= noise < 1 and kept > 0):
        msg = f"a share of {noise} wrong labels among {n_labels} labels leaves no signal"
        raise ValueError(msg)
    return observed / kept


def unfair_loss(noise: float) -> float:
    """Return the largest loss that an equally good model shows if the other model made the labels.

    Both are wrong on a share `noise` of the cases. The labels agree with their maker everywhere, so its errors count as
    right. If the errors of the other model are elsewhere, it also loses the cases that its own errors cost.
    """
    return min(1.0, 2 * noise)
