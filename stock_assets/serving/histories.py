"""A forecast from prices that somebody brings along: cleaned, checked and forecast by the graph's own code.

The model is a stored one. Reading a file of prices is for price_rows, which ticker's and how it is told for batch.
"""

import datetime
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stock_assets.core import sessions, tickers
from stock_assets.core.errors import BadPricesError, MissingArtefactError, NotWholeError
from stock_assets.serving import forecast
from stock_assets.serving.forecast import Forecast
from stock_assets.serving.forecasts import Forecasts
from stock_assets.storage import artefacts, tables

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.core.checks import Check

SOURCE = "upload"

# What documents raise that an earlier version of this program wrote.
_OF_ANOTHER_FORM = (KeyError, TypeError, ValueError)


class Answer(NamedTuple):
    """The forecast after the last bar that could be used; and the dates of those that could not, with the reason."""

    forecast: Forecast
    left_out: Mapping[datetime.date, str]


def forecast_of(bars: "pd.DataFrame", ticker: str, forecasts: Forecasts, *, now: datetime.datetime) -> Answer:
    """The forecast that the graph would have made of `bars`, with the model and evaluation that it would have taken.

    It is made after the close of the last bar that has all its prices; splits of later rows tell the basis. In the row
    the source is `SOURCE`; `data_checksum` and `forecast_checksum` are of what these bars gave, and of nothing stored.
    Checks of the graph that only warn are among the forecast's warnings.

    Args:
        bars: The columns of `core.schemas.RAW_PRICES`, in order of session, all in the basis of the last row; see
            `sources.base.raw_frame`.
        ticker: Whose prices they are.
        forecasts: Where models come from.
        now: This moment, aware: a session whose prices are not final yet is refused.

    Raises:
        InvalidTickerError: `ticker` is none. MissingArtefactError: nothing is stored of it.
        SchemaError, BadPricesError, InsufficientHistoryError: Bars that can't be used; the message names the session.
        NotASessionError, SessionNotClosedError: The last bar is of no session, or of one that is not over.
        ModelExpiredError: There is no model of the last ten sessions.
        NotWholeError: Model and evaluation can't be used. ArtefactError: They can't be read.
    """
    from stock_assets.core import adjusting, checks, cleaning, features, prediction, schemas

    ticker = tickers.check_ticker(ticker)
    last = _last_complete(bars, ticker)
    sessions.require_available(sessions.to_session(last), now)
    if not forecasts.known(ticker):
        raise MissingArtefactError(
            f"{ticker} {last}: no model of {ticker} is stored; expected a ticker of the watchlist"
        )
    raw = schemas.validate(adjusting.as_served_on(bars, last), schemas.RAW_PRICES, ticker=ticker, as_of=last)
    warnings = [f"{SOURCE}: these prices were brought along, and nobody but who brought them has looked at them"]
    where: Any = {"ticker": ticker, "as_of": last}
    warnings += _asked(checks.RAW, raw, tell=False, **where)
    clean = cleaning.clean_prices(raw, **where)
    warnings += _asked(checks.CLEAN, clean, **where)
    warnings += _asked(checks.CLEAN_BESIDE_RAW, clean, raw, **where)
    model, evaluation, model_checksum = forecasts.model_for(ticker, last)
    try:
        trained_on = str(model.card["source"])
        horizon = int(model.card["target"]["horizon_sessions"])
        table = features.build_features(clean, horizon=horizon, **where)
        warnings += _asked(checks.FEATURES, table, **where)
        made = prediction.predict(table, model, evaluation, source=trained_on, **where)
        verdict = str(evaluation["verdict"]["text"])
    except _OF_ANOTHER_FORM as error:
        raise NotWholeError(
            f"{ticker} {last}: no forecast can be made with the stored model and evaluation: {error!r}; "
            f"materialise model, backtest and evaluation of {ticker} again"
        ) from error
    if trained_on == forecast.SIMULATED:
        warnings.append(f"the model was trained on simulated prices: {forecast.SIMULATED_PRICES}")
    row = MappingProxyType({**forecast.plain_row(made, **where), "source": SOURCE})
    told = tables.encode(clean, asset="clean_prices", source=SOURCE, **where)
    return Answer(
        Forecast(
            row=row,
            horizon_sessions=horizon,
            verdict=verdict,
            model_checksum=model_checksum,
            data_checksum=artefacts.checksum_of(last, told),
            forecast_checksum=hashlib.sha256(_told(row)).hexdigest(),
            warnings=tuple(warnings),
        ),
        _left_out(bars, clean, last),
    )


def _last_complete(bars: "pd.DataFrame", ticker: str) -> datetime.date:
    from stock_assets.core.adjusting import PRICES

    # A price of 0 is what sources have where there is none; see cleaning.
    complete = (np.nan_to_num(bars[list(PRICES)].to_numpy("float64")) != 0).all(axis=1)
    if not complete.any():
        span = f"{len(bars)} bars" if len(bars) else "no bar"
        raise BadPricesError(f"{ticker}: {span} came, none with open, high, low and close; expected at least one")
    return bars.index[complete].max().date()


def _asked(
    asked: "tuple[Check, ...]", *tables: "pd.DataFrame", ticker: str, as_of: datetime.date, tell: bool = True
) -> list[str]:
    """What the checks that only warn found, if that is to be told. Raises `BadPricesError` for those that block."""
    from stock_assets.core import validation

    told = []
    for check, found in validation.ask(asked, *tables, ticker=ticker, as_of=as_of):
        if found.passed:
            continue
        text = f"{check.description} Came: {found.observed}; expected {found.expected}"
        if check.blocking:
            raise BadPricesError(f"{ticker} {as_of}: {text}")
        told.append(text)
    # Raw prices are only suspected of what cleaning then repairs, and tells, or halts on.
    return told if tell else []


def _left_out(bars: "pd.DataFrame", clean: "pd.DataFrame", last: datetime.date) -> dict[datetime.date, str]:
    kept = {one.date() for one in clean.index}
    dates = dict.fromkeys(one.date() for one in bars.index)
    return {date: _why(date, last) for date in dates if date not in kept}


def _why(date: datetime.date, last: datetime.date) -> str:
    if date > last:
        return f"a bar without all its prices, after the last complete one, of {last}"
    if not sessions.is_session(date):
        return f"{date}, a {date:%A}, is not a session of XNYS, and the bar says nothing new"
    return "a bar without all its prices"


def _told(row: Mapping[str, Any]) -> bytes:
    """A row as bytes, the same for the same row."""
    plain = {name: value.isoformat() if isinstance(value, datetime.date) else value for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
