"""Pages as a reader meets them: in a real browser, on a phone and a wide screen, in the dark, by keyboard, on paper.

A page is added to `PAGES`: its name, and a function that makes its markup. Everything here then holds for it too.
"""

import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pypdf
import pytest

from stock_assets.reporting import html, monitor_page
from stock_assets_tests.end_to_end import browser as browsers
from stock_assets_tests.reporting import conftest as made_up
from stock_assets_tests.reporting import monitors
from stock_assets_tests.reporting import test_watchlist_page as watchlist
from stock_assets_tests.serving import made_pages as forecasts

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (360, 768, 1440)
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
A_POINT = 1.0


def report(**changes: Any) -> bytes:
    """The report of a made-up ticker."""
    return html.render_report(made_up.make_inputs(**changes))["report.html"]


def hostile_report() -> bytes:
    """A report whose ticker, verdict, source of data and settings would all like to be more than text."""
    inputs = made_up.make_inputs(ticker=HOSTILE, n=200)
    inputs.evaluation["verdict"]["text"] = HOSTILE
    inputs.quality["repairs"] = [{"repair": HOSTILE, "sessions": 1, "latest": "2024-03-08"}]
    inputs.card["attempts"][0]["outcome"] = HOSTILE
    return html.render_report(inputs)["report.html"]


PAGES: dict[str, Callable[[], bytes]] = {
    "forecasts": forecasts.troubled,
    "forecasts of simulated prices": forecasts.simulated,
    "monitor": lambda: monitor_page.render(monitors.monitor()),
    "monitor when nothing is wrong": lambda: monitor_page.render(monitors.monitor(problems=(), alerts=())),
    "report": report,
    "report of simulated prices": lambda: report(source="simulated"),
    "report of a short history": lambda: report(n=140),
    "watchlist": watchlist.troubled_page,
    "watchlist of simulated prices": watchlist.simulated_page,
}
# On a phone their rows become cards, and nothing scrolls.
IN_CARDS = {"watchlist", "watchlist of simulated prices"}
HOSTILE_PAGES: dict[str, Callable[[], bytes]] = {"report": hostile_report}


@dataclasses.dataclass(frozen=True)
class Reader:
    """One browser for the module, and a folder of pages for it to open."""

    browser: browsers.Browser
    folder: Path

    def opens(
        self, name: str, make: Callable[[], bytes], *, width: int = 1440, scheme: str = "light"
    ) -> browsers.Browser:
        """The page in a window so wide, with what it asked for and the errors it met since."""
        file = self.folder / f"{name}.html"
        if not file.exists():
            file.write_bytes(make())
        page = self.browser.page
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto("about:blank")
        self.browser.requests.clear()
        self.browser.errors.clear()
        page.goto(file.as_uri())
        return self.browser


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with browsers.opened("http://127.0.0.1") as browser:
        yield Reader(browser, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="needs the Python package axe-playwright-python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(params=PAGES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_it_opens_without_an_error_and_asks_nobody_for_anything(reader: Reader, name: str) -> None:
    browser = reader.opens(name, PAGES[name])
    assert browser.errors == []
    assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data"}
    assert len([url for url in browser.requests if url.startswith("file:")]) == 1
    assert all(browser.page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)"))


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_sideways(reader: Reader, name: str, width: int) -> None:
    page = reader.opens(name, PAGES[name], width=width).page
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = (
        "element => !element.closest('.scroll, .skip') && element.getBoundingClientRect().right > innerWidth + 0.5"
    )
    assert page.evaluate(f"[...document.body.querySelectorAll('*')].filter({outside}).map(e => e.outerHTML)") == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1440, "light"), (1440, "dark")])
