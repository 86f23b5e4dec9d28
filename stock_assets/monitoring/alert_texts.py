"""What alerts say: a title and a few lines for a person with a phone in hand, and the link to look closer. Pure.

The title says who, what and when; the lines say what came and what was expected, since when, and what to do.
"""

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from stock_assets.core import checks
from stock_assets.monitoring import records
from stock_assets.monitoring.conditions import Condition, Event, Kind, Severity
from stock_assets.monitoring.observations import ALL_TICKERS

_NAMED = 3
_EXAMPLES = 5
_MAX_WORDS = 500


class Words(NamedTuple):
    """An alert as it is told. `details`: tickers, the conditions one by one, and the link."""

    title: str
    text: str
    details: dict[str, Any]


def words(conditions: Sequence[Condition], event: Event, ui_url: str) -> Words:
    """The alert that tells `event` of `conditions`, at least one, all of a kind, asset, check and session."""
    conditions = sorted(conditions, key=lambda one: (one.subject.ticker, one.session))
    first = conditions[0]
    tickers = sorted({one.subject.ticker for one in conditions if one.subject.ticker not in ("", ALL_TICKERS)})
    session = session_of(first, event)
    link = _link(conditions, session, ui_url)
    title = f"{some(tickers) or 'All tickers'}: {_headline(first, event, session)}"
    lines = [*_found(conditions, event), "", _advice(conditions, event), "", link]
    return Words(title, "\n".join(lines), {"tickers": tickers, "conditions": [*map(_detail, conditions)], "link": link})


def session_of(condition: Condition, event: Event) -> datetime.date:
    """The session under which `event` is told."""
    if event is Event.RECOVERED:
        return condition.recovered_session or condition.last_session
    return condition.session if event is Event.OPENED else condition.last_session


def some(tickers: Sequence[str]) -> str:
    """`STX`, `STX and TSLA`, or `STX, TSLA and 48 more`."""
    if len(tickers) > _NAMED:
        return f"{', '.join(tickers[:2])} and {len(tickers) - 2} more"
    return " and ".join(filter(None, [", ".join(tickers[:-1]), *tickers[-1:]]))


def test_words(ui_url: str) -> Words:
    """The alert of `stock-assets alerts test`."""
    text = f"This is a test. If you can read it, alerts will reach you here. Nothing is wrong.\n\n{ui_url}"
    return Words("Test of the alerts of stock_assets", text, {"tickers": [], "conditions": [], "link": ui_url})


def _headline(condition: Condition, event: Event, session: datetime.date) -> str:
    kind, _, asset, check = condition.subject
    recovered, worse = event is Event.RECOVERED, event is Event.WORSENED
    warning = condition.severity == Severity.WARN
    if kind == Kind.CHECK_FAILED:
        verb = "passes again" if recovered else "is now an error" if worse else "warns" if warning else "failed"
        return f"check {check} on {asset} {verb}, session {session}"
    if kind == Kind.RUN_FAILED:
        what = asset or check
        return f"{what} {'works again' if recovered else 'failed'}, session {session}"
    if kind == Kind.DATA_LATE:
        return f"up to date again with session {session}" if recovered else f"no report of session {session} yet"
    if recovered:
        return f"there is a valid model again, session {session}"
    return f"the model {'is about to expire' if warning else 'has expired'}, session {session}"


def _found(conditions: Sequence[Condition], event: Event) -> list[str]:
    if len(conditions) > 1:
        lines = [f"{one.subject.ticker}: {_short(_came(one))}" for one in conditions[:_EXAMPLES]]
        more = len(conditions) - _EXAMPLES
        return [*lines, f"... and {more} more."] if more > 0 else lines
    [one] = conditions
    lines = []
    if one.observed:
        lines.append(f"{'Was' if event is Event.RECOVERED else 'Observed'}: {_short(one.observed)}")
    elif one.told:
        lines.append(f"{'Was' if event is Event.RECOVERED else 'What happened'}: {_short(one.told)}")
    expected = one.expected or _meaning(one)
    if expected and event is not Event.RECOVERED:
        lines.append(f"Expected: {_short(expected)}")
    return [*lines, _since(one, event)]


