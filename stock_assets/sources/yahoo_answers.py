"""What an answer of Yahoo's price service is: a chart, nothing, or something else.

Judged before a number of it is used: what yfinance would read without complaint and get wrong is found here. Asking
does not live here (see yahoo, yahoo_session), nor does judging prices (see core.cleaning, core.validation).
"""

import datetime as dt
import email.utils
import json
import math
from typing import Any

from stock_assets.core import errors

MAX_PAYLOAD = 5 * 2**20
"""Bytes of an unreadable answer that are kept: twice the longest genuine chart (2 MB), and no more memory than that."""

# Codes with which Yahoo says that it has nothing, rather than that it can't answer.
_NOTHING_THERE = frozenset({"Not Found", "Bad Request", "Unprocessable Entity"})
_SHOWN_CHARACTERS = 200
_LAST_MOMENT = 4_102_444_800  # 2100-01-01: seconds, not milliseconds


def chart(content: bytes) -> dict[str, Any] | None:
    """The `chart` object of an answer, None when the answer is of another kind."""
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        return None
    found = payload.get("chart") if isinstance(payload, dict) else None
    return found if isinstance(found, dict) else None


def retry_after(header: str | None, now: dt.datetime) -> float | None:
    """Seconds, at least 0, that a header `Retry-After` asks for; None when there is none, or none that can be read.

    Both forms of RFC 9110: a whole number of seconds, and a date, which is compared with `now` (aware).
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000": an unknown zone, and RFC 9110 knows no other than GMT
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - now).total_seconds())


def result(status: int, content: bytes, *, ticker: str, where: str) -> dict[str, Any]:
    """The one entry of `chart.result`, when the answer is a chart of `ticker` in every point that is relied on.

    `where` names ticker and session for messages. In the order in which one would look, raises `NoPricesError` when
    Yahoo says that there is nothing, `SourceUnavailableError` when it says that it can't answer, or what came is not
    its answer at all, `MalformedPricesError` when what came has not the form of a chart.
    """
    answer = chart(content)
    reason = answer.get("error") if answer else None
    if isinstance(reason, dict) and reason.get("code") in _NOTHING_THERE and status in {200, 400, 404, 422}:
        raise errors.NoPricesError(f"{where}: Yahoo has no prices: {reason.get('description') or reason['code']}")
    if status != 200 or answer is None or reason:
        body = content.decode("utf-8", "replace")
        shown = repr(body[:_SHOWN_CHARACTERS]) + (" ..." if len(body) > _SHOWN_CHARACTERS else "")
        raise errors.SourceUnavailableError(
            f"{where}: Yahoo answered HTTP {status}, {len(body)} characters: {shown}; "
            "expected HTTP 200 with a chart in JSON"
        )
    if not answer.get("result"):
        raise errors.NoPricesError(f"{where}: Yahoo has no prices: its answer is empty")
    try:
        if len(answer["result"]) == 1:
            [found] = answer["result"]
            if "timestamp" not in found and not found["indicators"]["quote"][0]:
                raise errors.NoPricesError(f"{where}: Yahoo knows the ticker, but has no bars")
            complaint = _about_meta(found["meta"], ticker) or _about_bars(found) or _about_events(found)
            if complaint is None:
                return found
        else:
            complaint = f"{len(answer['result'])} results; expected one"
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        complaint = f"{type(error).__name__} {error}"
    raise malformed(f"{where}: Yahoo's answer is not a chart: {complaint}", content)


def malformed(message: str, content: bytes) -> errors.MalformedPricesError:
    """The error with the answer in it, as it came, up to `MAX_PAYLOAD` bytes."""
    return errors.MalformedPricesError(message, payload=content[:MAX_PAYLOAD])


def last_trade(result: dict[str, Any]) -> dt.datetime | None:
    """Moment of the last regular trade that Yahoo knew of, in UTC; None when it does not say."""
    seconds = result["meta"].get("regularMarketTime")
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


# What differs from the form in which yfinance reads an answer without inventing anything. Left to itself it takes the
# close for a missing adjusted close, 0 for a missing volume, drops a split without a ratio and one of two bars of a
# session, and asks neither whose bars they are, nor how long each of them is, nor in what currency dividends are.


def _about_meta(meta: dict[str, Any], ticker: str) -> str | None:
    for name, expected in (("symbol", ticker), ("dataGranularity", "1d")):
        if meta.get(name) not in {None, expected}:
            return f"{name} {meta[name]!r}; expected {expected!r}"
    moment = meta.get("regularMarketTime")
    if moment is not None and not _is_moment(moment):
        return f"regularMarketTime {moment!r}; expected seconds since 1970"
    return None


def _about_bars(result: dict[str, Any]) -> str | None:
    quote = result["indicators"]["quote"][0]
    if "timestamp" not in result:
        return "no timestamp beside the quotes"
    moments = result["timestamp"]
    for moment in moments:
        if not _is_moment(moment):
            return f"timestamp {moment!r}; expected seconds since 1970"
    columns = {name: quote.get(name) for name in ("open", "high", "low", "close", "volume")}
    columns["adjclose"] = (result["indicators"].get("adjclose") or [{}])[0].get("adjclose")
    for name, values in columns.items():
        if values is None:
            return f"no {name}"
        if len(values) != len(moments):
            return f"{len(values)} values of {name}; expected {len(moments)}, as many as timestamps"
        for value in values:
            if value is None or _is_number(value):
                continue
            # The adjusted close is evidence, not a price: Yahoo's Infinity there is no reason to refuse the rest.
            if name == "adjclose" and isinstance(value, float):
                continue
            return f"{name} {value!r}; expected a number or null"
    # Floats hold whole numbers exactly up to here; the largest volume ever is below 10**11 shares.
    for volume in columns["volume"]:
        if volume is not None and abs(volume) > 2**53:
            return f"volume {volume!r}; expected a number of shares"
    return _about_repetition(moments, list(zip(*columns.values(), strict=True)), result["meta"].get("gmtoffset"))


def _about_repetition(moments: list[int], bars: list[tuple[Any, ...]], offset: object) -> str | None:
    """A date may come twice with the same bar, and the last one with a live bar beside: nothing else.

    The last regular trade is a bar of its own on some exchanges, at the moment of that trade.
    """
    shift = offset if isinstance(offset, int) else 0
    seen: dict[int, tuple[Any, ...]] = {}
    in_order = sorted(range(len(moments)), key=lambda position: moments[position])
    for n, position in enumerate(in_order):
        date = (moments[position] + shift) // 86_400
        is_live = n == len(moments) - 1 and moments[position] > moments[in_order[n - 1]]
        if date in seen and seen[date] != bars[position] and not is_live:
            day = dt.datetime.fromtimestamp(moments[position], dt.UTC)
            return f"two different bars of {day:%Y-%m-%d}: {seen[date]} and {bars[position]}; expected one"
        seen[date] = bars[position]
    return None


def _about_events(result: dict[str, Any]) -> str | None:
    events = result.get("events") or {}
    for split in (events.get("splits") or {}).values():
        ratio = split.get("numerator"), split.get("denominator")
        if not all(_is_number(part) and part > 0 for part in ratio):
            return f"split {split!r}; expected two numbers above 0"
    currency = result["meta"].get("currency")
    for kind in ("dividends", "capitalGains"):
        for paid in (events.get(kind) or {}).values():
            if not _is_number(paid.get("amount")):
                return f"{kind} {paid!r}; expected an amount"
            if paid.get("currency") and paid["currency"] != currency:
                return f"{kind} {paid!r}; expected the prices' currency, {currency}"
    for kind in ("splits", "dividends", "capitalGains"):
        for event in (events.get(kind) or {}).values():
            if not _is_moment(event.get("date")):
                return f"{kind} {event!r}; expected a date in seconds since 1970"
    return None


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # A whole number of 400 digits is JSON as well, but no float.
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LAST_MOMENT
