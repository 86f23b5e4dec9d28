"""The page of the watchlist: every number is the one it was made from, problems come first, and it asks for nothing."""

import dataclasses
import datetime as dt
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import sessions
from stock_assets.reporting import watchlist_page
from stock_assets.reporting.watchlist_page import Complaint, Followed, Results, Standing
from stock_assets_tests.reporting.page import Element, Page

SESSION = dt.date(2024, 3, 8)  # a Friday
WELL = Standing(run="done", n_passed=39)
HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"


def closes(session: dt.date, n: int = 300, *, seed: int = 1) -> pd.Series:
    """A random walk of `n` sessions up to `session`."""
    index = sessions.sessions_between(sessions.previous_session(session, n - 1), session)
    steps = 0.018 * np.random.default_rng(seed).standard_normal(n)
    return pd.Series(80 * np.exp(np.cumsum(steps)), index=index)


def followed(
    ticker: str = "TSLA",
    *,
    name: str = "",
    reported: dt.date | None = SESSION,
    standing: Standing = WELL,
    source: str = "csv",
    **prediction: Any,
) -> Followed:
    """A ticker whose newest report is that of `reported`."""
    if reported is None:
        return Followed(ticker, name, standing)
    walk = closes(reported)
    last = float(walk.iloc[-1])
    whose = {"ticker": ticker, "as_of": reported.isoformat(), "source": source}
    forecast = {
        "target_session": sessions.next_session(reported).isoformat(),
        "probability_up": 0.5213,
        "predicted_close": last * 1.0006,
        "interval_low": last * 0.97,
        "interval_high": last * 1.03,
        "interval_level": 0.9,
        "beats_naive": False,
    }
    metrics = {**whose, "last_close": last, "last_return": float(walk.iloc[-1] / walk.iloc[-2] - 1)}
    return Followed(ticker, name, standing, reported, Results(metrics, {**whose, **forecast, **prediction}, walk))


def troubled_page() -> bytes:
    """One ticker of every kind, some with long texts."""
    long = "bars of which open, high, low or close is not positive: 2024-03-06, 2024-03-07, 2024-03-08; " * 4
    rows = [
        followed("TSLA", name="Tesla"),
        followed("STX", standing=dataclasses.replace(WELL, warned=(Complaint("no_bar_is_repaired", "came 2"),))),
        followed("KO", beats_naive=True, predicted_close=1234567.891, interval_low=1200000.0, interval_high=1300000.0),
        followed("0700.HK", name="Tencent Holdings Limited, listed in Hong Kong", reported=None, standing=Standing()),
        followed("XOM", reported=dt.date(2024, 3, 1), standing=Standing(run="going on")),
        followed("EURUSD=X", reported=dt.date(2024, 3, 5), standing=Standing("failed", "clean_prices", long)),
        dataclasses.replace(followed("^GSPC"), results=None, unreadable=long),
    ]
    return watchlist_page.render(SESSION, rows)


def simulated_page() -> bytes:
    return watchlist_page.render(SESSION, [followed("TSLA", source="simulated"), followed("STX", source="simulated")])


def hostile_page() -> bytes:
    """Every text that comes from outside would like to be more than text."""
    standing = Standing(run="failed", halted_at=HOSTILE, why=HOSTILE, warned=(Complaint(HOSTILE, HOSTILE),))
    one = dataclasses.replace(followed(HOSTILE, name=HOSTILE, standing=standing), unreadable=HOSTILE)
    return watchlist_page.render(SESSION, [one])


def page_of(*rows: Followed) -> Page:
    return Page(watchlist_page.render(SESSION, rows))


def body_of(page: Page, ticker: str) -> Element:
    [found] = [element for element in page.all("tbody") if element.attributes["data-ticker"] == ticker]
    return found


def text_of(page: Page, ticker: str) -> str:
    return " ".join(body_of(page, ticker).text.split())


def tickers(page: Page) -> list[str | None]:
    return [body.attributes["data-ticker"] for body in page.all("tbody")]


def test_every_number_is_the_one_in_its_document() -> None:
    rows = [followed("TSLA"), followed("0700.HK", reported=dt.date(2024, 3, 5), beats_naive=True)]
    page, documents = page_of(*rows), watchlist_page.documents(rows)
    assert len(page.numbers()) == 2 * 8
    for element in page.numbers():
        key, shown = element.attributes["data-key"], element.attributes["data-value"]
        assert key is not None
        assert shown is not None
        ticker, document, name = key.rsplit(".", 2)
        assert json.loads(shown) == documents[ticker][document][name]


