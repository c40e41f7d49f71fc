"""The label page in headless Chromium: label with the keyboard, save, import."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ..report.browser import CHROMIUM, DRIVER, Browser
from ..report.test_browser import CONTRAST
from ..support.cli import Terminal
from ..support.project import LABELS, Project
from .logged import call, log
from .test_review import keep_baseline

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on this machine"),
]

HOSTILE = "</script><script>hacked = 1</script><img src=x onerror='hacked = 1'>\u202e=1+1"
DESK = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    driven = Browser(tmp_path_factory.mktemp("profile"))
    yield driven
    driven.close()


SEEDS = count(1)


@pytest.fixture
def page(browser: Browser, harness: Terminal, project: Project) -> Path:
    """Open the page of 30 replies of two tasks; downloads go to the project's folder."""
    calls = [call(LABELS[i % 3], days_ago=1 + i / 100, inputs={"text": f"Ticket {i}"}) for i in range(27)]
    free = [call(HOSTILE, days_ago=2 + i / 100, task="zz_free", inputs={"text": HOSTILE}) for i in range(3)]
    log(project, [*calls, *free])
    # A new seed gives a new sheet: the browser stores labels by sheet name.
    assert harness("sample", "--until", "2026-11-25", "--seed", str(next(SEEDS)), "-o", "reviews/now").code == 0
    browser.cdp("Emulation.setDeviceMetricsOverride", **DESK)
    browser.cdp("Emulation.setEmulatedMedia", media="screen")
    browser.cdp("Page.setDownloadBehavior", behavior="allow", downloadPath=str(project.root))
    browser.log()
    browser.log("performance")
    path = project.root / "reviews/now.html"
    browser.open(path)
    return path


