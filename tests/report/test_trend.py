"""The section of a report that shows what became of a cell from run to run."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from harness.analysis.compare import ComparisonQuestion, compare, outcomes_of
from harness.analysis.trend import Trend, trends
from harness.core.types import Manifest, RunOrigin, Tally
from harness.report import build
from harness.report.formats.html import render
from harness.report.sections.trend import _letter, context

from .fakes import fake_manifest, fake_run
from .test_html import Tags

RUN = fake_run(30, "local", "q4")
FINGERPRINT = dict(RUN.manifest.fingerprint)


def made(*changed: dict[str, str], **more: Any) -> Trend:
    """A trend with a run a week, each with these parts of its fingerprint replaced from then on."""
    manifests: list[Manifest] = []
    for week, parts in enumerate(changed):
        before = manifests[-1].fingerprint if manifests else FINGERPRINT
        stamp = f"2026-{10 + week // 4}-{1 + 7 * (week % 4):02}T06:00:00+00:00"
        known = {"run_id": f"r{week}", "started_at": stamp, "finished_at": stamp, "notes": ()}
        manifests.append(fake_manifest("local", "q4", fingerprint={**before, **parts}, **(known | more)))
    tally = Tally({(1, 1, 1, 1): 20, (1, 0, 0, 1): 10}, 0)
    (found,) = trends(manifests[::-1], lambda of: {m.run_id: tally for m in of})
    return found


def shown(trend: Trend) -> dict[str, Any] | None:
    return context(build([RUN], [trend]).evals[0])


def test_three_runs_are_shown_and_two_are_not() -> None:
    assert shown(made({}, {})) is None
    assert shown(made({}, {}, {})) is not None


def test_trends_of_other_cells_splits_and_evals_are_left_out() -> None:
    others = [made({}, {}, {}, **more) for more in ({"split": "dev"}, {"eval": "spam"}, {"decoding": "constrained"})]
    assert build([RUN], others).evals[0].trends == ()


def test_changes_have_letters_in_chart_and_list() -> None:
    told = shown(made({}, {"quantization": "Q4_K_M"}, {}, {"contract_hash": "sha256:2"}, {"harness": "9"}))
    assert told is not None
    (trend,) = told["trends"]
    assert [(letter, day, what.partition(" ")[0]) for letter, what, day in trend["marks"]] == [
        ("A", "2026-10-08", "model"),
        ("B", "2026-10-22", "contract"),
    ]
    assert re.findall(r">([AB])</text>", trend["chart"]) == ["A", "B"]
    assert trend["runs"][0]["changed"] == "harness (harness: 0.1.0 -> 9)"  # told, but it comes with every release


def test_marks_continue_after_z() -> None:
    assert [_letter(n) for n in (0, 25, 26, 52)] == ["A", "Z", "A2", "A3"]


def test_rescored_run_has_a_hollow_dot_and_a_label() -> None:
    text = render(build([RUN], [made({}, {}, {}, origin=RunOrigin.RESCORED)]))
    assert "<small>rescored</small>" in text
    assert "A hollow dot is a rescored" in text
    assert "A hollow dot" not in render(build([RUN], [made({}, {}, {})]))


def test_newest_run_shows_its_verdict() -> None:
    older = replace(RUN, manifest=replace(RUN.manifest, run_id="r1"))
    latest = compare(outcomes_of(older), outcomes_of(RUN), ComparisonQuestion("change"))
    text = render(build([RUN], [replace(made({}, {}, {}), latest=latest)]))
    assert "<b>INCONCLUSIVE</b> against r1: " in text


def test_the_charts_of_several_cells_share_no_ids() -> None:
    runs = [RUN, fake_run(30, "gpt", "q4")]
    both = [made({}, {}, {}), replace(made({}, {}, {}), cell="gpt@q4")]
    ids = [attrs["id"] for _, attrs in Tags(render(build(runs, both))).found if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_server_names_are_inert() -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    text = render(build([RUN], [made({}, {"model": hostile}, {"served_model": hostile}, tags=(hostile,))]))
    assert "<img" not in text
    assert text.count("&lt;img src=x") >= 3


def test_trend_without_answers_is_not_drawn() -> None:
    manifests = [fake_manifest("local", "q4", run_id=f"r{i}") for i in range(3)]
    (trend,) = trends(manifests, lambda of: {m.run_id: Tally({}, 5) for m in of})
    assert shown(trend) is None
