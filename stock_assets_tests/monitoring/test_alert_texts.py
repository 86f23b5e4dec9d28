"""What alerts say: who, what, when, what came, what to do, and where to look."""

import datetime
import urllib.parse

import pytest

from stock_assets.monitoring import alert_texts
from stock_assets.monitoring.conditions import Condition, Event, Subject

FRIDAY = datetime.date(2026, 11, 20)
SEEN = datetime.datetime(2026, 11, 20, 22, 31, tzinfo=datetime.UTC)
UI = "https://dagster.example.com/stocks/"


def condition(kind: str = "check_failed", ticker: str = "TSLA", asset: str = "clean_prices", check: str = "", **other):
    if kind == "check_failed":
        check = check or "high_is_at_least_low"
    given = {
        "session": FRIDAY,
        "last_session": FRIDAY,
        "severity": "error",
        "observed": "1 row",
        "expected": "none",
        "told": "came 1 row",
        "run_id": "4f1d",
        "opened": SEEN,
    }
    return Condition(Subject(kind, ticker, asset, check), **(given | other))


def words(*conditions: Condition, event: Event = Event.OPENED) -> alert_texts.Words:
    return alert_texts.words(conditions, event, UI)


def test_a_check_that_failed():
    told = words(condition())
    assert told.title == "TSLA: check high_is_at_least_low on clean_prices failed, session 2026-11-20"
    assert told.text == (
        "Observed: 1 row\n"
        "Expected: none\n"
        "Since: session 2026-11-20, seen 2026-11-20 22:31 UTC\n"
        "\n"
        "There is no new report and no forecast until it passes; the session before stays as it is. "
        "'stock-assets inspect TSLA --as-of 2026-11-20' shows the rows. "
        "It is tried again by itself a few times; after that, materialise the partition once it is mended.\n"
        "\n"
        "https://dagster.example.com/stocks/assets/clean_prices?view=checks&checkDetail=high_is_at_least_low"
    )
    assert told.details["tickers"] == ["TSLA"]
    assert told.details["link"] == told.text.splitlines()[-1]


def test_what_a_check_asks_stands_in_where_it_did_not_say_what_it_expected():
    assert "Expected: High is not below low." in words(condition(expected=None)).text


def test_a_warning_is_called_one():
    told = words(condition(severity="warn"))
    assert told.title == "TSLA: check high_is_at_least_low on clean_prices warns, session 2026-11-20"
    assert "Only a warning" in told.text
    worse = words(condition(last_session=datetime.date(2026, 11, 23)), event=Event.WORSENED)
    assert worse.title == "TSLA: check high_is_at_least_low on clean_prices is now an error, session 2026-11-23"


def test_recovered():
    monday = datetime.date(2026, 11, 23)
    over = condition(recovered=datetime.datetime(2026, 11, 23, 22, 20, tzinfo=datetime.UTC), recovered_session=monday)
    told = words(over, event=Event.RECOVERED)
    assert told.title == "TSLA: check high_is_at_least_low on clean_prices passes again, session 2026-11-23"
    assert told.text.startswith(
        "Was: 1 row\nFrom session 2026-11-20, seen 2026-11-20 22:31 UTC, to session 2026-11-23, "
        "seen 2026-11-23 22:20 UTC\n\nNothing to do.\n"
    )


@pytest.mark.parametrize(
    ("tickers", "some"),
    [
        (["STX"], "STX"),
        (["STX", "TSLA"], "STX and TSLA"),
        (["KO", "STX", "TSLA"], "KO, STX and TSLA"),
        (["AAPL", "KO", "STX", "TSLA"], "AAPL, KO and 2 more"),
    ],
)
def test_some_are_named_and_the_others_counted(tickers, some):
    assert alert_texts.some(tickers) == some


def test_many_tickers_are_one_message_with_all_in_the_details():
    names = [f"T{n:02}" for n in range(50)]
    told = words(
        *(condition("run_failed", name, "raw_prices", observed=None, told=f"{name} 503") for name in names[::-1])
    )
    assert told.title == "T00, T01 and 48 more: raw_prices failed, session 2026-11-20"
    assert told.text.startswith(
        "T00: T00 503\nT01: T01 503\nT02: T02 503\nT03: T03 503\nT04: T04 503\n... and 45 more.\n"
    )
    assert told.details["tickers"] == names
    assert [one["told"] for one in told.details["conditions"]] == [f"{name} 503" for name in names]


@pytest.mark.parametrize(
    ("given", "event", "title", "path", "query"),
    [
        (
            condition("run_failed", asset="raw_prices"),
            Event.OPENED,
            "TSLA: raw_prices failed, session 2026-11-20",
            "/runs/4f1d",
            {},
        ),
        (
            condition("run_failed", asset="", check="daily_job", run_id=None),
            Event.OPENED,
            "TSLA: daily_job failed, session 2026-11-20",
            "/runs",
            {},
        ),
        (
            condition("run_failed", "", asset="", check="watchlist_page_job"),
            Event.RECOVERED,
            "All tickers: watchlist_page_job works again, session 2026-11-20",
            "/runs/4f1d",
            {},
        ),
        (
            condition("data_late", asset="report", run_id=None),
            Event.OPENED,
            "TSLA: no report of session 2026-11-20 yet",
            "/assets/report",
            {"view": "partitions", "partition": "2026-11-20|TSLA"},
        ),
        (
            condition("data_late", asset="report"),
            Event.RECOVERED,
            "TSLA: up to date again with session 2026-11-20",
            "/assets/report",
            {"view": "partitions", "partition": "2026-11-20|TSLA"},
        ),
        (
            condition("model_expired", asset="model", severity="warn"),
            Event.OPENED,
            "TSLA: the model is about to expire, session 2026-11-20",
            "/assets/model",
            {"view": "partitions", "partition": "2026-11-20|TSLA"},
        ),
        (
            condition("model_expired", asset="model"),
            Event.WORSENED,
            "TSLA: the model has expired, session 2026-11-20",
            "/assets/model",
            {"view": "partitions", "partition": "2026-11-20|TSLA"},
        ),
        (
            condition("model_expired", asset="model"),
            Event.RECOVERED,
            "TSLA: there is a valid model again, session 2026-11-20",
            "/assets/model",
            {"view": "partitions", "partition": "2026-11-20|TSLA"},
        ),
    ],
)
def test_each_kind_has_its_title_and_its_link(given, event, title, path, query):
    told = words(given, event=event)
    assert told.title == title
    link = urllib.parse.urlsplit(told.details["link"])
    assert (link.netloc, link.path) == ("dagster.example.com", f"/stocks{path}")
    assert dict(urllib.parse.parse_qsl(link.query)) == query


def test_long_words_are_cut():
    told = words(condition(observed="x" * 5000, told=""))
    assert len(told.text) < 1500
    assert told.details["conditions"][0]["observed"] == "x" * 5000
