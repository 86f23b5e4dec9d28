"""The watchlist of one session as one self-contained HTML page, a row a ticker: `render`. Pure, as the reports are.

What is known of each ticker comes in as `Followed`; reading the store and Dagster's event log is for defs. The page
asks nothing of anyone: there is no script, its lines are drawn in place, and its content policy forbids the rest.
"""

import dataclasses
import datetime
import functools
import json
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import pandas as pd

from stock_assets.core import errors, metrics, sessions
from stock_assets.reporting import templates, wording

SIMULATED = "simulated"
# What the last close is compared with a year ago, and every session since.
LINE_SESSIONS = metrics.SESSIONS_PER_YEAR + 1

# How a sparkline is drawn: as wide as it has sessions, so many units high, and this far from the edges.
_HEIGHT, _MARGIN = 64, 4
_NEEDED = {
    "price_metrics": {"ticker", "as_of", "source", "last_close", "last_return"},
    "predictions": {
        *("ticker", "as_of", "target_session", "predicted_close", "interval_level", "interval_low", "interval_high"),
        *("probability_up", "beats_naive"),
    },
}

# Characters of a note, and checks named in a row.
_LONGEST, _SHOWN = 420, 3


@dataclasses.dataclass(frozen=True)
class Complaint:
    """A check that did not pass: its name and what it told."""

    check: str
    told: str


@dataclasses.dataclass(frozen=True)
class Standing:
    """How the runs of one ticker and session went, by Dagster's event log.

    `run`: the state of the newest; `halted_at`: the asset at which it failed, where that is known, and `why`. The
    checks are the newest of each: `n_passed`, those that `warned`, and those that `failed` and hold up what follows.
    """

    run: Literal["none", "going on", "done", "failed"] = "none"
    halted_at: str | None = None
    why: str = ""
    n_passed: int = 0
    warned: tuple[Complaint, ...] = ()
    failed: tuple[Complaint, ...] = ()


@dataclasses.dataclass(frozen=True)
class Results:
    """The results behind one report: the document of price_metrics, the row of predictions with its sessions as
    "YYYY-MM-DD", and the closes up to the last of `clean_prices`, indexed by session."""

    metrics: dict[str, Any]
    prediction: dict[str, Any]
    closes: pd.Series


@dataclasses.dataclass(frozen=True)
class Followed:
    """One ticker of the watchlist: `reported` is the session of its newest report up to that of the page, with its
    `results`, or None for both; `unreadable` says why there are no results though there is a report."""

    ticker: str
    name: str
    standing: Standing
    reported: datetime.date | None = None
    results: Results | None = None
    unreadable: str = ""


@dataclasses.dataclass(frozen=True)
class Mark:
    """A state of affairs as a reader sees it: never by colour alone. `look` is a class of the style sheet."""

    sign: str
    text: str
    look: Literal["good", "plain", "bad", "quiet"]
    told: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number as a person reads it, which result it is, and its value as JSON."""

    text: str
    key: str
    value: str


@dataclasses.dataclass(frozen=True)
class Line:
    """A sparkline: its size and path in units of its own, where it ends, and the same in words."""

    width: int
    height: int
    path: str
    end: tuple[int, int]
    told: str


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the page. Without results the cells are None; `target` is the session of the forecast."""

    ticker: str
    name: str
    link: str | None
    fresh: Mark
    checks: Mark
    level: int
    notes: tuple[str, ...]
    simulated: bool = False
    line: Line | None = None
    last_close: Cell | None = None
    last_return: Cell | None = None
    direction: str = ""
    predicted_close: Cell | None = None
    interval: tuple[Cell, Cell, Cell] | None = None
    probability_up: Cell | None = None
    beats_naive: Cell | None = None
    target: str = ""


