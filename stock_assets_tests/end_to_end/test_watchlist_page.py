"""The watchlist page as `stock-assets run` leaves it, and as a browser shows it with texts that would be more."""

import shutil
from pathlib import Path

from stock_assets_tests.end_to_end import browser as browsers
from stock_assets_tests.end_to_end.conftest import SESSION, Run
from stock_assets_tests.place import Place
from stock_assets_tests.reporting import test_watchlist_page as made_up

WIDTHS = (360, 1440)


def test_a_run_ends_with_the_page_of_all_tickers(csv_run: Run) -> None:
    lines = csv_run.done.out.splitlines()
    page = csv_run.place.data / "watchlist_page" / "ALL_TICKERS" / f"{SESSION}.html"
    assert lines[-2].startswith("Watchlist  2 tickers, ")
    assert lines[-1].split(maxsplit=1) == ["page", str(page.relative_to(csv_run.place.folder))]
    markup = page.read_text()
    for ticker in ("TSLA", "STX"):
        link = f"../../report/{ticker}/{SESSION}/report.html"
        assert f'href="{link}"' in markup
        assert (page.parent / link).resolve().is_file()


def test_failed_tickers_are_on_the_page_all_the_same(runs: dict[str, Run]) -> None:
    troubled_run = runs["troubled"]
    [told] = [line for line in troubled_run.done.out.splitlines() if line.startswith("Watchlist")]
    assert told.startswith("Watchlist  3 tickers, 2 need attention")
    markup = (troubled_run.place.data / "watchlist_page" / "ALL_TICKERS" / f"{SESSION}.html").read_text()
    assert markup.count("Halted at raw_prices") == 2
    assert troubled_run.done.code == 1


def test_a_page_that_fails_is_told_and_changes_nothing_else(csv_run: Run, tmp_path: Path) -> None:
    place = Place(tmp_path, csv_run.place.settings)
    shutil.copytree(csv_run.place.data, place.data)
    shutil.rmtree(place.data / "watchlist_page")
    (place.data / "watchlist_page").write_text("in the way")
    done = place.run("run", "--source", "csv", "--as-of", SESSION)
    assert done.code == 1
    [error] = done.errors
    assert f"ALL_TICKERS {SESSION}: " in error
    assert "watchlist_page" in error
    assert "Traceback" not in done.err
    for ticker in ("TSLA", "STX"):
        assert f"{ticker}  re-used: complete and whole already" in done.out
    assert "failed:" not in done.err


def test_hostile_texts_are_shown_as_texts(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(made_up.hostile_page())
    with browsers.opened("http://127.0.0.1") as browser:
        for width in WIDTHS:
            browser.page.set_viewport_size({"width": width, "height": 900})
            browser.page.goto(file.as_uri())
            assert browser.page.title() == f"Watchlist {made_up.SESSION}"
            assert browser.page.locator("script").count() == 0
            assert browser.page.evaluate("document.documentElement.scrollWidth") == width
        assert browser.page.get_by_text(made_up.HOSTILE).count() >= 4
        assert browser.errors == []
