"""How everything goes, as one self-contained HTML page: what is wrong first, then tickers, durations, alerts. `render`.

Pure: what is known comes in as `Monitor`; reading the monitoring database is for whoever makes one. The page asks
nothing of anyone: there is no script, its lines are drawn in place, and its content policy forbids the rest.
"""

import dataclasses
import datetime
import json
import statistics
from collections.abc import Iterator
from typing import Any, Literal

from stock_assets.core import freshness
from stock_assets.reporting import templates, wording

SIMULATED = "simulated"
MOST_POINTS = 60
"""Runs that a line of durations shows at most, the latest ones."""
MOST_FORECASTS = 252
"""Forecasts of a ticker that its track record is of at most, the latest ones: those of a year."""

_WIDTH, _HEIGHT, _MARGIN = 320, 40, 3
# Characters of what a check told or a run failed of; the whole of it is in the Dagster UI.
_LONGEST = 420

Look = Literal["good", "plain", "bad", "quiet"]


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that is wrong now: an open condition. `asset` and `check` are empty where it is about none.

    `session`: the one it was first seen on, `last_session` the newest one; `opened`: when it was first told, in UTC.
    """

    kind: str
    severity: Literal["warn", "error"]
    ticker: str
    asset: str
    check: str
    session: datetime.date
    last_session: datetime.date
    opened: datetime.datetime
    told: str
    observed: str = ""
    expected: str = ""


@dataclasses.dataclass(frozen=True)
class Run:
    """The newest finished run of a ticker; `session` None when it was about several, `seconds` when it never began."""

    job: str
    status: str
    session: datetime.date | None
    ended: datetime.datetime
    seconds: float | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Forecast:
    """The newest forecast of a ticker: prices in the quote currency, probability and level from 0 to 1."""

    session: datetime.date
    target_session: datetime.date
    source: str
    predicted_close: float
    interval_low: float
    interval_high: float
    interval_level: float
    probability_up: float


@dataclasses.dataclass(frozen=True)
class Record:
    """How the forecasts of a ticker did whose outcome is known: `n` of the latest `made`.

    `right` directions and closes `inside` the interval are counts; what too few can't tell is None.
    """

    made: int
    n: int
    right: int
    inside: int
    brier: float | None = None
    brier_naive: float | None = None
    interval_level: float | None = None


@dataclasses.dataclass(frozen=True)
class Ticker:
    """One followed ticker: whether it is up to date, and the last that is known of it."""

    ticker: str
    name: str
    fresh: freshness.Freshness
    run: Run | None = None
    forecast: Forecast | None = None
    record: Record | None = None


@dataclasses.dataclass(frozen=True)
class Durations:
    """Seconds that one asset took in its runs, in order of time; at least one."""

    asset: str
    seconds: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Delivery:
    """An alert on its way to one receiver; `delivered` None until it has arrived, `error` of the last attempt."""

    receiver: str
    attempts: int
    delivered: datetime.datetime | None = None
    error: str = ""
    given_up: bool = False


@dataclasses.dataclass(frozen=True)
class Alert:
    """A message that was told, and to whom."""

    created: datetime.datetime
    event: str
    severity: str
    title: str
    deliveries: tuple[Delivery, ...] = ()


@dataclasses.dataclass(frozen=True)
class Fact:
    """Something about the database or the data folder: a number of `unit`, or a text."""

    name: str
    value: float | int | str | None
    unit: Literal["", "bytes"] = ""


@dataclasses.dataclass(frozen=True)
class Monitor:
    """Everything the page shows, as it was at `now`, in UTC. Alerts: the latest first."""

    now: datetime.datetime
    problems: tuple[Problem, ...]
    tickers: tuple[Ticker, ...]
    durations: tuple[Durations, ...]
    alerts: tuple[Alert, ...]
    facts: tuple[Fact, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number as a person reads it, which value it is, and that value as JSON."""

    text: str
    key: str
    value: str