def render(session: datetime.date, followed: Sequence[Followed]) -> bytes:
    """The page as UTF-8; the same inputs give the same bytes.

    Rows that need attention come first, then those with warnings, each in the order given. Results that are not of
    their ticker and session, lack something, or hold a number that is not finite are told in their row, not shown.
    """
    rows = sorted(_rows(session, followed), key=lambda row: row.level)
    simulated = [row.ticker for row in rows if row.simulated]
    targets = {row.target for row in rows if row.fresh.look == "good"}
    page = templates.load("watchlist.html.jinja").render(
        session=session.isoformat(),
        rows=rows,
        summary=summary(session, followed),
        simulated=simulated,
        # One head for all, where they agree; a row that differs says so.
        target=targets.pop() if len(targets) == 1 else "",
        long_session=wording.long_session,
    )
    return page.encode()


def summary(session: datetime.date, followed: Sequence[Followed]) -> str:
    """The page in a line: "2 tickers, 1 needs attention"."""
    levels = [row.level for row in _rows(session, followed)]
    attention, warned = levels.count(0), levels.count(1)
    told = [
        _counted(len(levels), "ticker"),
        f"{wording.count(attention) if attention else 'none'} {'needs' if attention < 2 else 'need'} attention",
    ]
    if warned:
        told.append(f"{wording.count(warned)} with warnings")
    return ", ".join(told)


def documents(followed: Sequence[Followed]) -> dict[str, dict[str, Any]]:
    """The documents that the keys on the page refer to, by ticker: `metrics`, `prediction` and `checks`."""
    return {
        one.ticker: {"checks": {"passed": one.standing.n_passed}}
        | ({"metrics": one.results.metrics, "prediction": one.results.prediction} if one.results else {})
        for one in followed
    }


def _rows(session: datetime.date, followed: Sequence[Followed]) -> list[Row]:
    rows = []
    for one in followed:
        try:
            rows.append(_row(one, session))
        except errors.DataError as error:
            # One ticker's fault must not cost the others their page.
            rows.append(_row(dataclasses.replace(one, results=None, unreadable=str(error)), session))
    return rows


def _row(one: Followed, session: datetime.date) -> Row:
    fresh, checks = _freshness(one, session), _checks(one)
    bad, warned = "bad" in (fresh.look, checks.look), checks.look == "plain"
    row = Row(
        ticker=one.ticker,
        name=one.name,
        link=_link(one),
        fresh=fresh,
        checks=checks,
        level=0 if bad else 1 if warned else 2,
        notes=_notes(one, session),
    )
    return row if one.results is None else _with_results(row, one, one.results)


def _with_results(row: Row, one: Followed, results: Results) -> Row:
    _require_own(one, results)
    simulated = results.metrics["source"] == SIMULATED
    cell = functools.partial(_cell, one, results)
    moved = results.metrics["last_return"] or 0
    return dataclasses.replace(
        row,
        simulated=simulated,
        line=_line(results.closes, one.ticker, simulated=simulated) if _is_current(results) else None,
        last_close=cell("metrics.last_close", wording.price),
        last_return=cell("metrics.last_return", wording.fine_change),
        direction="▲" if moved > 0 else "▼" if moved < 0 else "",
        predicted_close=cell("prediction.predicted_close", wording.price),
        interval=(
            cell("prediction.interval_level", wording.short_percent),
            cell("prediction.interval_low", wording.price),
            cell("prediction.interval_high", wording.price),
        ),
        probability_up=cell("prediction.probability_up", wording.percent),
        beats_naive=cell(
            "prediction.beats_naive", lambda beats: "✓ Beats naive" if beats else "≈ No better than naive"
        ),
        target=results.prediction["target_session"],
    )


def _require_own(one: Followed, results: Results) -> None:
    expected = (one.ticker, str(one.reported))
    for name, document in (("price_metrics", results.metrics), ("predictions", results.prediction)):
        missing = _NEEDED[name] - document.keys()
        if missing:
            raise errors.SchemaError(
                f"{name} of {one.ticker} {one.reported} has no {', '.join(sorted(missing))}, which the page needs; "
                "it was made by another version: materialise it again"
            )
        came = (document["ticker"], document["as_of"])
        if came != expected:
            raise errors.DataError(f"{name} is of {' '.join(came)}; expected {' '.join(expected)}")


