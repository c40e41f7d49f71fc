"""A headless Chromium, driven over the W3C protocol by nothing but the standard library."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--disable-dev-shm-usage"),
)


class Browser:
    """One window. `run` executes JavaScript in it, `cdp` speaks DevTools, `log` is the console since the last call."""

    def __init__(self, profile: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._url = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert DRIVER
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={self._url.rpartition(':')[2]}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        options = {
            "binary": CHROMIUM,
            "args": [*_FLAGS, f"--user-data-dir={profile}"],
            "perfLoggingPrefs": {"enableNetwork": True},
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self._session = ""
        deadline = time.monotonic() + 20
        while not self._session:
            try:
                self._session = (
                    "/session/" + self._call("/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
                )
            except urllib.error.URLError:
                if time.monotonic() > deadline:
                    self._driver.kill()
                    raise
                time.sleep(0.05)

    def _call(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self._url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
            return json.load(reply)["value"]

    def open(self, page: Path) -> None:
        self._call(f"{self._session}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *args: Any) -> Any:
        return self._call(f"{self._session}/execute/sync", {"script": script, "args": args})

    def cdp(self, command: str, **params: Any) -> Any:
        return self._call(f"{self._session}/goog/cdp/execute", {"cmd": command, "params": params})

    def log(self, kind: str = "browser") -> list[dict[str, Any]]:
        return list(self._call(f"{self._session}/se/log", {"type": kind}))

    def close(self) -> None:
        request = urllib.request.Request(self._url + self._session, method="DELETE")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).close()
        self._driver.terminate()
        self._driver.wait(10)
