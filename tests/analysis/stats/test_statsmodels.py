"""Agreement with statsmodels, which is installed only for tests."""

from __future__ import annotations

import pytest

from harness.analysis.stats import clustered_rate, holm, kappa, mcnemar_exact, rate

pytest.importorskip("statsmodels")


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 7), (174, 240), (300, 300)])
def test_wilson(hits: int, n: int) -> None:
    from statsmodels.stats.proportion import proportion_confint

    actual = rate(hits, n)
    assert (actual.low, actual.high) == pytest.approx(proportion_confint(hits, n, method="wilson"))


def test_wilson_accepts_fractional_n() -> None:
    from scipy.stats import norm, t
    from statsmodels.stats.proportion import proportion_confint

    actual = clustered_rate([(5, 5)] * 6 + [(2, 4)] * 4)
    share, variance = 0.8, 0.6 * 0.2**2 + 0.4 * 0.3**2
    n = 10 * share * (1 - share) / variance * (norm.ppf(0.975) / t.ppf(0.975, 9)) ** 2
    assert (actual.low, actual.high) == pytest.approx(proportion_confint(share * n, n, method="wilson"))


@pytest.mark.parametrize(("gains", "losses"), [(1, 7), (6, 16), (0, 3), (5, 5)])
def test_mcnemar_exact(gains: int, losses: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    assert mcnemar_exact(gains, losses) == pytest.approx(mcnemar([[9, gains], [losses, 9]]).pvalue)


@pytest.mark.parametrize("p_values", [[0.03], [0.01, 0.04, 0.03, 0.005], [0.2, 0.2, 0.001, 0.9], [1.0, 0.0]])
def test_holm(p_values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


@pytest.mark.parametrize("table", [[[53, 5, 2], [11, 14, 5], [1, 6, 3]], [[0, 8], [9, 1]], [[40, 1], [1, 0]]])
def test_kappa(table: list[list[int]]) -> None:
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    pairs = [(str(i), str(j)) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    theirs, ours = cohens_kappa(np.array(table)), kappa([a for a, _ in pairs], [b for _, b in pairs])
    assert ours.value == pytest.approx(theirs.kappa)
    assert (ours.low, ours.high) == pytest.approx((max(-1, theirs.kappa_low), min(1, theirs.kappa_upp)))


def test_kappa_has_width_where_statsmodels_has_none() -> None:
    """Annotators that always differ, or use a single label, have no variance but are not certain."""
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    with np.errstate(invalid="ignore"):
        differ, constant = cohens_kappa(np.array([[0, 9], [9, 0]])), cohens_kappa(np.array([[2, 1], [0, 0]]))
    assert (differ.kappa_low, differ.kappa_upp) == (-1, -1)
    assert (constant.kappa, np.isnan(constant.kappa_low)) == (0, True)
    for a, b, value in (("01" * 9, "10" * 9, -1), ("000", "001", 0)):
        ours = kappa(list(a), list(b))
        assert (ours.value, ours.low, ours.high) == (value, -1, 1)
