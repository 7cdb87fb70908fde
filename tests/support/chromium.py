"""Debian's Chromium, driven by Playwright: what it complains of, and what axe-core finds wrong with a page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_TIMEOUT = 60_000
#: Where pictures of every page go, for people to look at.
SCREENSHOTS = os.environ.get("ETLD_SCREENSHOTS", "")


@contextmanager
def chromium() -> Iterator[Any]:
    """The program, headless; skips where it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@cache
def axe() -> str | None:
    """The text of axe-core, from a cache directory that npm fills; None where npm cannot."""
    if shutil.which("npm") is None:
        return None
    directory = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "etld" / "test-axe"
    file = directory / "node_modules" / "axe-core" / "axe.min.js"
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(directory), "axe-core@4"]
        if subprocess.run(command, capture_output=True, timeout=300, check=False).returncode:
            return None
    return file.read_text("utf-8")


class WatchedPage:
    """A tab; `wrong` is what it complained of, and what it asked others than `base` for."""

    def __init__(self, browser: Any, base: str, width: int = 1280, scheme: str = "light", **options: Any) -> None:
        self.base, self.width, self.scheme = base, width, scheme
        self.wrong: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        self.page.on("console", lambda told: self.wrong.append(told.text) if told.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda asked: None if asked.url.startswith(base) else self.wrong.append(asked.url))

    def open(self, path: str) -> None:
        self.page.goto(self.base + path, timeout=_TIMEOUT)
        self.page.wait_for_selector("h1", timeout=_TIMEOUT)

    def look(self, path: str, *, thoroughly: bool) -> None:
        """Open a page with all that is shut in it: is it too wide, and has axe-core something against it?"""
        self.open(path)
        self.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        over = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            self.wrong.append(f"{path} at {self.width}: {over} pixels too wide")
        if SCREENSHOTS:
            name = re.sub(r"[^\w-]+", "-", path.strip("/"))[:30] or "flow"
            file = f"{SCREENSHOTS}/{name}-{self.width}-{self.scheme}.png"
            self.page.screenshot(path=file, full_page=True)
        source = axe() if thoroughly else None
        if source is None:
            return
        self.page.evaluate(source)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        self.wrong += [
            f"{path} {self.scheme}: {one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
            for one in found["violations"]
        ]