def test_numbers_read_as_people_write_them() -> None:
    one = followed(predicted_close=1234.567, interval_low=1200.0, interval_high=1269.5)
    assert one.results is not None
    one.results.metrics.update(last_return=-0.01234)
    shown = {element.attributes["data-key"]: element.text for element in page_of(one).numbers()}
    assert shown["TSLA.prediction.predicted_close"] == "1,234.57"
    assert shown["TSLA.prediction.interval_level"] == "90%"
    assert shown["TSLA.prediction.probability_up"] == "52.1%"
    assert shown["TSLA.prediction.beats_naive"] == "≈ No better than naive"
    assert shown["TSLA.metrics.last_return"] == "−1.23%"
    assert "▼" in text_of(page_of(one), "TSLA")


def test_problems_first_then_warnings_then_as_listed() -> None:
    warned = dataclasses.replace(WELL, warned=(Complaint("no_bar_is_repaired", "came 2; expected 0"),))
    halted = Standing(run="failed", halted_at="clean_prices", why="3 bars are not positive")
    rows = [
        followed("KO"),
        followed("STX", standing=warned),
        followed("AAPL"),
        followed("TSLA", reported=dt.date(2024, 3, 5), standing=halted),
        followed("XOM", standing=warned),
        followed("JPM", reported=None, standing=Standing()),
    ]
    assert tickers(page_of(*rows)) == ["TSLA", "JPM", "STX", "XOM", "KO", "AAPL"]
    assert watchlist_page.summary(SESSION, rows) == "6 tickers, 2 need attention, 2 with warnings"
    assert watchlist_page.summary(SESSION, rows[:1]) == "1 ticker, none needs attention"
    assert watchlist_page.summary(SESSION, [rows[0], rows[5]]) == "2 tickers, 1 needs attention"


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (followed(), ["● This session", "✓ 39 checks passed"]),
        (followed(reported=dt.date(2024, 3, 7)), ["◐ 1 session old", "of 2024-03-07", "for 2024-03-08"]),
        # Friday 1 March to Friday 8 March: five sessions.
        (
            followed(reported=dt.date(2024, 3, 1), standing=Standing()),
            ["◐ 5 sessions old", "– Not run for this session"],
        ),
        (followed(reported=None, standing=Standing()), ["○ No report yet", "– Not run for this session"]),
        (followed(reported=None, standing=Standing(run="going on")), ["○ No report yet", "… A run is going on"]),
        (
            followed(reported=None, standing=Standing(run="failed", halted_at="clean_prices", why="3 bad bars")),
            ["✕ Halted at clean_prices", "3 bad bars"],
        ),
        (followed(reported=None, standing=Standing(run="failed", why="it was stopped")), ["✕ The run failed"]),
        (
            followed(standing=Standing(run="failed", halted_at="features", why="no memory")),
            ["● This session", "✕ Halted at features", "no memory; the report is of an earlier run"],
        ),
        (
            followed(standing=dataclasses.replace(WELL, warned=(Complaint("no_bar_is_repaired", "came 2"),))),
            ["▲ 1 warned: no_bar_is_repaired", "no_bar_is_repaired: came 2"],
        ),
        (
            followed(standing=dataclasses.replace(WELL, failed=(Complaint("prices_are_positive", "came 1"),))),
            ["✕ 1 failed: prices_are_positive", "prices_are_positive: came 1"],
        ),
        (
            followed(standing=dataclasses.replace(WELL, warned=tuple(Complaint(f"c{n}", "came 2") for n in range(5)))),
            ["▲ 5 warned: c0, c1, c2 and 2 more"],
        ),
        (
            followed(reported=dt.date(2024, 3, 7), standing=WELL),
            ["The last run for this session ended well, but made no report"],
        ),
    ],
)
def test_freshness_and_checks_are_told_in_words(one: Followed, told: list[str]) -> None:
    shown = text_of(page_of(one), "TSLA")
    for text in told:
        assert text in shown


def test_a_row_links_to_its_report_wherever_the_folder_lies() -> None:
    rows = [followed("^GSPC", reported=dt.date(2024, 3, 7)), followed("EURUSD=X"), followed("KO", reported=None)]
    links = [element.attributes["href"] for element in page_of(*rows).all("a")]
    assert links == [
        "#list",
        "../../report/%5EGSPC/2024-03-07/report.html",
        "../../report/EURUSD%3DX/2024-03-08/report.html",
    ]


