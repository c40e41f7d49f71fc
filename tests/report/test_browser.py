"""The page in a real, headless Chromium."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.core.types import Run
from harness.report import build, write

from .browser import CHROMIUM, DRIVER, Browser
from .fakes import fake_case, fake_result, fake_run, small_run
from .test_compared import ASKED, matrix
from .test_formats import HOSTILE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on this machine"),
]

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESK = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    driven = Browser(tmp_path_factory.mktemp("profile"))
    yield driven
    driven.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def show(browser: Browser, folder: Path, name: str, *runs: Run, **screen: Any) -> None:
    path = folder / f"{name}.html"
    if not path.exists():
        write(build(runs, analyses=ASKED), path)
    browser.cdp("Emulation.setDeviceMetricsOverride", **(screen or DESK))
    browser.cdp("Emulation.setEmulatedMedia", media="screen")
    browser.log()
    browser.log("performance")
    browser.open(path)


def ordinary() -> list[Run]:
    return [fake_run(120, skill=0.5, form=0.2), fake_run(120, "local", skill=0.6, form=0.7, errors=5)]


def hostile() -> list[Run]:
    results = [
        fake_result(fake_case(i, text=t or "-"), t, (None, t or None), ("no_answer",)) for i, t in enumerate(HOSTILE)
    ]
    return [small_run(results), small_run(results, "local")]


def status(browser: Browser) -> str:
    return str(browser.run("return document.querySelector('[data-status]').textContent"))


def rows_shown(browser: Browser) -> list[str]:
    return list(browser.run("return [...document.querySelectorAll('.cases .id')].map((b) => b.textContent)"))


def choose(browser: Browser, value: str) -> None:
    browser.run("document.querySelector(`input[value=${arguments[0]}]`).click()", value)


def set_value(browser: Browser, selector: str, value: str, event: str) -> None:
    script = "const [selector, value, event] = arguments; const e = document.querySelector(selector); e.value = value;"
    browser.run(f"{script} e.dispatchEvent(new Event(event, {{ bubbles: true }}))", selector, value, event)


def find(browser: Browser, words: str) -> None:
    set_value(browser, "[data-search]", words, "input")
    time.sleep(0.25)


def test_page_runs_no_foreign_script_and_fetches_nothing(browser: Browser, folder: Path) -> None:
    show(browser, folder, "hostile", *hostile())
    browser.run("document.querySelectorAll('.cases .id').forEach((button) => button.click())")
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    find(browser, "<script>")
    assert browser.run("return window.hacked ?? null") is None
    assert browser.log() == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    asked = {p["request"]["url"] for p in sent if p["documentURL"].startswith("file:")}  # Chromium's own page asks, too
    assert asked
    assert {url for url in asked if not url.startswith(("file:", "data:"))} == set()


def test_policy_forbids_other_scripts(browser: Browser, folder: Path) -> None:
    show(browser, folder, "hostile", *hostile())
    browser.run("const s = document.createElement('script'); s.textContent = 'hacked = 1'; document.body.append(s)")
    browser.run(
        "const e = document.createElement('p'); document.body.append(e); e.innerHTML = arguments[0]", HOSTILE[1]
    )
    assert browser.run("return window.hacked ?? null") is None
    assert "Content Security Policy" in str(browser.log())


def test_hostile_replies_are_shown_whole_as_text(browser: Browser, folder: Path) -> None:
    show(browser, folder, "hostile", *hostile())
    browser.run("document.querySelector('.cases .id').click()")
    shown = browser.run("return document.querySelector('.detail .examples .reply').textContent")
    assert shown == HOSTILE[0]


def test_filter_counts_match_shown_rows(browser: Browser, folder: Path) -> None:
    show(browser, folder, "ordinary", *ordinary())
    cases = build(ordinary()).evals[0].cases
    expected = {
        "all": len(cases),
        "wrong": sum(any(r and r.score and not r.score.strict for r in c.results) for c in cases),
        "noncompliant": sum(any(r and r.reading and not r.reading.compliant for r in c.results) for c in cases),
        "flipped": sum(c.flipped for c in cases),
        "error": 5,
    }
    for name, count in expected.items():
        choose(browser, name)
        assert re.findall(r"\d+", status(browser))[0] == str(count), name
        shown = browser.run(f"return document.querySelector('[data-count={name}]').textContent")
        assert shown == str(count), name


def test_filter_combines_with_cell_and_violation(browser: Browser, folder: Path) -> None:
    show(browser, folder, "ordinary", *ordinary())
    set_value(browser, "[data-cell]", "1", "change")
    set_value(browser, "[data-code]", "refusal", "change")
    count = dict(build(ordinary()).evals[0].cells[1].summary.violations)["refusal"]
    assert status(browser) == f"{count} of 120 cases match"


def test_search_covers_ids_inputs_and_replies(browser: Browser, folder: Path) -> None:
    show(browser, folder, "ordinary", *ordinary())
    find(browser, "T-0007")
    assert rows_shown(browser) == ["t-0007"]
    find(browser, "(ref 1011)")
    assert rows_shown(browser) == ["t-0011"]
    find(browser, "no such words anywhere")
    assert status(browser) == "No case matches."


def test_table_works_by_keyboard_and_is_announced(browser: Browser, folder: Path) -> None:
    show(browser, folder, "ordinary", *ordinary())
    assert browser.run("return document.querySelector('[data-status]').getAttribute('aria-live')") == "polite"
    browser.run("document.getElementById('e1-cases').open = true")
    browser.run("document.querySelector('[data-search]').focus()")
    seen = []
    for _ in range(8):
        for kind in ("rawKeyDown", "keyUp"):
            browser.cdp("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        seen.append(browser.run("return document.activeElement.className"))
        if seen[-1] == "id":
            break
    assert seen[-1] == "id", seen
    browser.cdp(
        "Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
    )
    browser.cdp("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)
    assert browser.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    assert browser.run("return document.querySelectorAll('tr.detail').length") == 1


@pytest.mark.parametrize("name", ["ordinary", "hostile", "several", "compared"])
def test_nothing_overflows_sideways_on_a_phone(browser: Browser, folder: Path, name: str) -> None:
    runs = {"ordinary": ordinary, "hostile": hostile, "several": several, "compared": matrix}[name]()
    show(browser, folder, name, *runs, **PHONE)
    browser.run("document.querySelectorAll('.cases .id').forEach((b, i) => { if (i < 5) b.click() })")
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert browser.run("return document.documentElement.scrollWidth") == 390


def several() -> list[Run]:
    long = "a_very_long_backend_name_that_somebody_really_used_in_harness_toml"
    return [fake_run(20, v, long, eval=e) for e in ("first_eval", "second_eval") for v in ("gpt", "local")]


def test_link_to_a_case_opens_it(browser: Browser, folder: Path) -> None:
    show(browser, folder, "compared", *matrix())
    browser.run("document.getElementById('e1-verdicts').open = true")
    browser.run("document.querySelectorAll('.verdict details').forEach((d) => { d.open = true })")
    browser.run("document.querySelector('.flips a[href$=\"open=t-0001\"]').click()")
    time.sleep(0.25)
    assert opened(browser) == "t-0001"
    assert browser.run("return document.getElementById('e1-cases').open")


def opened(browser: Browser) -> str | None:
    """The id of the open case."""
    found = browser.run("return document.querySelector('.id[aria-expanded=true]')?.textContent ?? null")
    return None if found is None else str(found)


def test_a_case_is_found_compared_and_linked_among_5000(browser: Browser, folder: Path) -> None:
    runs = [fake_run(5_000, v, b, skill=0.6, form=0.4) for v in ("gpt", "local") for b in ("a", "b")]
    show(browser, folder, "large", *runs)
    browser.run("document.querySelector('.card a').click()")
    assert browser.run("return location.hash") == "#e1"
    browser.run("document.getElementById('e1-cases').open = true")
    choose(browser, "lost")
    find(browser, "ref 41")
    wanted = rows_shown(browser)[3]
    browser.run("document.querySelectorAll('.cases .id')[3].click()")
    assert opened(browser) == wanted
    assert browser.run("return document.querySelectorAll('.detail del, .detail ins').length") > 0
    link = browser.run("return location.href")
    assert "show=lost" in link
    assert f"open={wanted}" in link
    key = "document.querySelector('.id[aria-expanded=true]').dispatchEvent(new KeyboardEvent('keydown', {{key: '{}', bubbles: true}}))"
    browser.run(key.format("j"))
    assert opened(browser) == rows_shown(browser)[4]
    browser.run(key.format("Escape"))
    assert opened(browser) is None
    browser.run("location.hash = ''")
    browser.run("location.href = arguments[0]", link)
    time.sleep(0.3)
    assert opened(browser) == wanted
    assert browser.run("return document.querySelector('input[value=lost]').checked")
    assert rows_shown(browser)[3] == wanted


def test_large_page_opens_and_searches_quickly(browser: Browser, folder: Path) -> None:
    runs = [fake_run(5_000, v, b, skill=0.6, form=0.4) for v in ("gpt", "local") for b in ("a", "b")]
    show(browser, folder, "large", *runs)
    opened_in = browser.run("return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    search = """
        const field = document.querySelector('[data-search]'), started = performance.now();
        field.value = 'ref 4999'; field.dispatchEvent(new Event('input', {bubbles: true}));
        return performance.now() - started;
    """
    typed_in = browser.run(search)
    print(f"opened in {opened_in:.0f} ms, a key takes {typed_in:.1f} ms")  # noqa: T201  the figure for the docs
    time.sleep(0.3)
    assert rows_shown(browser) == ["t-3999"]  # of 5,000 cases with four replies each


@pytest.mark.parametrize("name", ["ordinary", "compared"])
def test_text_has_enough_contrast_in_light_and_in_dark(browser: Browser, folder: Path, name: str) -> None:
    show(browser, folder, name, *{"ordinary": ordinary, "compared": matrix}[name]())
    for scheme in ("light", "dark"):
        browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        assert browser.run(CONTRAST) == [], scheme


CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const paint = (colours) => {
  canvas.clearRect(0, 0, 1, 1);
  for (const c of colours) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const poor = [];
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !node.checkVisibility() || node.closest("button:disabled, .skip, script, style, noscript")) continue;
  const behind = [];
  for (let e = node; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
  const style = getComputedStyle(node);
  const ink = node instanceof SVGElement ? style.fill : style.color;
  const [a, b] = [luminance(paint([...behind, ink])), luminance(paint(behind))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${node.tagName}.${node.className}: ${node.textContent.slice(0, 30)}`);
}
return poor;
"""