def test_axe_finds_nothing_serious(reader: Reader, name: str, width: int, scheme: str, axe: str) -> None:
    page = reader.opens(name, PAGES[name], width=width, scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    # Not as a script of the page: its own policy forbids those.
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    assert len(found["passes"]) > 15
    serious = [
        (finding["id"], node["html"], node["failureSummary"])
        for finding in found["violations"]
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]
    assert serious == []


def test_light_and_dark_differ(reader: Reader, name: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = (
        reader.opens(name, PAGES[name], scheme=scheme).page.evaluate(background) for scheme in ("light", "dark")
    )
    assert light != dark


SCROLLERS = """
    [...document.querySelectorAll('*')].filter(element =>
        element.scrollWidth > element.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(element).overflowX))
"""


def scrolled(page: "Page") -> bool:
    """Whether what has the focus leaves its left end at last. (Polling in the page is against its policy.)"""
    for _ in range(1000):
        if page.evaluate("document.activeElement.scrollLeft") > 0:
            return True
        page.wait_for_timeout(20)
    return False


def test_what_scrolls_sideways_is_reached_and_scrolled_by_keyboard(reader: Reader, name: str) -> None:
    page = reader.opens(name, PAGES[name], width=360).page
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    n = page.evaluate(f"{SCROLLERS}.map((element, place) => element.dataset.scroller = place).length")
    assert (n > 0) == (name not in IN_CARDS)
    reached = set()
    for _ in range(100):
        page.keyboard.press("Tab")
        place = page.evaluate("document.activeElement.dataset.scroller")
        if place is not None and place not in reached:
            page.keyboard.press("ArrowRight")
            assert scrolled(page)
            assert page.evaluate("document.activeElement.getAttribute('aria-labelledby')")
            reached.add(place)
        if len(reached) == n:
            break
    assert len(reached) == n


def test_the_first_key_offers_to_skip_what_stands_before_the_content(reader: Reader, name: str) -> None:
    page = reader.opens(name, PAGES[name]).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    box = page.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector(':target').closest('main') !== null")


def drawn(page: pypdf.PageObject) -> list[tuple[float, float, float, float]]:
    """Left, lower, right and upper edge in points of every picture on a page of paper."""
    found = []
    names = {name for name, image in page["/Resources"].get("/XObject", {}).items() if image["/Subtype"] == "/Image"}

    def look(operator: bytes, operands: list[Any], matrix: list[float], _: list[float]) -> None:
        if operator == b"Do" and operands[0] in names:
            across, _, _, up, x, y = matrix
            found.append((min(x, x + across), min(y, y + up), max(x, x + across), max(y, y + up)))

    page.extract_text(visitor_operand_before=look)
    return found


def test_no_figure_is_cut_on_paper(reader: Reader, name: str) -> None:
    page = reader.opens(name, PAGES[name], scheme="dark").page
    n_figures = page.evaluate("document.images.length")
    margins = dict.fromkeys(("top", "bottom", "left", "right"), "12mm")
    paper = pypdf.PdfReader(io.BytesIO(page.pdf(format="A4", margin=margins)))  # type: ignore[arg-type]
    figures = [(sheet, edges) for sheet in paper.pages for edges in drawn(sheet)]
    # One that is cut by the end of a page is drawn on both, beyond the edge of either.
    assert len(figures) == n_figures
    for sheet, (left, low, right, high) in figures:
        width, height = float(sheet.mediabox.width), float(sheet.mediabox.height)
        assert left >= -A_POINT
        assert low >= -A_POINT
        assert right <= width + A_POINT
        assert high <= height + A_POINT
        assert (right - left) > 0.2 * width
    told = "".join(sheet.extract_text() for sheet in paper.pages)
    assert "Not investment advice" in told


@pytest.mark.parametrize("hostile", HOSTILE_PAGES)
def test_hostile_text_is_shown_as_text(reader: Reader, hostile: str) -> None:
    browser = reader.opens(f"hostile {hostile}", HOSTILE_PAGES[hostile], width=360)
    assert browser.errors == []
    assert browser.page.title() != "taken"
    assert browser.page.locator("script, img[onerror]").count() == 0
    assert browser.page.locator("h1").inner_text() == HOSTILE
    assert browser.page.get_by_text(HOSTILE, exact=True).count() >= 2
    assert browser.page.evaluate("document.documentElement.scrollWidth") == 360
