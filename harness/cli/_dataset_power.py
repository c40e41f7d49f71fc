"""`harness datasets power`: the figures, and their screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.analysis import dataset_power
from harness.analysis.compare import Comparison
from harness.analysis.stats import rate, required_n_margin
from harness.core.formatting import plural
from harness.core.types import Case

if TYPE_CHECKING:
    from rich.table import Table

ASSUMED = {dataset_power.ONE_MODEL: "assumed for max_regression", dataset_power.TWO_MODELS: "assumed for margin"}
"""Discordance -> the gate whose feasibility check assumes it when an eval is loaded."""

TIMES = (1, 2, 4)


def figures(dataset: str, split: str, cases: Sequence[Case], measured: Comparison | None) -> dict[str, Any]:
    """All figures, as `--json` prints them. Margins, drops and rates are shares between 0 and 1."""
    n = len(cases)
    common = rate(round(0.9 * n), n)
    return {
        "dataset": dataset,
        "split": split,
        "n": n,
        "provable_rate": dataset_power.provable(n),
        "rate_at_90": {"value": common.value, "low": common.low, "high": common.high},
        "reach": [asdict(dataset_power.reach(n, d)) for d in dataset_power.DISCORDANCES],
        "measured": None if measured is None else _measured(measured, n),
        "more": [asdict(dataset_power.reach(times * n, dataset_power.TWO_MODELS)) for times in TIMES],
        "needed": [
            {"margin": margin, "cases": {f"{d:g}": required_n_margin(margin, d) for d in dataset_power.DISCORDANCES}}
            for margin in dataset_power.MARGINS
        ],
        "small_slices": [
            {"kind": kind, "name": name, "n": size} for kind, name, size in dataset_power.small_slices(cases)
        ],
    }


def _measured(c: Comparison, n: int) -> dict[str, Any]:
    paired = c.strict.paired
    share = (paired.gains + paired.losses) / paired.n if paired.n else math.nan
    reached = asdict(dataset_power.reach(n, share)) if paired.n else {}
    return {"base": c.base.cell, "head": c.head.cell, "cases": paired.n, **reached}


def screen(figures: dict[str, Any]) -> list[str | Table]:
    """The figures explained for readers without statistics. Returns lines and tables in print order."""
    n, at_90 = figures["n"], figures["rate_at_90"]
    split = f"split {figures['split']}" if figures["split"] else "no splits"
    lines: list[str | Table] = [
        f"{figures['dataset']}, {split}: {plural(n, 'case')}",
        "",
        f"One model: the 95% interval of {at_90['value']:.0%} accuracy is {at_90['low']:.0%} to {at_90['high']:.0%}.",
        f"min_accuracy can be at most {dataset_power.down(figures['provable_rate']):.3f}, even with all correct.",
        "",
        "Two runs: the discordance counts, the share of cases that exactly one of them gets right.",
        _reach_table(figures),
        "Smallest margin: a candidate that equals the reference passes with 80% probability.",
        "Smallest drop: a true loss of this size is detected with 80% probability; smaller losses may be missed.",
        "",
        f"Smallest margin with more cases, at a discordance of {dataset_power.TWO_MODELS:.0%}: "
        + "; ".join(f"{plural(r['n'], 'case')} {_share(r['margin'])}" for r in figures["more"])
        + ". Four times the cases roughly halve the margin.",
        "",
        "Cases needed to show that an equal candidate is within a margin:",
        _needed_table(figures),
    ]
    if small := figures["small_slices"]:
        named = ", ".join(f"{s['kind']} {s['name']} ({s['n']})" for s in small[:12])
        more = f" and {len(small) - 12} more" if len(small) > 12 else ""
        lines += ["", f"Slices too small to prove anything (under {dataset_power.SMALL} cases): {named}{more}."]
    return lines


def _reach_table(figures: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("discordance", "smallest margin", "smallest drop"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for r in figures["reach"]:
        table.add_row(
            f"{r['discordance']:.0%}", _share(r["margin"]), _share(r["drop"]), ASSUMED.get(r["discordance"], "")
        )
    if (m := figures["measured"]) and m["cases"]:
        source = f"measured: {m['base']} and {m['head']}, {plural(m['cases'], 'case')}"
        table.add_row(f"{m['discordance']:.1%}", _share(m["margin"]), _share(m["drop"]), source)
    return table


def _needed_table(figures: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("margin", justify="right")
    for share in dataset_power.DISCORDANCES:
        table.add_column(f"at {share:.0%}", justify="right")
    for row in figures["needed"]:
        table.add_row(f"{row['margin']:.3f}", *(f"{cases:,}" for cases in row["cases"].values()))
    return table


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
