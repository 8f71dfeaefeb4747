"""A real browser, headless, that tells of every request and every complaint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# software rendering: machines without a graphics card show surfaces too
FLAGS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")


def find_browser() -> str:
    """The path of an installed browser; skips, with what would help, if there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    # pip cannot install one; CI does, by apt-get
    if found is None:
        pytest.skip("NO BROWSER: the report was NOT looked at; apt-get install chromium")
    return found


class Visit:
    """A page, and what was asked for and complained of while it was open."""

    def __init__(self, page: object) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: object) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    @property
    def network(self) -> list[str]:
        """Requests that left this machine's disk."""
        inside = ("file://", "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(inside)]


@contextmanager
def visiting(path: Path, width: int, height: int = 900) -> Iterator[Visit]:
    """The page at `path`, opened from disk in a window of that width."""
    sync = pytest.importorskip(
        "playwright.sync_api", reason="NO PLAYWRIGHT: pip install playwright"
    )
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", *FLAGS]
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            visit = Visit(page)
            page.goto(path.resolve().as_uri(), wait_until="load")
            yield visit
        finally:
            browser.close()
