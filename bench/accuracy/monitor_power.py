"""Measure power and false alarms of weekly monitoring and of a weekly label sample. Prints Markdown.

    python bench/accuracy/monitor_power.py [--years 400] [--seed 1]

The first three tables are simulations with the functions that the commands use. A figure is a share of `--years` years;
the power table uses as many weeks, and the interval table 4,000 samples. The last two tables are exact.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from scipy.stats import binom

from harness.analysis.stats.unpaired import Stratum, counted, stratified_rate
from harness.monitor import review_power, sampling, signals
from harness.monitor.weeks import NO_ANSWER, WeekTally

LABELS = ("billing", "technical", "general")
START = date(2026, 1, 5)
TASKS = ("ticket_triage", "comment_moderation")


@dataclass(frozen=True)
class Traffic:
    """Weekly traffic of one task. `wobble` is the standard deviation between weeks of the log-odds of each share."""

    calls: int
    wobble: float = 0.0
    compliance: float = 0.98
    refusals: float = 0.002
    unknown: float = 0.004
    fallbacks: float = 0.01
    shares: tuple[float, ...] = (0.45, 0.35, 0.2)
    log_length: float = 2.3


def week(traffic: Traffic, random: np.random.Generator) -> WeekTally:
    """Simulate one week. The number of calls varies by a tenth."""
    n = max(1, int(random.normal(traffic.calls, traffic.calls / 10)))

    def wavering(share: float) -> float:
        return 1 / (1 + math.exp(-(math.log(share / (1 - share)) + random.normal(0, traffic.wobble))))

    weights = np.array(traffic.shares) * np.exp(random.normal(0, traffic.wobble, len(traffic.shares)))
    labels = random.multinomial(n, weights / weights.sum())
    mean, spread = traffic.log_length + random.normal(0, traffic.wobble * 0.3), 0.4
    total = random.normal(n * mean, spread * math.sqrt(n))
    return WeekTally(
        calls=n,
        answered=n,
        read=n,
        compliant=int(random.binomial(n, wavering(traffic.compliance))),
        refusals=int(random.binomial(n, wavering(traffic.refusals))),
        unknown_labels=int(random.binomial(n, wavering(traffic.unknown))),
        fallbacks=int(random.binomial(n, wavering(traffic.fallbacks))),
        labels=Counter(dict(zip((*LABELS, NO_ANSWER), labels.tolist(), strict=False))),
        lengths=n,
        log_length=total,
        log_length_squared=n * spread**2 + total**2 / n,
    )


def look(history: dict[str, dict[date, WeekTally]], day: date) -> signals.WeeklySignals:
    return signals.compute_signals(history, day, dict.fromkeys(TASKS, LABELS))


def false_alarms(traffic: Traffic, years: int, random: np.random.Generator) -> tuple[float, float]:
    """Share of years with a false alarm, and mean number of false alarms per year.

    The year is the first one: in its first weeks there is hardly any history yet.
    """
    with_any = alarms = 0
    for _ in range(years):
        days = [START + timedelta(weeks=i) for i in range(signals.LOOKS_PER_YEAR)]
        history = {task: {day: week(traffic, random) for day in days} for task in TASKS}
        count = sum(len(look(history, day).alarms) for day in days)
        with_any += count > 0
        alarms += count
    return with_any / years, alarms / years


def seen(
    before: Traffic, after: Traffic, name: str, *, n_before: int, times: int, random: np.random.Generator
) -> float:
    """Share of simulations in which the signal `name` raises an alarm in the first week after a change."""
    days = [START + timedelta(weeks=i) for i in range(n_before + 1)]
    found = 0
    for _ in range(times):
        history = {task: {day: week(before, random) for day in days} for task in TASKS}
        history[TASKS[0]][days[-1]] = week(after, random)
        found += any(s.name == name and s.task == TASKS[0] for s in look(history, days[-1]).alarms)
    return found / times


SCENARIOS = (
    ("binomial", Traffic(200)),
    ("binomial", Traffic(1_400)),
    ("binomial", Traffic(14_000)),
    ("weeks differ a little", Traffic(1_400, wobble=0.1)),
    ("weeks differ a little", Traffic(14_000, wobble=0.1)),
    ("weeks differ much", Traffic(14_000, wobble=0.3)),
    ("binomial, rare events", replace(Traffic(200), refusals=0.0005, unknown=0.0005, fallbacks=0.0005)),
)

CHANGES = (
    ("compliance 98% → 95%", "compliance", {"compliance": 0.95}),
    ("compliance 98% → 90%", "compliance", {"compliance": 0.90}),
    ("refusals 0.2% → 2%", "refusals", {"refusals": 0.02}),
    ("fallbacks 1% → 5%", "fallbacks", {"fallbacks": 0.05}),
    ("`billing` 45% → 55%", "labels", {"shares": (0.55, 0.29, 0.16)}),
    ("replies a fifth longer", "reply length", {"log_length": 2.3 + math.log(1.2)}),
)

STRATA = (
    ((6_300, 0.94), (4_900, 0.94), (2_800, 0.94)),
    ((6_300, 0.97), (4_900, 0.95), (2_500, 0.80), (250, 0.40), (50, 0.0)),
    ((13_000, 0.96), *((100, 0.5),) * 10),
)

SAMPLES = 4_000

SAMPLE_SIZES = (50, 100, 250, 500)

CELLS = (1, 12)

TRAFFIC = ((200, 0.0), (1_400, 0.0), (1_400, 0.1), (14_000, 0.1))


def print_false_alarms(years: int, random: np.random.Generator) -> None:
    print("**Any false alarm in a year of 52 looks, two tasks, nothing having changed**\n")
    print("| weeks | calls a week and task | years with a false alarm | alarms a year |")
    print("| --- | --- | --- | --- |")
    for name, traffic in SCENARIOS:
        share, mean = false_alarms(traffic, years, random)
        print(f"| {name} | {traffic.calls:,} | {share:.1%} | {mean:.3f} |")
    print()


def print_seen(times: int, random: np.random.Generator) -> None:
    print("**Seen in the first week after the change**\n")
    heads = " | ".join(f"{n:,}{' a week' if not w else ', weeks differ a little'}" for n, w in TRAFFIC)
    print(f"| change | weeks before | {heads} |")
    print("| --- " * (len(TRAFFIC) + 2) + "|")
    for words, name, change in CHANGES:
        for n_before in (signals.MIN_WEEKS, signals.REFERENCE_WEEKS):
            shares = []
            for n, wobble in TRAFFIC:
                before = Traffic(n, wobble)
                after = replace(before, **change)
                shares.append(seen(before, after, name, n_before=n_before, times=times, random=random))
            print(f"| {words} | {n_before} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    print()


def coverage(sizes: Sequence[int], right: Sequence[float], per_week: int, random: np.random.Generator) -> list[float]:
    """Coverage of the accuracy of the traffic: with the sampling weights, and without them."""
    truth = sum(n * p for n, p in zip(sizes, right, strict=True)) / sum(sizes)
    drawn = sampling.allocate(sizes, per_week)
    hits = np.array(
        [
            random.hypergeometric(round(n * p), n - round(n * p), k, SAMPLES) if k else np.zeros(SAMPLES, int)
            for n, p, k in zip(sizes, right, drawn, strict=True)
        ]
    ).T
    held = np.zeros(2)
    for row in hits.tolist():
        weighted = stratified_rate([Stratum(h, k, n) for h, k, n in zip(row, drawn, sizes, strict=True)])
        plain = counted(sum(row), sum(drawn))
        held += [weighted.low <= truth <= weighted.high, plain.low <= truth <= plain.high]
    return [float(share) for share in held / SAMPLES]


def print_intervals(random: np.random.Generator) -> None:
    print("**The interval of a week's accuracy holds the accuracy of its calls**\n")
    print("| strata (calls, right) | labels | weighted | not weighted |")
    print("| --- | --- | --- | --- |")
    for strata in STRATA:
        words = "; ".join(
            f"{k} of {n:,}, {p:.0%}" if k > 1 else f"{n:,}, {p:.0%}" for (n, p), k in Counter(strata).items()
        )
        for per_week in (50, 100, 250):
            sizes, right = [n for n, _ in strata], [p for _, p in strata]
            held = coverage(sizes, right, per_week, random)
            print(f"| {words} | {per_week} | {held[0]:.1%} | {held[1]:.1%} |")
    print()


def print_samples() -> None:
    print("**A weekly sample of labels: the chance to have seen a drop (exact)**\n")
    print("| accuracy | cells | a week | in week 1 | by week 2 | by week 4 | weeks until 95% are seen | OK in a week |")
    print("| --- " * 8 + "|")
    for baseline, drop_to in ((0.94, 0.90), (0.94, 0.87), (0.94, 0.80), (0.85, 0.80)):
        for cells in CELLS:
            for n in SAMPLE_SIZES:
                power = review_power.review_power(baseline, drop_to, n, cells=cells)
                weeks = "more than a year" if power.weeks is None else f"{power.weeks}"
                seen = " | ".join(f"{power.by_week[week - 1]:.1%}" for week in (1, 2, 4))
                drop = f"{baseline:.0%} → {drop_to:.0%}"
                print(f"| {drop} | {cells} | {n} | {seen} | {weeks} | {power.ok:.1%} |")
    print("\n**The same without any change: false REGRESSED reviews of all cells in a year (exact)**\n")
    print("| accuracy | cells | a week | the baseline is the truth | the baseline was measured, too | OK in a week |")
    print("| --- " * 6 + "|")
    for baseline in (0.94, 0.85):
        for cells in CELLS:
            for n in SAMPLE_SIZES:
                power = review_power.review_power(baseline, baseline, n, cells=cells)
                alarms = f"{in_a_year(power):.2f} | {over_baselines(baseline, n, cells):.2f}"
                print(f"| {baseline:.0%} | {cells} | {n} | {alarms} | {power.ok:.0%} |")
    print()


def in_a_year(power: review_power.ReviewPower) -> float:
    """Expected number of REGRESSED reviews of all cells in a year."""
    weekly = power.first + power.lower * (power.lower - power.first)
    return power.cells * signals.LOOKS_PER_YEAR * weekly


def over_baselines(truth: float, per_week: int, cells: int) -> float:
    """Expected number of false REGRESSED reviews in a year, over all possible baselines of 300 cases."""
    n = review_power.BASELINE_CASES
    chances = binom.pmf(np.arange(n + 1), n, truth)
    likely = [(right, chance) for right, chance in enumerate(chances.tolist()) if chance > 1e-5]
    return sum(
        chance * in_a_year(review_power.review_power(right / n, truth, per_week, cells=cells))
        for right, chance in likely
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    print_false_alarms(arguments.years, random)
    print_seen(arguments.years, random)
    print_intervals(random)
    print_samples()


if __name__ == "__main__":
    main()
