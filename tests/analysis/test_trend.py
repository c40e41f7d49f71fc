"""The trend of a cell: which runs are in it, what changed from one to the next, and its sparkline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import rate
from harness.analysis.trend import ASCII, BLOCKS, Trend, sparkline, trends
from harness.core.types import Manifest, RunOrigin, Tally

from ..report.fakes import fake_manifest

FINGERPRINT = dict(fake_manifest().fingerprint)


def made(day: int, **more: object) -> Manifest:
    """A whole run of `local@q4` on that day of the month; `changed` replaces parts of its fingerprint."""
    changed = more.pop("changed", {})
    stamp = f"2026-11-{day:02}T10:00:00"
    known = {"run_id": f"r{day}", "started_at": stamp, "finished_at": stamp, "fingerprint": FINGERPRINT | changed}
    return fake_manifest("local", "q4", **(known | {"notes": ()} | more))


def half_right(manifests: Sequence[Manifest]) -> Mapping[str, Tally]:
    """Of ten cases five right, whatever the run."""
    return {m.run_id: Tally({(1, 1, 1, 1): 5, (1, 0, 1, 0): 5}, 0) for m in manifests}


def of(*manifests: Manifest, newest: int = 52) -> tuple[Trend, ...]:
    """The trends of runs given oldest first."""
    return trends(manifests[::-1], half_right, newest)


def test_points_are_oldest_first_with_rates() -> None:
    (trend,) = of(made(3), made(10), made(17))
    assert (trend.eval, trend.cell, trend.split) == ("ticket_triage", "local@q4", "test")
    assert [point.manifest.run_id for point in trend.points] == ["r3", "r10", "r17"]
    assert {(p.strict.hits, p.lenient.hits, p.compliance.hits, p.strict.n) for p in trend.points} == {(5, 10, 5, 10)}


@pytest.mark.parametrize(
    "left_out",
    [
        pytest.param(made(4, limit=20), id="a sample"),
        pytest.param(made(4, finished_at=None), id="an unfinished run"),
        pytest.param(made(4, origin=RunOrigin.JUDGED), id="a judge's run about another run"),
        pytest.param(made(4, origin=RunOrigin.REPLAYED), id="a replayed run"),
    ],
)
def test_only_complete_runs_form_a_trend(left_out: Manifest) -> None:
    (trend,) = of(made(3), left_out)
    assert [point.manifest.run_id for point in trend.points] == ["r3"]


def test_each_cell_split_and_eval_has_its_own_trend() -> None:
    found = of(made(3), made(4, split="dev"), made(5, eval="spam"), made(6, decoding="constrained"))
    assert [(t.eval, t.cell, t.split) for t in found] == [
        ("spam", "local@q4", "test"),
        ("ticket_triage", "local@q4", "dev"),
        ("ticket_triage", "local@q4", "test"),
        ("ticket_triage", "local@q4+constrained", "test"),
    ]


def test_only_the_newest_points_are_loaded() -> None:
    asked: list[str] = []

    def counting(manifests: Sequence[Manifest]) -> Mapping[str, Tally]:
        asked.extend(m.run_id for m in manifests)
        return half_right(manifests)

    (trend,) = trends([made(day) for day in (17, 10, 3)], counting, newest=2)
    assert [p.manifest.run_id for p in trend.points] == asked == ["r10", "r17"]


def test_each_point_has_the_changes_since_the_previous() -> None:
    (trend,) = of(made(3), made(10, changed={"quantization": "Q4_K_M"}), made(17, changed={"quantization": "Q4_K_M"}))
    assert [[(c.what, c.parts) for c in p.changed] for p in trend.points] == [
        [],
        [("model", (("quantization", "Q8_0", "Q4_K_M"),))],
        [],
    ]
    assert trend.last_change is trend.points[1]
    assert of(made(3), made(10))[0].last_change is None


def test_rescored_and_imported_runs_are_part_of_a_trend() -> None:
    own = [RunOrigin.ASKED, RunOrigin.RESCORED, RunOrigin.IMPORTED, RunOrigin.RECORDED]
    (trend,) = of(*(made(day, origin=origin) for day, origin in enumerate(own, 3)))
    assert [point.manifest.origin for point in trend.points] == own


def test_repeats_count_as_one_case() -> None:
    (trend,) = trends([made(3)], lambda _: {"r3": Tally({(4, 2, 4, 0): 3, (4, 4, 4, 4): 1}, 2)})
    (point,) = trend.points
    assert (point.strict.hits, point.strict.n, point.n_errors) == (2.5, 4, 2)


def test_run_without_answers_is_a_gap() -> None:
    tally = {
        "r3": Tally({(1, 1, 1, 1): 90, (1, 0, 0, 0): 10}, 0),
        "r4": Tally({}, 9),
        "r5": Tally({(1, 0, 0, 0): 100}, 0),
    }
    (trend,) = trends([made(5), made(4), made(3)], lambda _: tally)
    line = sparkline([point.strict for point in trend.points])
    assert line[1] == " "
    assert line[0] > line[2]


def test_sparkline_shows_noise_small_and_a_drop_large() -> None:
    steady = sparkline([rate(80, 100), rate(82, 100), rate(79, 100), rate(81, 100)])
    assert max(map(BLOCKS.index, steady)) - min(map(BLOCKS.index, steady)) <= 2
    fallen = sparkline([rate(940, 1000), rate(870, 1000)], ASCII)
    assert ASCII.index(fallen[0]) - ASCII.index(fallen[1]) >= 4


@given(st.lists(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), max_size=30))
def test_sparkline_has_a_character_per_run_in_order(counts: list[tuple[int, int]]) -> None:
    rates = [rate(hits, n) for hits, n in counts]
    line = sparkline(rates)
    assert len(line) == len(rates)
    for a, b in zip(range(len(rates)), range(1, len(rates)), strict=False):
        if rates[a].value > rates[b].value:
            assert line[a] >= line[b]
