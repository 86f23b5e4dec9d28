"""The page at `/` with made-up rows, for tests in a browser. No test lives here."""

from stock_assets.serving import page

VERDICT = (
    "Over 3,244 sessions the model called the direction right 51.8% of the time (always saying the more frequent "
    "direction: 52.5%); that is no better than naive."
)


def row(ticker: str, name: str, **changes: object) -> page.Row:
    """A row with a forecast."""
    usual = page.Row(
        ticker=ticker,
        name=name,
        notes=(),
        report=f"/report/{ticker}",
        forecast="175.61",
        interval="166.52 to 184.71",
        level="90%",
        naive="175.34",
        chance="51.8%",
        verdict=VERDICT,
        as_of="2024-03-08",
        target="2024-03-11",
    )
    return page.Row(**vars(usual) | changes)


def troubled() -> bytes:
    """A row of each kind."""
    rows = [
        row("TSLA", "Tesla", beats_naive=True),
        row("BRK-B", "Berkshire Hathaway Inc., shares of class B", forecast="1,175.61"),
        row("STX", "Seagate Technology", look="bad", notes=("Stale: that of 2024-03-11 had to be there.", VERDICT)),
        row("^GSPC", "", target="2024-03-18", as_of="2024-03-07"),
        page.Row("NEW", "Not run yet", ("There is no forecast yet.",), look="bad"),
        page.Row("EURUSD=X", "", ("Not verified yet: load the page again.",), look="waiting"),
    ]
    return page.render(rows, url="http://127.0.0.1:8000", version="0.1.0", source="csv", with_token=True).html


def simulated() -> bytes:
    """Prices that are invented."""
    note = "Simulated prices, not real ones: the forecast says nothing about any company."
    rows = [row(ticker, "", simulated=True, notes=(note,)) for ticker in ("TSLA", "STX")]
    return page.render(rows, url="http://localhost", version="0.1.0", source="simulated", with_token=False).html