@dataclasses.dataclass(frozen=True)
class Mark:
    """A state of affairs as a reader sees it: never by colour alone. `look` is a class of the style sheet."""

    sign: str
    text: str
    look: Look
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Card:
    """A problem as it is shown."""

    mark: Mark
    title: str
    where: str
    since: str
    told: str
    observed: str
    expected: str


@dataclasses.dataclass(frozen=True)
class Row:
    """A ticker as it is shown."""

    ticker: str
    name: str
    simulated: bool
    fresh: Mark
    run: Mark
    run_error: str
    forecast: dict[str, Cell] | None
    target: str
    record: dict[str, Cell] | None
    coverage: tuple[Cell, Cell, Cell] | None


@dataclasses.dataclass(frozen=True)
class Line:
    """Durations of an asset as they are shown: a line in units of its own from zero up, and the same in words."""

    asset: str
    path: str
    end: tuple[int, int]
    told: str
    n: Cell
    last: Cell
    median: Cell
    longest: Cell


@dataclasses.dataclass(frozen=True)
class Message:
    """An alert as it is shown."""

    when: str
    title: str
    mark: Mark
    deliveries: tuple[Mark, ...]


def render(monitor: Monitor) -> bytes:
    """The page as UTF-8; the same inputs give the same bytes.

    Raises `DataError` for a number that is not finite.
    """
    values = documents(monitor)
    page = templates.load("monitor.html.jinja").render(
        now=_moment(monitor.now),
        summary=summary(monitor),
        late=[one.ticker for one in monitor.tickers if one.fresh.state is freshness.State.LATE],
        cards=[_card(one, monitor) for one in sorted(monitor.problems, key=_urgency)],
        rows=[_row(one, values) for one in monitor.tickers],
        most_forecasts=MOST_FORECASTS,
        simulated=[one.ticker for one in monitor.tickers if _is_simulated(one)],
        lines=[_line(one, values) for one in monitor.durations],
        size=(_WIDTH, _HEIGHT),
        messages=[_message(one) for one in monitor.alerts],
        facts=[(fact.name, _fact(fact, values)) for fact in monitor.facts],
    )
    return page.encode()


