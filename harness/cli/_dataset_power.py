"""What `datasets power` says: figures first, as a dictionary, then the same in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.analysis import dataset_power
from harness.analysis.compare import Comparison
from harness.analysis.stats import rate, required_n_margin
from harness.core.types import Case

if TYPE_CHECKING:
    from rich.table import Table

ASSUMED = {dataset_power.ONE_MODEL: "assumed for max_regression", dataset_power.TWO_MODELS: "assumed for margin"}
"""Which discordances gates are held against when an eval is loaded."""

TIMES = (1, 2, 4)


def figures(dataset: str, split: str, cases: Sequence[Case], measured: Comparison | None) -> dict[str, Any]:
    """Everything that is told, as `--json` prints it. Margins, drops and rates are shares."""
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


def words(told: dict[str, Any]) -> list[str | Table]:
    """The same for somebody who knows little statistics; what is to be printed, one after the other."""
    n, at_90 = told["n"], told["rate_at_90"]
    where = f"split {told['split']}" if told["split"] else "not split"
    lines: list[str | Table] = [
        f"{told['dataset']}, {where}: {n:,} cases",
        "",
        f"One model: {at_90['value']:.0%} right here means {at_90['low']:.0%} to {at_90['high']:.0%} on such cases.",
        f"min_accuracy may be {dataset_power.down(told['provable_rate']):.3f} at most, with all cases right.",
        "",
        "Two runs: what counts is on how many cases they differ, one right and the other wrong (the discordance).",
        _reach_table(told),
        "Smallest margin: a candidate that is exactly as good as the reference is shown to be within it, 4 times in 5.",
        "Smallest drop: a true loss of this much is noticed, 4 times in 5. A smaller one may slip by.",
        "",
        f"More cases buy, at a discordance of {dataset_power.TWO_MODELS:.0%}: "
        + "; ".join(f"{r['n']:,} cases a margin of {_share(r['margin'])}" for r in told["more"])
        + ". Four times as many about halve it.",
        "",
        "Cases that it takes to show an equal candidate to be within a margin:",
        _needed_table(told),
    ]
    if small := told["small_slices"]:
        named = ", ".join(f"{s['kind']} {s['name']} ({s['n']})" for s in small[:12])
        more = f" and {len(small) - 12} more" if len(small) > 12 else ""
        lines += ["", f"Too small to show anything by themselves, under {dataset_power.SMALL} cases: {named}{more}."]
    return lines


def _reach_table(told: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("discordance", "smallest margin", "smallest drop"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for r in told["reach"]:
        table.add_row(
            f"{r['discordance']:.0%}", _share(r["margin"]), _share(r["drop"]), ASSUMED.get(r["discordance"], "")
        )
    if (m := told["measured"]) and m["cases"]:
        what = f"measured: {m['base']} and {m['head']}, {m['cases']:,} cases"
        table.add_row(f"{m['discordance']:.1%}", _share(m["margin"]), _share(m["drop"]), what)
    return table


def _needed_table(told: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("margin", justify="right")
    for share in dataset_power.DISCORDANCES:
        table.add_column(f"at {share:.0%}", justify="right")
    for row in told["needed"]:
        table.add_row(f"{row['margin']:.3f}", *(f"{cases:,}" for cases in row["cases"].values()))
    return table


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
