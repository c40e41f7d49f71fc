"""The page under axe-core, in light, dark and on a phone. Needs npm and its registry: `make test-all` runs it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report import build, write

from .browser import CHROMIUM, DRIVER, Browser
from .test_browser import DESK, PHONE, ordinary
from .test_compared import ASKED, matrix

AXE = "axe-core@4.14.1"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on this machine"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    driven = Browser(tmp_path_factory.mktemp("profile"))
    yield driven
    driven.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from the npm registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, check=False)
    if packed.returncode:
        pytest.skip(f"npm cannot fetch {AXE}")
    with tarfile.open(folder / packed.stdout.strip().splitlines()[-1]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.mark.parametrize("name", ["ordinary", "compared"])
@pytest.mark.parametrize(("scheme", "screen"), [("light", DESK), ("dark", DESK), ("light", PHONE)])
def test_axe_finds_no_violation(
    browser: Browser, axe: str, tmp_path: Path, name: str, scheme: str, screen: dict[str, object]
) -> None:
    path = tmp_path / "page.html"
    write(build({"ordinary": ordinary, "compared": matrix}[name](), analyses=ASKED), path)
    browser.cdp("Emulation.setDeviceMetricsOverride", **screen)
    browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(path)
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    browser.run("document.querySelector('.cases .id').click()")
    found = browser.run(
        f"{axe}\nreturn axe.run().then((found) => found.violations.map("
        "(v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')}`))"
    )
    assert found == []
