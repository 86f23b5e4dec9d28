"""The page at `/` and a report in a real browser, as the server gives them: with the headers that forbid the rest.

How the page looks on a phone, in the dark, by keyboard and on paper is tried with all other pages, in end_to_end.
"""

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from stock_assets.reporting import html
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.end_to_end import browser as browsers
from stock_assets_tests.end_to_end.test_pages import WIDTHS, axe
from stock_assets_tests.reporting import conftest as made_up
from stock_assets_tests.serving import apps, stores

__all__ = ["axe"]


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An application on a port of this machine, with a report as the graph makes it."""
    folder = tmp_path_factory.mktemp("served")
    store = stores.small_store(folder / "data")
    report = html.render_report(made_up.make_inputs(ticker="TSLA"))
    store.write("report", "TSLA", stores.SESSION, {f"/{name}": content for name, content in report.items()})
    app = apps.make(ArtefactStore(folder / "data"), folder)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    apps.parts(app).recorder.close()


@pytest.fixture(scope="module")
def browser(url: str) -> Iterator[browsers.Browser]:
    with browsers.opened(url) as one:
        yield one


@pytest.fixture
def opened(browser: browsers.Browser) -> browsers.Browser:
    """The browser at the page, having asked for and complained about nothing else."""
    browser.page.goto("about:blank")
    browser.requests.clear()
    browser.errors.clear()
    browser.page.goto("/")
    return browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_nobody_stumbles(opened: browsers.Browser, url: str, axe: str, width: int, scheme: str) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    assert len(found["passes"]) > 15
    assert [finding["id"] for finding in found["violations"] if finding["impact"] in ("serious", "critical")] == []
    assert opened.errors == []
    assert opened.requests in ([f"{url}/"], [f"{url}/", "data:,"])


def test_its_style_sheet_is_at_work_under_the_policy(opened: browsers.Browser) -> None:
    opened.page.emulate_media(color_scheme="light")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 245, 247)"


def test_the_policy_lets_nothing_in_that_is_not_of_the_page(opened: browsers.Browser) -> None:
    opened.page.evaluate(
        """() => {
            for (const markup of ['script', 'style']) {
                const one = document.createElement(markup);
                one.textContent = markup === 'script' ? "document.title = 'taken'" : 'body { color: rgb(1, 2, 3); }';
                document.head.append(one);
            }
            const image = document.createElement('img');
            image.src = '/tickers';
            document.body.append(image);
        }"""
    )
    assert opened.page.title() == "Forecasts"
    assert opened.page.evaluate("getComputedStyle(document.body).color") != "rgb(1, 2, 3)"
    assert len([error for error in opened.errors if "Content Security Policy" in error]) == 3


def test_its_links_lead_to_the_report_and_the_forecast(opened: browsers.Browser) -> None:
    page = opened.page
    page.get_by_role("link", name="Forecast of TSLA as JSON").click()
    assert '"ticker": "TSLA"' in page.inner_text("body")
    page.goto("/")
    page.get_by_role("link", name="Report of TSLA").click()
    assert page.locator("h1").inner_text() == "TSLA"
    pictures = "[...document.images].map(image => image.complete && image.naturalWidth > 0)"
    loaded = page.evaluate(pictures)
    assert len(loaded) > 5
    assert all(loaded)
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    assert opened.errors == []


def test_the_type_of_a_problem_leads_to_its_explanation(opened: browsers.Browser) -> None:
    told = opened.page.request.get("/predict").json()
    opened.page.goto(told["type"])
    assert opened.page.locator("dt:target + dd strong").inner_text() == told["title"]
