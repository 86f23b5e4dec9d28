"""How long Yahoo asks to be left alone, and when the last trade was."""

import datetime as dt

import pytest

from stock_assets.sources import yahoo_answers

NOW = dt.datetime(2026, 11, 20, 22, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Fri, 20 Nov 2026 22:01:30 GMT", 90),
        ("Fri, 20 Nov 2026 22:01:30 -0000", 90),
        ("Friday, 20-Nov-26 22:01:30 GMT", 90),  # RFC 850, which RFC 9110 still wants read
        ("Fri, 20 Nov 2026 21:00:00 GMT", 0),  # an hour ago
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("١٢", None),  # digits, but not of HTTP
        ("Fri, 99 Nov 2026 22:01:30 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert yahoo_answers.retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{}", b'{"chart":null}', b'{"chart":[]}', b"\xff\xfe", b"[" * 99999]
)
def test_what_is_not_a_chart(content: bytes) -> None:
    assert yahoo_answers.chart(content) is None


def test_the_last_trade_is_a_moment_in_utc() -> None:
    # TSLA on 2025-02-21, as recorded: at the close exactly.
    assert yahoo_answers.last_trade({"meta": {"regularMarketTime": 1740171600}}) == dt.datetime(
        2025, 2, 21, 21, 0, tzinfo=dt.UTC
    )
    assert yahoo_answers.last_trade({"meta": {}}) is None
