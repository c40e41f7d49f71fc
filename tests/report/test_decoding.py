"""Free and constrained decoding side by side."""

from __future__ import annotations

from harness.report import build
from harness.report.formats.html import render
from harness.report.sections.decoding import context

from .fakes import fake_run

FREE = fake_run(30, "local", "q4", form=0.2)
CONSTRAINED = fake_run(30, "local", "q4", form=1.0, decoding="constrained", run_id="constrained")


def test_pair_of_same_variant_and_backend_is_shown() -> None:
    shown = context(build([FREE, CONSTRAINED]).evals[0])
    assert shown
    ((name, free, constrained),) = shown["pairs"]
    assert name == "local@q4"
    assert (free.manifest.decoding, constrained.manifest.decoding) == ("free", "constrained")
    assert constrained.summary.accuracy.compliance.value == 1


def test_unpaired_runs_have_no_section() -> None:
    other = fake_run(30, "gpt", "q4", decoding="constrained")
    assert context(build([FREE]).evals[0]) is None
    assert context(build([FREE, other]).evals[0]) is None


def test_last_run_of_a_cell_counts() -> None:
    newer = fake_run(30, "local", "q4", form=0.9, run_id="newer")
    shown = context(build([FREE, CONSTRAINED, newer]).evals[0])
    assert shown
    assert shown["pairs"][0][1].manifest.run_id == "newer"


def test_section_has_all_three_rates() -> None:
    text = render(build([FREE, CONSTRAINED]))
    section = text[text.index(">Free and constrained decoding</h3>") :]
    row = section[section.index("constrained</th>") :]
    assert "100.0%" in row[: row.index("</tr>")]
