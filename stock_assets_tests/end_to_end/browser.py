"""The Chromium of the machine, driven by playwright, for tests of pages that this machine serves itself."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever a page asks for elsewhere is written down and then not found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_PATIENCE_MS = 120_000


@dataclass
class Browser:
    """One page, with the addresses it asked for and the errors it met."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def external_requests(self) -> list[str]:
        """What was asked of other machines than this one."""
        return [url for url in self.requests if urlsplit(url).hostname not in (None, "127.0.0.1")]

    def _console(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self.errors.append(message.text)


@contextmanager
def opened(base_url: str) -> Iterator[Browser]:
    """A page without history or cookies whose relative addresses begin with `base_url`. Skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        pytest.skip(f"needs a browser on the machine: one of {', '.join(_NAMES)}")
    playwright.expect.set_options(timeout=_PATIENCE_MS)
    with (
        playwright.sync_playwright() as driver,
        driver.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS)) as process,
        process.new_context(base_url=base_url, viewport={"width": 1600, "height": 1200}) as context,
    ):
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        browser = Browser(page)
        page.on("request", lambda request: browser.requests.append(request.url))
        page.on("websocket", lambda socket: browser.requests.append(socket.url))
        page.on("console", browser._console)
        page.on("pageerror", lambda error: browser.errors.append(str(error)))
        yield browser