def _is_current(results: Results) -> bool:
    """Whether the closes are those that the report was made from: a later run may have halted after new ones."""
    return len(results.closes) > 0 and float(results.closes.iloc[-1]) == results.metrics["last_close"]


def _cell(one: Followed, results: Results, path: str, write: wording.Writer) -> Cell:
    document, name = path.split(".")
    value = {"metrics": results.metrics, "prediction": results.prediction}[document][name]
    return Cell(write(value), f"{one.ticker}.{path}", json.dumps(value))


def _freshness(one: Followed, session: datetime.date) -> Mark:
    if one.reported is None:
        return Mark("○", "No report yet", "bad")
    if one.reported == session:
        return Mark("●", "This session", "good")
    age = len(sessions.sessions_between(one.reported, session)) - 1
    return Mark("◐", f"{_counted(age, 'session')} old", "bad", f"of {one.reported}")


def _checks(one: Followed) -> Mark:
    """The worst of what is known."""
    standing = one.standing
    if one.unreadable:
        return Mark("✕", "Can't be read", "bad")
    if standing.run == "failed":
        return Mark("✕", f"Halted at {standing.halted_at}" if standing.halted_at else "The run failed", "bad")
    if standing.failed:
        return Mark("✕", f"{len(standing.failed)} failed: {_names(standing.failed)}", "bad")
    if standing.warned:
        return Mark("▲", f"{len(standing.warned)} warned: {_names(standing.warned)}", "plain")
    if standing.run == "going on":
        return Mark("…", "A run is going on", "quiet")
    if standing.n_passed:
        return Mark("✓", f"{_counted(standing.n_passed, 'check')} passed", "good")
    return Mark("–", "Not run for this session" if standing.run == "none" else "No checks", "quiet")


def _notes(one: Followed, session: datetime.date) -> tuple[str, ...]:
    """What stands below the row, in whole sentences: the reasons for its marks."""
    standing, has_todays = one.standing, one.reported == session
    found = [one.unreadable] if one.unreadable else []
    if standing.run == "failed":
        found.append(f"{standing.why}{'; the report is of an earlier run' if has_todays else ''}")
    elif standing.run == "done" and not has_todays:
        found.append("The last run for this session ended well, but made no report")
    if standing.run != "failed" or has_todays:
        complaints = [*standing.failed, *standing.warned][:_SHOWN]
        found += [f"{complaint.check}: {complaint.told}" for complaint in complaints]
    return tuple(map(_shortened, found))


def _names(complaints: Sequence[Complaint]) -> str:
    names = [complaint.check for complaint in complaints]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _link(one: Followed) -> str | None:
    """The report's address from the page, wherever the data folder lies or is copied to."""
    return None if one.reported is None else f"../../report/{quote(one.ticker)}/{one.reported}/report.html"


def _line(closes: pd.Series, ticker: str, *, simulated: bool) -> Line:
    values = closes.to_numpy()[-LINE_SESSIONS:]
    low, high = float(values.min()), float(values.max())
    room = _HEIGHT - 2 * _MARGIN
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    heights = np.rint(_HEIGHT - _MARGIN - room * share).astype(int).tolist()
    path = " ".join(f"{x} {y}" for x, y in enumerate(heights, start=_MARGIN))
    first, last, lowest, highest = (wording.price(float(value)) for value in (values[0], values[-1], low, high))
    return Line(
        width=len(values) - 1 + 2 * _MARGIN,
        height=_HEIGHT,
        path=f"M{path}",
        end=(len(values) - 1 + _MARGIN, heights[-1]),
        told=f"{'SIMULATED PRICES. ' if simulated else ''}Closes of {ticker}: from {first} to {last} over "
        f"{_counted(len(values), 'session')}, low {lowest}, high {highest}.",
    )


def _counted(n: int, noun: str) -> str:
    return f"{wording.count(n)} {noun}" if n == 1 else f"{wording.count(n)} {noun}s"
