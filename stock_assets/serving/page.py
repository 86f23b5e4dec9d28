"""The page at `/`, for people: every ticker's newest forecast, how to ask for it, and what each error means.

Looks as the reports do: their style sheet comes first. There is no script, and the policy allows this style sheet only.
"""

import base64
import datetime
import functools
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import jinja2

from stock_assets.core.errors import ArtefactError
from stock_assets.reporting import wording
from stock_assets.serving import answers, problems
from stock_assets.serving.forecast import Forecast
from stock_assets.serving.forecasts import Forecasts
from stock_assets.serving.listing import Listing

LOADING_SECONDS = 2.0
"""A forecast that nobody asked for before takes up to half a second to verify: a page shows what it gets in this time,
and those that are left when it is loaded again."""

_KINDS = {"yahoo": "Yahoo Finance", "csv": "CSV files", "simulated": "simulated"}


@dataclass(frozen=True)
class Row:
    """A ticker: texts as they stand on the page, None where there is no forecast, for which `notes` give the reason."""

    ticker: str
    name: str
    notes: tuple[str, ...]
    report: str | None = None
    forecast: str | None = None
    interval: str | None = None
    level: str | None = None
    naive: str | None = None
    chance: str | None = None
    verdict: str | None = None
    beats_naive: bool = False
    as_of: str | None = None
    target: str | None = None
    look: str = "fine"
    simulated: bool = False


@dataclass(frozen=True)
class Page:
    """The page as UTF-8, and the header that lets a browser show it and do nothing else."""

    html: bytes
    policy: str


def render(rows: list[Row], *, url: str, version: str, source: str, with_token: bool) -> Page:
    """The page. `url`: how the server is reached, for the examples of use."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # One head for all, where they agree; a row that differs says so.
    targets = {row.target for row in rows if row.target and row.look == "fine"}
    text = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            rows=rows,
            style=style,
            url=url,
            version=version,
            source=_KINDS.get(source, source),
            simulated=any(row.simulated for row in rows),
            target=targets.pop() if len(targets) == 1 else None,
            example=rows[0].ticker if rows else "TSLA",
            # Without a shell's or an address's own characters in the way.
            example_in_address=quote(rows[0].ticker if rows else "TSLA"),
            example_as_of=next((row.as_of for row in rows if row.as_of), "2024-03-08"),
            with_token=with_token,
            kinds=problems.KINDS,
        )
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    )
    return Page(text.encode(), policy)


def rows(
    listing: Listing,
    forecasts: Forecasts,
    *,
    now: datetime.datetime,
    deadline: datetime.timedelta,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Row]:
    """A row for each ticker that is followed or has a forecast, in the listing's order."""
    until = monotonic() + LOADING_SECONDS
    found = []
    for ticker in listing.tickers:
        name = listing.followed.get(ticker, "")
        if ticker not in listing.newest:
            found.append(Row(ticker, name, ("There is no forecast yet.",), look="bad"))
        elif monotonic() > until:
            found.append(Row(ticker, name, ("Not verified yet: load the page again.",), look="waiting"))
        else:
            found.append(_row(forecasts, ticker, name, now, deadline))
    return found


def _row(forecasts: Forecasts, ticker: str, name: str, now: datetime.datetime, deadline: datetime.timedelta) -> Row:
    try:
        forecast = forecasts.newest(ticker)
    except ArtefactError:
        told = "There is no whole snapshot at this moment; /health says why."
        return Row(ticker, name, (told,), look="bad")
    return _with_forecast(forecast, answers.standing(forecast, now, deadline), name)


def _with_forecast(forecast: Forecast, standing: answers.Standing, name: str) -> Row:
    row = forecast.row
    refused = answers.refusal(standing) is not None
    return Row(
        ticker=forecast.ticker,
        name=name,
        notes=tuple(f"{told[:1].upper()}{told[1:]}." for told in standing.warnings),
        report=f"/report/{quote(forecast.ticker)}",
        forecast=wording.price(row["predicted_close"]),
        interval=f"{wording.price(row['interval_low'])} to {wording.price(row['interval_high'])}",
        level=wording.short_percent(row["interval_level"]),
        naive=wording.price(row["naive_close"]),
        chance=wording.percent(row["probability_up"]),
        verdict=forecast.verdict,
        beats_naive=row["beats_naive"],
        as_of=forecast.as_of.isoformat(),
        target=forecast.target_session.isoformat(),
        look="bad" if refused else "fine",
        simulated=forecast.is_simulated,
    )


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("stock_assets.serving"), jinja2.PackageLoader("stock_assets.reporting")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # A running server shows one version of itself, whatever is installed meanwhile.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _style() -> str:
    sources = (_environment().get_template(name).render() for name in ("base.css", "page.css"))
    return "\n".join(sources)