def test_print_has_wrong_cases_and_all_examples(browser: Browser, folder: Path) -> None:
    show(browser, folder, "ordinary", *ordinary())
    browser.cdp("Emulation.setEmulatedMedia", media="print")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert re.fullmatch(
        r"Printed: (\d+) of \1 cases that are not right in every cell \(120 cases in total\)\.", status(browser)
    )
    assert browser.run("return getComputedStyle(document.querySelector('.controls')).display") == "none"
    closed = "return document.querySelector('details:not([open]) .reply').getBoundingClientRect().height"
    assert browser.run(closed) > 0
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert status(browser) == "120 cases, 1–50 shown"


def test_page_without_javascript_lacks_only_the_case_table(browser: Browser, folder: Path) -> None:
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        show(browser, folder, "ordinary", *ordinary())
        nodes = browser.cdp("DOMSnapshot.captureSnapshot", computedStyles=[])
        text = " ".join(nodes["strings"])  # most sections are closed, and have no layout
    finally:
        browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
    assert "The table of cases needs JavaScript" in text
    assert "production code accepts" in text
    assert "What differs between the runs" in text


def test_table_of_5000_cases_renders_50_rows(browser: Browser, folder: Path) -> None:
    runs = [fake_run(5_000, v, b, skill=0.6, form=0.4) for v in ("gpt", "local") for b in ("a", "b")]
    show(browser, folder, "large", *runs)
    assert status(browser) == "5,000 cases, 1–50 shown"
    assert browser.run("return document.querySelectorAll('.cases tbody tr').length") == 50
    browser.run("document.querySelector('input[value=flipped]').click()")
    assert browser.run("return document.querySelectorAll('.cases tbody tr').length") == 50
    find(browser, "ref 5999")
    choose(browser, "all")
    assert rows_shown(browser) == ["t-4999"]
