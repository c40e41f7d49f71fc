"""Pure statistics: intervals, tests and power. docs/statistics.md describes each method and its measured coverage.

`low` and `high` are the ends of a 95% interval unless `confidence` is given. Functions return numbers, not verdicts.
"""

from harness.analysis.stats.agreement import kappa, spearman
from harness.analysis.stats.bootstrap import macro_f1_difference, paired_bootstrap
from harness.analysis.stats.interval import Interval
from harness.analysis.stats.means import Mean, PairedMean, interaction_mean, mean, paired_mean
from harness.analysis.stats.multiple_testing import holm
from harness.analysis.stats.paired import Paired, clustered_paired, mcnemar_exact, mcnemar_midp, paired, tango
from harness.analysis.stats.power import (
    DecisionRule,
    cases_to_decide,
    required_n_drop,
    required_n_margin,
    smallest_drop,
    smallest_margin,
)
from harness.analysis.stats.proportions import Rate, as_json, clustered_rate, quantile, rate
from harness.analysis.stats.sequential import sequential_paired

__all__ = [
    "DecisionRule",
    "Interval",
    "Mean",
    "Paired",
    "PairedMean",
    "Rate",
    "as_json",
    "cases_to_decide",
    "clustered_paired",
    "clustered_rate",
    "holm",
    "interaction_mean",
    "kappa",
    "macro_f1_difference",
    "mcnemar_exact",
    "mcnemar_midp",
    "mean",
    "paired",
    "paired_bootstrap",
    "paired_mean",
    "quantile",
    "rate",
    "required_n_drop",
    "required_n_margin",
    "sequential_paired",
    "smallest_drop",
    "smallest_margin",
    "spearman",
    "tango",
]