def summary(monitor: Monitor) -> str:
    """The page in a line: "1 error, 2 warnings; 2 of 3 tickers up to date"."""
    errors = sum(problem.severity == "error" for problem in monitor.problems)
    warnings = len(monitor.problems) - errors
    told = [_counted(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    fresh = sum(one.fresh.state is not freshness.State.LATE for one in monitor.tickers)
    tickers = f"{fresh} of {_counted(len(monitor.tickers), 'ticker')} up to date"
    if not told:
        # Nothing is known to be wrong; what is late says that not all is known.
        told = ["Nothing is wrong" if fresh == len(monitor.tickers) else "Nothing was reported"]
    return f"{', '.join(told)}; {tickers}"


def documents(monitor: Monitor) -> dict[str, Any]:
    """The values that the keys on the page refer to, by key."""
    found: dict[str, Any] = {}
    for one in monitor.tickers:
        for part, value in (("forecast", one.forecast), ("record", one.record)):
            if value is not None:
                found |= {f"{one.ticker}.{part}.{name}": number for name, number in _numbers(value)}
        if one.record is not None and one.record.n:
            found[f"{one.ticker}.record.accuracy"] = one.record.right / one.record.n
            found[f"{one.ticker}.record.coverage"] = one.record.inside / one.record.n
    for lasted in monitor.durations:
        at = f"durations.{lasted.asset}"
        found |= {
            f"{at}.n": len(lasted.seconds),
            f"{at}.last": lasted.seconds[-1],
            f"{at}.median": statistics.median(lasted.seconds),
            f"{at}.longest": max(lasted.seconds),
        }
    return found | {f"facts.{fact.name}": fact.value for fact in monitor.facts if not isinstance(fact.value, str)}


def _numbers(value: Any) -> Iterator[tuple[str, float | int | None]]:
    for field in dataclasses.fields(value):
        number = getattr(value, field.name)
        if number is None or isinstance(number, int | float):
            yield field.name, number


def _urgency(problem: Problem) -> tuple[bool, float, str]:
    """Errors first, the latest first among equals."""
    return problem.severity != "error", -problem.opened.timestamp(), problem.ticker


_HEADLINES = {
    "check_failed": "{check} of {asset} fails",
    "run_failed": "{asset} fails",
    "data_late": "No data yet",
    "model_expired": "The model has expired",
}


def _card(problem: Problem, monitor: Monitor) -> Card:
    error = problem.severity == "error"
    headline = _HEADLINES.get(problem.kind, problem.kind.replace("_", " "))
    if problem.kind == "run_failed" and not problem.asset:
        headline = "A run fails"
    if problem.kind == "model_expired" and not error:
        headline = "The model is about to expire"
    return Card(
        mark=Mark("✕", "Error", "bad") if error else Mark("▲", "Warning", "plain"),
        title=f"{problem.ticker or 'All tickers'}: {headline.format(check=problem.check, asset=problem.asset)}",
        where=f"Session {problem.session}"
        if problem.session == problem.last_session
        else f"Sessions {problem.session} to {problem.last_session}",
        since=f"since {_moment(problem.opened)}, {_ago(monitor.now - problem.opened)}",
        told=_shortened(problem.told),
        observed=_shortened(problem.observed),
        expected=_shortened(problem.expected),
    )


def _row(one: Ticker, values: dict[str, Any]) -> Row:
    def cell(name: str, write: wording.Writer) -> Cell:
        return _cell(f"{one.ticker}.{name}", write, values)

    forecast = one.forecast and {
        "close": cell("forecast.predicted_close", wording.price),
        "level": cell("forecast.interval_level", wording.short_percent),
        "low": cell("forecast.interval_low", wording.price),
        "high": cell("forecast.interval_high", wording.price),
        "up": cell("forecast.probability_up", wording.percent),
    }
    record = coverage = None
    if one.record is not None and one.record.n:
        record = {
            "n": cell("record.n", wording.count),
            "right": cell("record.right", wording.count),
            "accuracy": cell("record.accuracy", wording.percent),
            "brier": cell("record.brier", wording.score),
            "naive": cell("record.brier_naive", wording.score),
        }
        coverage = (
            cell("record.inside", wording.count),
            cell("record.coverage", wording.percent),
            cell("record.interval_level", wording.short_percent),
        )
    return Row(
        ticker=one.ticker,
        name=one.name,
        simulated=_is_simulated(one),
        fresh=_freshness(one.fresh),
        run=_run(one.run),
        run_error=_shortened(one.run.error) if one.run else "",
        forecast=forecast,
        target=f"{one.forecast.target_session}" if one.forecast else "",
        record=record,
        coverage=coverage,
    )


def _is_simulated(one: Ticker) -> bool:
    return one.forecast is not None and one.forecast.source == SIMULATED


def _freshness(fresh: freshness.Freshness) -> Mark:
    there = f"newest: {fresh.newest}" if fresh.newest else "nothing is there yet"
    if fresh.state is freshness.State.FRESH:
        return Mark("●", "Up to date", "good", there)
    if fresh.state is freshness.State.DUE:
        return Mark("◔", "Due soon", "quiet", there)
    return Mark("✕", "Late", "bad", f"{fresh.expected} was due {_moment(fresh.deadline)}; {there}")


_RUNS: dict[str, tuple[str, str, Look]] = {
    "success": ("✓", "Done", "good"),
    "failure": ("✕", "Failed", "bad"),
    "canceled": ("■", "Stopped", "plain"),
}


def _run(run: Run | None) -> Mark:
    if run is None:
        return Mark("–", "None on record", "quiet")
    sign, text, look = _RUNS.get(run.status, ("?", run.status, "quiet"))
    lasted = f", {_seconds(run.seconds)}" if run.seconds is not None else ""
    of = f"{run.session}, " if run.session else ""
    return Mark(sign, text, look, f"{of}{run.job}, ended {_moment(run.ended)}{lasted}")


def _line(lasted: Durations, values: dict[str, Any]) -> Line:
    seconds = lasted.seconds[-MOST_POINTS:]
    most = max(seconds) or 1.0
    across, up = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    # The latest on the right, also when there is only one.
    step = across / max(len(seconds) - 1, 1)
    points = [
        (round(_WIDTH - _MARGIN - step * before), round(_HEIGHT - _MARGIN - up * value / most))
        for before, value in zip(reversed(range(len(seconds))), seconds, strict=True)
    ]
    at = f"durations.{lasted.asset}"
    return Line(
        asset=lasted.asset,
        path="M" + "L".join(f"{x} {y}" for x, y in points),
        end=points[-1],
        told=f"Seconds of the last {_counted(len(seconds), 'run')} of {lasted.asset}: from {_seconds(seconds[0])} to "
        f"{_seconds(seconds[-1])}, at most {_seconds(max(seconds))}.",
        n=_cell(f"{at}.n", wording.count, values),
        last=_cell(f"{at}.last", _seconds, values),
        median=_cell(f"{at}.median", _seconds, values),
        longest=_cell(f"{at}.longest", _seconds, values),
    )


def _message(alert: Alert) -> Message:
    recovered = alert.event == "recovered"
    error = alert.severity == "error"
    return Message(
        when=_moment(alert.created),
        title=alert.title,
        mark=Mark("✓", "Recovered", "good")
        if recovered
        else Mark("✕", "Error", "bad")
        if error
        else Mark("▲", "Warning", "plain"),
        deliveries=tuple(map(_delivery, alert.deliveries)),
    )


def _delivery(one: Delivery) -> Mark:
    if one.delivered is not None:
        return Mark("✓", f"{one.receiver}: told", "good", _moment(one.delivered))
    tried = f"tried {_counted(one.attempts, 'time')}" if one.attempts else "not tried yet"
    error = f": {_shortened(one.error)}" if one.error else ""
    if one.given_up:
        return Mark("✕", f"{one.receiver}: given up", "bad", f"{tried}{error}")
    return Mark("…", f"{one.receiver}: waits", "bad" if one.error else "quiet", f"{tried}{error}")


def _fact(fact: Fact, values: dict[str, Any]) -> Cell | str:
    if isinstance(fact.value, str):
        return fact.value
    return _cell(f"facts.{fact.name}", _size if fact.unit == "bytes" else wording.count, values)


def _cell(key: str, write: wording.Writer, values: dict[str, Any]) -> Cell:
    return Cell(write(values[key]), key, json.dumps(values[key]))


def _seconds(value: wording.Number) -> str:
    """0.123 as "0.12 s", 12.34 as "12 s", 83.4 as "1 min 23 s"."""
    if value is None:
        return wording.UNDEFINED
    if value < 60:
        return f"{wording.ratio(value) if value < 10 else wording.count(value)} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{wording.count(minutes)} min {seconds} s"


def _size(value: wording.Number) -> str:
    """1234567 as "1.2 MB"."""
    if value is None:
        return wording.UNDEFINED
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:,.1f} {unit}"
    return f"{wording.count(value)} bytes"


def _moment(moment: datetime.datetime) -> str:
    """In UTC, to the minute."""
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _ago(age: datetime.timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    if hours < 1:
        return "less than an hour ago"
    return f"{_counted(hours, 'hour')} ago" if hours < 48 else f"{_counted(hours // 24, 'day')} ago"


def _counted(n: int, noun: str) -> str:
    return f"{wording.count(n)} {noun}" if n == 1 else f"{wording.count(n)} {noun}s"


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