def _since(one: Condition, event: Event) -> str:
    first = f"session {one.session}, seen {one.opened:%Y-%m-%d %H:%M} UTC"
    if event is not Event.RECOVERED or one.recovered is None:
        return f"Since: {first}"
    return f"From {first}, to session {one.recovered_session}, seen {one.recovered:%Y-%m-%d %H:%M} UTC"


def _came(one: Condition) -> str:
    return one.observed or one.told or "no reason given"


def _meaning(one: Condition) -> str:
    """What the check of a condition asks, in words."""
    asked = (check for check in checks.ASKED.get(one.subject.asset, ()) if check.name == one.subject.check)
    return next((check.description for check in asked), "")


def _advice(conditions: Sequence[Condition], event: Event) -> str:
    """What to do about it."""
    first = conditions[0]
    if event is Event.RECOVERED:
        return "Nothing to do."
    ticker, session = first.subject.ticker, session_of(first, event)
    kind, _, asset, _ = first.subject
    if kind == Kind.CHECK_FAILED:
        look = f"stock-assets inspect {ticker} --as-of {session}" if asset in ("raw_prices", "clean_prices") else ""
        shows = f" '{look}' shows the rows." if look else ""
        if first.severity == Severity.WARN:
            return f"Only a warning: the report is made all the same. Look at it when you have time.{shows}"
        return (
            "There is no new report and no forecast until it passes; the session before stays as it is."
            f"{shows} It is tried again by itself a few times; after that, materialise the partition once it is mended."
        )
    if kind == Kind.RUN_FAILED:
        return (
            "The next tries of the evening may mend it by themselves, and then you are told. If not, follow the link "
            "for the whole story, and materialise the partition again."
        )
    if kind == Kind.DATA_LATE:
        return (
            "Look whether the source answers, and whether daemon and schedules are on ('stock-assets ui' starts "
            "them). What is missing is caught up by itself."
        )
    if first.severity == Severity.WARN:
        return "Training should have made a new one by now: look why the runs that train failed."
    return "There is no forecast until there is a new one: materialise model, backtest and evaluation (training_job)."


def _link(conditions: Sequence[Condition], session: datetime.date, ui_url: str) -> str:
    """Where to look: the run, the check, or the partition, as one or as many are concerned.

    These are pages of Dagster's web server: /runs/<id>, /assets/<asset>?view=checks&checkDetail=<check>,
    /assets/<asset>?view=partitions&partition=<session>|<ticker>.
    """
    root = ui_url.rstrip("/")
    first = conditions[0]
    kind, ticker, asset, check = first.subject
    one = len({condition.subject.ticker for condition in conditions}) == 1
    if kind == Kind.CHECK_FAILED:
        return f"{root}/assets/{quote(asset)}?{urlencode({'view': 'checks', 'checkDetail': check})}"
    if kind == Kind.RUN_FAILED and one and first.run_id:
        return f"{root}/runs/{quote(records.dagster_run(first.run_id))}"
    if not asset:
        return f"{root}/runs"
    partition = f"{session}|{ticker}" if one and ticker not in ("", ALL_TICKERS) else str(session)
    return f"{root}/assets/{quote(asset)}?{urlencode({'view': 'partitions', 'partition': partition})}"


def _detail(one: Condition) -> dict[str, Any]:
    return {
        "ticker": one.subject.ticker,
        "session": one.session.isoformat(),
        "last_session": one.last_session.isoformat(),
        "severity": one.severity,
        "observed": one.observed,
        "expected": one.expected,
        "told": one.told,
        "since": one.opened.isoformat(),
        "recovered": one.recovered.isoformat() if one.recovered else None,
        "run_id": one.run_id and records.dagster_run(one.run_id),
    }


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_WORDS else f"{text[:_MAX_WORDS]} ..."
