"""The page as text. What it does in a browser is in test_browser.py."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.core.types import Run
from harness.report import build, sections
from harness.report.formats.html import embedded, render
from harness.report.sections.cases import context

from .fakes import fake_case, fake_error, fake_result, fake_run, small_run
from .test_formats import HOSTILE, hostile_run


class Tags(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page(*runs: Run) -> str:
    return render(build(runs))


def test_page_begins_with_headline_and_matrix() -> None:
    text = page(fake_run(60), fake_run(60, "local"))
    assert text.index("production code accepts") < text.index('class="matrix"') < text.index("How replies break")


NEW_SECTION = """
ORDER, TITLE = 99, "Parity"
TEMPLATE = "<p>{{ names | join(', ') }}</p>"

def context(report):
    return {"names": [cell.name for cell in report.cells]}
"""


def test_new_section_is_one_file_with_an_inline_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parity.py").write_text(NEW_SECTION)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    text = page(fake_run(30, "<b>"))
    assert "<p>&lt;b&gt;@smollm2</p>" in text
    assert re.findall(r"<h3[^>]*>([^<]+)", text)[-1] == "Parity"


def test_sections_without_content_are_left_out() -> None:
    titles = re.findall(r"<h3[^>]*>([^<]+)", page(fake_run(30)))
    assert titles[0] == "How replies break the contract"
    assert titles[-1] == "About these runs"
    assert len(titles) == 7
    bare = re.findall(r"<h3[^>]*>([^<]+)", page(small_run([fake_error(fake_case())])))
    assert bare == ["Every case", "About these runs"]


def test_a_run_with_errors_has_a_banner() -> None:
    assert "<strong>Error.</strong>" in page(fake_run(10, errors=1))
    assert "<strong>Error.</strong>" not in page(fake_run(10))


def test_several_evals_have_an_overview_and_unique_ids() -> None:
    text = page(fake_run(12), fake_run(12, "local"), fake_run(12, eval="spam"), fake_run(12, "local", eval="spam"))
    ids = [attrs["id"] for _, attrs in Tags(text).found if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {str(attrs["href"])[1:] for tag, attrs in Tags(text).found if tag == "a"}
    assert links <= {*ids, "main"}
    assert "<h1>2 evals: " in text


def test_nothing_is_fetched_and_no_attribute_runs_code() -> None:
    for tag, attrs in Tags(page(fake_run(30), hostile_run())).found:
        assert not [name for name in attrs if name.startswith("on")]
        assert "src" not in attrs
        if tag in {"a", "link", "use"}:
            href = attrs.get("href") or attrs.get("xlink:href") or ""
            assert href.startswith("#") or href == "data:,"
    assert "@import" not in page(fake_run(3))


def test_hostile_replies_open_no_element() -> None:
    def elements(run: Run) -> list[str]:
        return [tag for tag, _ in Tags(page(run)).found if tag in {"script", "img", "svg", "a", "h1"}]

    assert elements(hostile_run()) == elements(hostile_run(tuple(f"harmless {i}" for i in range(len(HOSTILE)))))


def test_hostile_names_are_escaped_as_well() -> None:
    name = '"><script>window.hacked=1</script>'
    case = fake_case(0, expected=name, text=name, tags=(name,))
    result = fake_result(case, name, (name, name), (name,))
    run = small_run([result] * 2, name, name, eval=name, labels=(name,), prompt=name, notes=(name,))
    assert "<script>window.hacked" not in page(run)
    assert page(run).count("</script>") == 2


def test_embedded_json_is_safe_in_a_script_element() -> None:
    assert not set("<>&\u2028\u2029") & set(embedded(list(HOSTILE)))


def test_hidden_characters_are_spelled_out_in_utf_8() -> None:
    text = page(hostile_run(("a\u202eb", "c\ud800d", "e\x00f")))
    assert "‹U+202E›" in text
    assert not re.search("[\u202e\ud800-\udfff\x00]", text)
    text.encode("utf-8")


def test_huge_reply_is_cut_and_its_length_shown() -> None:
    text = page(hostile_run(("x" * 10_000_000,)))
    assert len(text) < 200_000
    assert "10,000,000 characters in total" in text


def test_shown_length_of_replies_shrinks_with_their_number() -> None:
    def longest(n: int) -> int:
        results = [fake_result(fake_case(i), "x" * 9_000, (None, None)) for i in range(n)]
        found = context(build([small_run(results)]).evals[0])
        assert found
        return int(found["limit"])

    assert longest(2) > longest(4_000) >= 400


def test_many_labels_list_the_most_frequent_confusions() -> None:
    labels = tuple(f"intent_{i}" for i in range(30))
    results = [fake_result(fake_case(i, labels[i % 30]), "x", (labels[1], labels[1])) for i in range(60)]
    text = page(small_run(results, labels=labels))
    assert "the most frequent confusions of 30 labels" in text


def test_the_page_of_no_runs_says_so() -> None:
    assert "no runs" in page()
