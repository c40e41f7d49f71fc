"""What a report says of runs beside each other, in every format. All runs here are fakes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.compare import ComparisonQuestion, Verdict, compare, outcomes_of
from harness.analysis.stats import paired
from harness.core.types import Run
from harness.report import Analyses, EvalReport, Report, analyses_of, build, write
from harness.report.formats.html import render
from harness.report.intervals import scale
from harness.report.sections import ladder, portability, verdicts

from ..support.project import CONFIG, Project
from .fakes import fake_case, fake_error, fake_result, small_run
from .test_formats import HOSTILE
from .test_html import Tags
from .test_terminal import printed

OWN = {"gpt-4o": "gpt", "q4": "local", "fp16": "local"}
ASKED = Analyses(pair=("gpt-4o", "q4"), own=OWN, ladders={"mistral": ("fp16", "q4", "q2")})


def run(cell: str, outcomes: str, latency: float = 0.5, **more: Any) -> Run:
    """A run of `variant@backend`: `R` right, `p` right but badly phrased, `w` wrong, `E` failed."""
    variant, _, backend = cell.partition("@")
    results = []
    for i, letter in enumerate(outcomes):
        case = fake_case(i, tags=("hard",) if i < 40 else ())
        read = {"R": ("billing", "billing"), "p": (None, "billing"), "w": ("general", "general")}.get(letter)
        results.append(fake_result(case, f"reply {letter}", read, latency=latency) if read else fake_error(case))
    return small_run(results, variant, backend, **more)


@cache
def matrix() -> tuple[Run, ...]:
    """All four cells of the pair, and the first step of the ladder."""
    return (
        run("gpt@gpt-4o", "R" * 300),
        run("local@gpt-4o", "R" * 300),
        run("gpt@q4", "p" * 90 + "R" * 210),
        run("local@q4", "w" * 3 + "R" * 297, 0.2),
        run("local@fp16", "R" * 300),
    )


@cache
def whole() -> Report:
    """The report of them."""
    return build(matrix(), analyses=ASKED)


def report(*runs: Run, analyses: Analyses = ASKED) -> EvalReport:
    return build(runs, analyses=analyses).evals[0]


def written(folder: Path, ending: str, built: Report) -> str:
    path = folder / f"r{ending}"
    write(built, path)
    return path.read_text(encoding="utf-8")


class TestAsked:
    def test_nothing_is_compared_by_default(self) -> None:
        analysis = report(*matrix()[:2], analyses=Analyses()).analysis
        assert (analysis.comparisons, analysis.portability, analysis.ladders) == ((), None, ())

    def test_pair_is_compared_on_its_own_variants(self) -> None:
        (c,) = whole().evals[0].analysis.comparisons
        assert (c.base.cell, c.head.cell, c.question) == ("gpt@gpt-4o", "local@q4", ComparisonQuestion("move", 0.03))
        assert c.verdict is Verdict.MOVE

    def test_margin_is_that_of_the_eval(self) -> None:
        (c,) = report(
            *matrix(), analyses=replace(ASKED, questions={"ticket_triage": ComparisonQuestion("move", 0.001)})
        ).analysis.comparisons
        assert c.verdict is Verdict.INCONCLUSIVE

    def test_no_verdict_without_the_references_own_cell(self) -> None:
        analysis = report(*matrix()[1:]).analysis
        assert analysis.comparisons == ()
        assert analysis.portability is not None
        assert analysis.portability.cost is None

    def test_last_run_of_a_cell_counts(self) -> None:
        runs = [*matrix(), run("local@q4", "w" * 300, run_id="newer")]
        assert report(*runs).analysis.comparisons[0].head.run_id == "newer"

    def test_first_decoding_of_the_eval_is_production(self) -> None:
        tight = [run(cell, "R" * 300, decoding="constrained", run_id=cell) for cell in ("gpt@gpt-4o", "local@q4")]
        analyses = replace(ASKED, decodings={"ticket_triage": "constrained"})
        (c,) = report(*matrix(), *tight, analyses=analyses).analysis.comparisons
        assert (c.base.cell, c.head.cell) == ("gpt@gpt-4o+constrained", "local@q4+constrained")

    def test_unknown_backend_uses_its_only_variant(self) -> None:
        analyses = Analyses(pair=("gpt-4o", "q4"))
        assert report(run("gpt@gpt-4o", "RR"), run("local@q4", "RR"), analyses=analyses).analysis.comparisons
        assert not report(*matrix(), analyses=analyses).analysis.comparisons

    def test_single_prompt_has_no_portability(self) -> None:
        analyses = replace(ASKED, own={**OWN, "q4": "gpt"})
        assert report(*matrix(), analyses=analyses).analysis.portability is None

    def test_analyses_come_from_the_project_files(self, project: Project) -> None:
        other = CONFIG.replace("[backends.fake]", "[backends.big]").replace('"local"', '"gpt"')
        project.config(
            f'{CONFIG}{other}[pair]\nreference = "big"\ncandidate = "fake"\n[ladders.l]\nsteps = ["big", "fake"]\n'
        )
        project.eval('decoding = ["constrained", "free"]\n[gates]\nmargin = 0.07\n')
        analysis = analyses_of(project.load(), ["triage", "an import", "triage"])
        assert analysis == Analyses(
            pair=("big", "fake"),
            own={"fake": "local", "big": "gpt"},
            questions={"triage": ComparisonQuestion("move", 0.07)},
            decodings={"triage": "constrained"},
            ladders={"l": ("big", "fake")},
            prices={"big": None, "fake": None},
        )


class TestSections:
    def test_sections_are_left_out_without_comparisons(self) -> None:
        alone = report(run("local@q4", "RR"))
        assert [section.context(alone) for section in (verdicts, portability, ladder)] == [None] * 3

    def test_verdict_has_interval_gaps_flips_and_replies(self) -> None:
        runs = [run("gpt@gpt-4o", "R" * 300), run("local@q4", "w" * 30 + "p" * 10 + "R" * 260, 0.2)]
        block = context(verdicts.context(report(*runs)))["blocks"][0]
        assert block["tone"] == "bad"
        assert [name for name, *_ in block["rates"]] == ["strict", "lenient", "compliance"]
        assert [(name, round(p.delta, 3)) for name, p, _ in block["parts"]] == [
            ("capability", -0.1),
            ("format", -0.033),
        ]
        assert [name for name, *_ in block["slices"]] == ["label billing", "tag hard"]
        assert [(flip["kind"], flip["count"]) for flip in block["flips"]] == [
            ("right → wrong", 40),
            ("compliant → not", 10),
        ]
        first = block["flips"][0]["rows"][0]
        assert (first["case"], first["base"], first["head"]) == ("t-0000", "reply R", "reply w")
        assert dict(block["facts"])["median latency"] == "500 ms → 200 ms, 0.40 times"

    def test_failed_calls_show_their_possible_effect(self) -> None:
        runs = [run("gpt@gpt-4o", "R" * 300), run("local@q4", "R" * 299 + "E")]
        block = context(verdicts.context(report(*runs)))["blocks"][0]
        assert dict(block["facts"])["errors"].startswith(
            "1 call failed. With their answers the difference would be between −0.3 and +0.0 points"
        )

    def test_runs_outside_the_report_show_no_replies(self) -> None:
        base, head = run("local@q4", "R" * 300), run("local@q4", "w" * 300, run_id="newer")
        made = compare(outcomes_of(base), outcomes_of(head), ComparisonQuestion("change"))
        block = context(verdicts.context(report(head, analyses=Analyses(comparisons=(made,)))))["blocks"][0]
        first = block["flips"][0]["rows"][0]
        assert (first["base"], first["head"]) == ("", "reply w")

    def test_long_reply_keeps_both_ends(self) -> None:
        long = fake_result(fake_case(0), f"first {'x' * 500} last", ("general", "general"))
        runs = [run("gpt@gpt-4o", "R"), small_run([long], "local", "q4")]
        block = context(verdicts.context(report(*runs)))["blocks"][0]
        assert re.fullmatch("first x+ … x+ last", block["flips"][0]["rows"][0]["head"])

    def test_noise_is_shown_if_measured(self) -> None:
        again = run("gpt@gpt-4o", "R" * 295 + "w" * 5, run_id="again")
        block = context(verdicts.context(report(again, *matrix())))["blocks"][0]
        assert dict(block["facts"])["noise"].startswith("5 of 300 answers change between two identical runs")

    def test_portability_has_a_row_per_backend_and_interaction(self) -> None:
        shown = context(portability.context(whole().evals[0]))
        assert [(row["role"], round(row["paired"].delta, 2)) for row in shown["rows"]] == [
            ("candidate", 0.29),
            ("reference", 0.0),
        ]
        assert shown["interaction"].delta == pytest.approx(0.29)
        assert "effect on gpt-4o" in shown["interaction_text"]

    def test_ladder_has_a_row_per_step_and_a_chart(self) -> None:
        (shown,) = context(ladder.context(whole().evals[0]))["ladders"]
        assert [row["step"].label for row in shown["rows"]] == ["fp16", "q4"]  # the fakes are all Q8_0
        assert (shown["rows"][1]["speed"], shown["rows"][1]["size"]) == ("2.5x faster (2.5 to 2.5)", "–")
        assert shown["missing"] == ("q2",)
        assert re.findall(r">(fp16|q4)</text>", shown["chart"]) == ["fp16", "q4"]

    def test_step_with_only_failed_calls_is_not_in_the_chart(self) -> None:
        runs = [run("local@fp16", "RR"), run("local@q4", "EE")]
        (shown,) = context(ladder.context(report(*runs)))["ladders"]
        assert len(shown["rows"]) == 2
        assert shown["chart"] == ""


class TestDrawing:
    def test_scale_holds_interval_and_margin_around_zero(self) -> None:
        analysis = paired(10, 60, 300)
        drawn = scale([analysis], 0.03)
        assert drawn.at(0.0) == 50
        assert 0 < drawn.at(analysis.low) < drawn.at(analysis.delta) < drawn.at(analysis.high) < drawn.margin_at < 50
        assert "0" in [label for _, label in drawn.ticks]

    @pytest.mark.parametrize("half", [0.0021, 0.013, 0.031, 0.08, 0.2, 0.7, 1.0, 2.24])
    def test_ticks_are_few_round_and_on_the_scale(self, half: float) -> None:
        drawn = replace(scale([], 0.0), half=half)
        assert 3 <= len(drawn.ticks) <= 5
        assert all(0 < place < 100 for place, _ in drawn.ticks)
        assert all(len(label) <= 5 for _, label in drawn.ticks)

    def test_scale_exists_without_cases(self) -> None:
        assert scale([paired(0, 0, 0)], 0.0).at(0) == 50


class TestFormats:
    def test_page_begins_with_verdict_and_portability(self) -> None:
        text = render(whole())
        places = [text.index(what) for what in ("MOVE</strong>", "One prompt serves both", "production code accepts")]
        assert places == sorted(places)
        assert places[-1] < text.index('class="matrix"')
        assert "“Verdicts”, “Portability”" in text

    def test_every_link_leads_somewhere_and_ids_are_unique(self) -> None:
        lost = run("local@q4", "w" * 30 + "R" * 270)
        tags = Tags(render(build([*matrix()[:3], lost, matrix()[4]], analyses=ASKED))).found
        ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
        links = {str(attrs["href"])[1:] for tag, attrs in tags if tag == "a"}
        assert len(ids) == len(set(ids))
        assert {link.partition("?")[0] for link in links} <= {*ids, "main"}
        assert any(str(attrs.get("href", "")).endswith("?open=t-0000") for _, attrs in tags)

    def test_hostile_names_and_replies_open_no_element(self) -> None:
        def elements(*names: str) -> list[str]:
            cells = [("gpt", "gpt-4o"), ("local", "q4"), ("gpt", "q4"), ("local", "fp16")]
            runs = []
            for variant, backend in cells:
                results = [
                    fake_result(fake_case(i, name, name, (name,)), f"{name} {variant}", (variant, variant), (name,))
                    for i, name in enumerate(names)
                ]
                made = small_run(results, f"{names[0]}{variant}", f"{names[0]}{backend}", notes=(names[0],))
                runs.append(replace(made, manifest=replace(made.manifest, fingerprint={"model": names[0] + backend})))
            h = names[0]
            analyses = Analyses(
                pair=(f"{h}gpt-4o", f"{h}q4"),
                own={f"{h}gpt-4o": f"{h}gpt", f"{h}q4": f"{h}local", f"{h}fp16": f"{h}local"},
                ladders={h: (f"{h}fp16", f"{h}q4")},
            )
            text = render(build(runs, analyses=analyses))
            assert "<script>window" not in text
            assert {"Verdicts", "Portability", "Quantization ladder"} <= set(re.findall(r"<h3[^>]*>([^<]+)", text))
            return [tag for tag, _ in Tags(text).found if tag in {"script", "img", "a", "h1", "details"}]

        hostile = [text for text in HOSTILE if text]
        assert elements(*hostile) == elements(*(f"harmless {i}" for i in range(len(hostile))))

    def test_json_has_the_documented_keys(self, tmp_path: Path) -> None:
        (text_part,) = json.loads(written(tmp_path, ".json", whole()))["evals"]
        assert [c["verdict"] for c in text_part["comparisons"]] == ["MOVE"]
        assert text_part["portability"]["advice"] == "one prompt"
        assert text_part["portability"]["transfer"]["head"] == "local@q4"
        assert [step["backend"] for step in text_part["ladders"][0]["steps"]] == ["fp16", "q4"]
        documented = sys.modules["harness.report.portability_text"].__doc__ or ""
        keys = {*text_part["portability"], *text_part["portability"]["transfer"], *text_part["ladders"][0]}
        keys |= set(text_part["ladders"][0]["steps"][1])
        assert {key for key in keys if f'"{key}"' not in documented} == set()

    def test_json_of_nothing_measured_holds_no_nan(self, tmp_path: Path) -> None:
        runs = [run(cell, "E") for cell in ("gpt@gpt-4o", "local@gpt-4o", "gpt@q4", "local@q4", "local@fp16")]
        (text_part,) = json.loads(written(tmp_path, ".json", build(runs, analyses=ASKED)))["evals"]
        assert text_part["comparisons"][0]["verdict"] == "INCOMPARABLE"
        assert text_part["portability"]["advice"] == "cannot tell"
        assert text_part["portability"]["transfer"]["delta"] is None

    def test_markdown_and_the_terminal_have_every_sentence(self, tmp_path: Path) -> None:
        text = written(tmp_path, ".md", whole())
        text_part = " ".join(printed(whole()).split())
        assert "| **MOVE** |" in text
        assert "### Ladder mistral" in text
        for part in (
            "One prompt serves both: the local prompt gains 29.0 points",
            "fp16: the other steps",
            "2.5x faster",
        ):
            assert part in text_part
            assert part in text
        assert "MOVE ticket_triage -1.0 points (95% interval" in text_part


def context(analysis: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What a section shows; it must show something."""
    assert analysis is not None
    return analysis