def press(browser: Browser, *keys: str) -> None:
    # Chromium drops key presses before the page is drawn.
    browser.run("return new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    for key in keys:
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        named = (
            {"key": key, "text": text, "windowsVirtualKeyCode": 13} if key == "Enter" else {"key": key, "text": text}
        )
        browser.cdp("Input.dispatchKeyEvent", type="keyDown", **named)
        browser.cdp("Input.dispatchKeyEvent", type="keyUp", key=key)


def text(browser: Browser, name: str) -> str:
    return str(browser.run(f"return document.querySelector('[data-{name}]').textContent"))


def shown(browser: Browser, name: str) -> bool:
    return bool(browser.run(f"return document.querySelector('[data-{name}]').checkVisibility()"))


def items(browser: Browser) -> list[dict[str, Any]]:
    return list(browser.run("return JSON.parse(document.getElementById('data').textContent).items"))


def saved(folder: Path, pattern: str) -> Path:
    """Return the file once the browser has written it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := list(folder.glob(pattern)):
            return found[0]
        time.sleep(0.05)
    raise AssertionError([p.name for p in folder.iterdir()])


def test_labels_from_the_keyboard_reach_the_verdict(
    browser: Browser, page: Path, harness: Terminal, project: Project
) -> None:
    keep_baseline(project, 290)
    browser.run(
        "const f = document.querySelector('[data-reviewer]'); f.focus(); f.value = 'Anna B'; f.dispatchEvent(new Event('input')); f.blur()"
    )
    drawn = items(browser)
    for i, item in enumerate(drawn):
        if item["task"] == "triage":
            right = LABELS.index(item["value"])
            press(browser, str(1 + ((right + 1) % 3 if i < 12 else right)))
        elif item is not drawn[-1]:
            press(browser, "1")
        else:
            press(browser, "2", "7", "Enter")
    assert text(browser, "status") == "All 30 labelled, not saved yet."
    assert shown(browser, "done")
    press(browser, "s")
    file = saved(project.root, "*.Anna-B.json")
    assert text(browser, "status") == f"30 of 30 labelled, saved as {file.name}"
    content = json.loads(file.read_text())
    assert content["labels"][-1]["correct"] == "7"
    ended = harness("review", "import", str(file))
    assert ended.code == 1, ended.err
    assert "labelled by Anna B" in ended.out
    assert "triage local@fake  REGRESSED" in ended.out
    assert "strict accuracy 55.6%" in ended.out


def test_the_csv_saved_by_the_page_can_be_imported(
    browser: Browser, page: Path, harness: Terminal, project: Project
) -> None:
    press(browser, "1", "x")
    browser.run("document.querySelector('[data-save=csv]').click()")
    file = saved(project.root, "2026-w47-*.csv")
    ended = harness("review", "import", str(file), "--reviewer", "ben")
    assert ended.code == 0, ended.err
    assert "1 unclear; 25 not labelled" in " ".join(ended.out.split())


def test_the_reply_is_hidden_until_labelled_or_revealed(browser: Browser, page: Path) -> None:
    assert shown(browser, "veil")
    assert not shown(browser, "reply")
    press(browser, "r")
    assert shown(browser, "reply")
    press(browser, "j")
    assert not shown(browser, "reply")
    press(browser, "2", "k")
    assert shown(browser, "reply")


def test_keys_move_undo_and_find_unlabelled_items(browser: Browser, page: Path) -> None:
    press(browser, "1", "j", "1")
    assert text(browser, "place") == "4 of 30"
    press(browser, "k", "k")
    assert text(browser, "place") == "2 of 30"
    press(browser, "ArrowRight", "o")
    assert text(browser, "place") == "4 of 30"
    press(browser, "u")
    assert (text(browser, "place"), text(browser, "status")) == ("3 of 30", "1 of 30 labelled")
    press(browser, "u", "u")
    assert (text(browser, "place"), text(browser, "status")) == ("1 of 30", "0 of 30 labelled")


def test_labels_survive_reopening_the_page(browser: Browser, page: Path) -> None:
    press(browser, "1", "2", "n", "h", "m", "Escape")
    browser.open(page)
    assert (text(browser, "place"), text(browser, "status")) == ("3 of 30", "2 of 30 labelled")
    assert browser.run("return document.querySelector('[data-note]').value") == "hm"
    key = browser.run("return Object.keys(localStorage).find((k) => k.startsWith('harness-review:2026-w47-'))")
    assert key
    browser.run("window.confirm = () => true; document.querySelector('[data-clear]').click()")
    assert text(browser, "status") == "0 of 30 labelled"


def test_replies_cannot_run_scripts_and_nothing_is_sent(browser: Browser, page: Path) -> None:
    for _ in range(29):
        press(browser, "j")
    assert text(browser, "reply") == HOSTILE.replace("\u202e", "‹U+202E›")
    browser.run("const s = document.createElement('script'); s.textContent = 'hacked = 1'; document.body.append(s)")
    assert browser.run("return window.hacked ?? null") is None
    assert "Content Security Policy" in str(browser.log())
    messages = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith(("file:", "data:", "blob:"))} == set()


def test_the_page_is_readable_in_light_dark_and_on_a_phone(browser: Browser, page: Path) -> None:
    press(browser, "1", "k")
    for scheme in ("light", "dark"):
        browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        assert browser.run(CONTRAST) == [], scheme
    browser.cdp("Emulation.setDeviceMetricsOverride", **PHONE)
    assert browser.run("return document.documentElement.scrollWidth") == 390
    press(browser, *["j"] * 29)
    assert browser.run("return document.documentElement.scrollWidth") == 390


def test_the_page_is_accessible_to_screen_readers(browser: Browser, page: Path) -> None:
    assert browser.run("return document.querySelector('[data-status]').getAttribute('role')") == "status"
    press(browser, "2", "k")
    pressed = (
        "return [...document.querySelectorAll('[data-choices] button')].map((b) => b.getAttribute('aria-pressed'))"
    )
    assert browser.run(pressed) == ["false", "true", "false", "false"]
    unnamed = """return [...document.querySelectorAll('button, input, textarea')]
        .filter((e) => !e.closest('[aria-hidden]') && !(e.textContent.trim() || e.labels?.length)).length"""
    assert browser.run(unnamed) == 0