def test_the_sparkline_is_the_last_year_of_closes_and_told_in_words() -> None:
    one = followed()
    assert one.results is not None
    walk = one.results.closes.iloc[-253:]
    page = page_of(one)
    [drawing] = page.all("svg")
    assert drawing.attributes["role"] == "img"
    assert drawing.attributes["aria-label"] == (
        f"Closes of TSLA: from {walk.iloc[0]:,.2f} to {walk.iloc[-1]:,.2f} over 253 sessions, low {walk.min():,.2f}, "
        f"high {walk.max():,.2f}."
    )
    path = page.all("path")[0].attributes["d"]
    assert path is not None
    heights = [int(height) for height in path.removeprefix("M").split()[1::2]]
    assert len(heights) == 253
    # Up on the screen is a smaller number.
    assert int(np.argmin(heights)) == int(walk.argmax())
    assert int(np.argmax(heights)) == int(walk.argmin())


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=300))
def test_a_sparkline_stays_within_its_frame(prices: list[float]) -> None:
    line = watchlist_page._line(pd.Series(prices), "TSLA", simulated=False)
    numbers = [int(number) for number in line.path.removeprefix("M").split()]
    assert all(0 <= x <= line.width for x in numbers[0::2])
    assert all(0 <= y <= line.height for y in numbers[1::2])
    assert len(numbers) == 2 * min(len(prices), 253)


def test_closes_that_the_report_was_not_made_from_are_not_drawn() -> None:
    """A later run stored new prices, and halted at them."""
    one = followed()
    assert one.results is not None
    one.results.closes.iloc[-1] *= 10
    assert page_of(one).all("svg") == []


@pytest.mark.parametrize(
    ("document", "changes", "told"),
    [
        ("prediction", {"predicted_close": float("nan")}, "a report can't show nan"),
        ("prediction", {"ticker": "STX"}, "predictions is of STX 2024-03-08; expected TSLA 2024-03-08"),
        ("metrics", {"as_of": "2024-03-11"}, "price_metrics is of TSLA 2024-03-11; expected TSLA 2024-03-08"),
    ],
)
def test_bad_results_of_a_ticker_are_told_in_its_row_and_cost_no_other_its_own(
    document: str, changes: dict[str, Any], told: str
) -> None:
    bad = followed("TSLA")
    getattr(bad.results, document).update(changes)
    page = page_of(followed("KO"), bad)
    assert tickers(page) == ["TSLA", "KO"]
    assert "✕ Can't be read" in text_of(page, "TSLA")
    assert told in text_of(page, "TSLA")
    assert [element for element in page.numbers() if str(element.attributes["data-key"]).startswith("TSLA")] == []
    assert "✓ 39 checks passed" in text_of(page, "KO")


def test_results_of_another_version_are_told_in_their_row() -> None:
    bad = followed("TSLA")
    assert bad.results is not None
    del bad.results.prediction["beats_naive"]
    assert "predictions of TSLA 2024-03-08 has no beats_naive" in text_of(page_of(bad), "TSLA")


def test_simulated_prices_are_told_in_capitals() -> None:
    page = page_of(followed("TSLA", source="simulated"), followed("KO"))
    [banner] = [element for element in page.all("p") if element.attributes.get("class") == "simulated"]
    assert banner.text == "SIMULATED PRICES - not real: TSLA"
    assert "SIMULATED" in text_of(page, "TSLA")
    assert "SIMULATED" not in text_of(page, "KO")
    assert "SIMULATED" in page.all("title")[0].text
    assert page.all("svg")[0].attributes["aria-label"].startswith("SIMULATED PRICES. Closes")
    assert "SIMULATED" not in watchlist_page.render(SESSION, [followed("KO")]).decode()


def test_hostile_texts_stay_texts() -> None:
    page = Page(hostile_page())
    assert page.all("script") == []
    assert body_of(page, HOSTILE).text.count(HOSTILE) >= 4


def test_it_asks_nobody_for_anything() -> None:
    page = page_of(followed("TSLA"), followed("KO", reported=None))
    addresses = [
        value for element in page.elements for name, value in element.attributes.items() if name in ("href", "src")
    ]
    assert all(str(address).startswith(("#", "../../report/", "data:,")) for address in addresses)
    [policy] = [e for e in page.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy.attributes["content"]).startswith("default-src 'none'")
    assert page.all("script") + page.all("iframe") + page.all("img") == []


def test_every_cell_of_a_card_names_its_column() -> None:
    """On a phone the heads are out of sight."""
    page = page_of(followed())
    heads = [element.text for element in page.all("th") if element.attributes.get("role") == "columnheader"]
    named = [element.attributes.get("data-head") for element in page.all("td")]
    assert named[1:] == ["Last close", "Move", "Forecast for 2024-03-11", *heads[5:]]


NEW_PROCESS = """
import sys
from stock_assets_tests.reporting import test_watchlist_page as made
sys.stdout.buffer.write(made.watchlist_page.render(made.SESSION, [made.followed("TSLA"), made.followed("KO")]))
"""


def test_the_same_inputs_give_the_same_bytes_in_a_new_process() -> None:
    here = watchlist_page.render(SESSION, [followed("TSLA"), followed("KO")])
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    there = subprocess.run([sys.executable, "-c", NEW_PROCESS], env=environment, capture_output=True, check=True)
    assert there.stdout == here
