"""Two years that run by themselves, on a store that is a set: what evenings make and what freshness tells, together.

A run takes twenty minutes and fails as long as the source has no final prices. The schedules tick five times a date,
the sensor every quarter of an hour; each asks only what is there, as schedules and sensor do.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import pairwise

import pytest

from stock_assets.core import evenings, news, sessions
from stock_assets.core.freshness import DEADLINE, ModelState

MINUTE = dt.timedelta(minutes=1)
HOUR = 60 * MINUTE
TAKES, LOOKS = 20 * MINUTE, 15 * MINUTE
TICKS = [(22, 10), (23, 10), (1, 10), (5, 10), (12, 10)]
FIRST, LAST = dt.date(2023, 1, 3), dt.date(2024, 12, 31)
TICKERS = ("TSLA", "STX")
TUESDAY = dt.date(2024, 6, 18)


class Years:
    """Evenings from FIRST to LAST.

    `delays`: ticker and session -> for how long after its close the source has no prices; `off`: dates without power.
    """

    def __init__(
        self,
        delays: Mapping[tuple[str, dt.date], dt.timedelta],
        off: Collection[dt.date] = (),
        *,
        in_turns: bool = False,
    ):
        self.delays = delays
        self.off = off
        self.in_turns = in_turns
        self.reports: dict[str, list[dt.date]] = {ticker: [] for ticker in TICKERS}
        self.models: dict[str, list[dt.date]] = {ticker: [] for ticker in TICKERS}
        self.made: Counter[tuple[str, dt.date]] = Counter()
        self.done_at: dict[tuple[str, dt.date], dt.datetime] = {}
        self.under_way: dict[tuple[str, dt.date], tuple[dt.datetime, bool]] = {}
        self.told: dict[str, news.Told] = {}
        self.said: list[tuple[dt.datetime, str, dt.date, bool]] = []
        self.models_said: list[tuple[str, dt.date, ModelState]] = []

    def run(self) -> "Years":
        now = sessions.available_from(FIRST) - HOUR
        end = sessions.available_from(LAST) + 20 * HOUR
        ticks = {hour * 60 + minute for hour, minute in TICKS}
        missed = None
        while now < end:
            is_tick = now.hour * 60 + now.minute in ticks
            if now.date() in self.off:
                missed = now if is_tick else missed
            else:
                self._end_runs(now)
                if missed:
                    self._tick(missed, now)
                    missed = None
                if is_tick:
                    self._tick(now, now)
                if now.minute % 15 == 0:
                    self._look(now)
            now += 5 * MINUTE
        return self

    def last_model(self, ticker: str, session: dt.date) -> dt.date | None:
        return max((model for model in self.models[ticker] if model <= session), default=None)

    def _tick(self, tick: dt.datetime, now: dt.datetime) -> None:
        due = evenings.due(
            tick, TICKERS, made=self.reports.__getitem__, last_model=self.last_model, in_turns=self.in_turns
        )
        for one in due:
            key = one.ticker, one.session
            has_prices = now >= sessions.available_from(one.session) + self.delays.get(key, 0 * HOUR)
            if key not in self.under_way and has_prices:
                self.under_way[key] = now + TAKES, one.training

    def _end_runs(self, now: dt.datetime) -> None:
        for key, (ends, training) in list(self.under_way.items()):
            if ends > now:
                continue
            ticker, session = key
            del self.under_way[key]
            if training:
                self.models[ticker].append(session)
            assert evenings.model_age(session, self.last_model(ticker, session)) is not None, key
            self.reports[ticker].append(session)
            self.made[key] += 1
            self.done_at[key] = ends

    def _look(self, now: dt.datetime) -> None:
        for ticker in TICKERS:
            if news.is_settled(now, self.told.get(ticker)):
                continue
            found = news.change(
                now,
                self.told.get(ticker),
                self.reports[ticker],
                lambda session, ticker=ticker: self.last_model(ticker, session),
            )
            if found is not None:
                self.told[ticker] = found.told
                self.said += [(now, ticker, session, there) for session, there in found.reports]
                if found.model is not None:
                    self.models_said.append((ticker, found.model.session, found.model.state))

    def late(self) -> dict[tuple[str, dt.date], dt.datetime]:
        """When each session was told to be late; once at most."""
        said = [((ticker, session), now) for now, ticker, session, there in self.said if not there]
        assert len(dict(said)) == len(said)
        return dict(said)


def listed() -> list[dt.date]:
    return [session.date() for session in sessions.sessions_between(FIRST, LAST)]


def every_session_once(years: Years) -> bool:
    return years.made == Counter({(ticker, session): 1 for ticker in TICKERS for session in listed()})


def test_two_quiet_years_are_quiet() -> None:
    years = Years({}).run()
    assert every_session_once(years)
    assert years.late() == {}
    # Each session is told once to be there, within a quarter of an hour after it was.
    there = {(ticker, session): now for now, ticker, session, _ in years.said}
    assert len(there) == len(years.said) == 2 * len(listed())
    assert all(now - years.done_at[key] < LOOKS for key, now in there.items())
    assert years.models_said == [(ticker, FIRST, ModelState.VALID) for ticker in TICKERS]


def test_sources_that_hiccup_raise_no_alarm_and_late_ones_always_do() -> None:
    """Every seventh session comes so much later; up to three hours are in time for the tick at 01:10."""
    hours = [0.5, 2.0, 3.0, 3.5, 8.0, 13.0, 26.0, 50.0, 80.0]
    delays = {("TSLA", session): hours[n % len(hours)] * HOUR for n, session in enumerate(listed()[20::7])}
    years = Years(delays).run()
    assert every_session_once(years)
    late = {key for key, delay in delays.items() if delay > 3.1 * HOUR}
    told = years.late()
    assert set(told) == late
    assert len(late) > 40
    for (_, session), now in told.items():
        assert dt.timedelta(0) <= now - (sessions.available_from(session) + DEADLINE) < LOOKS
    # Each is taken back once it came, for its own session.
    came = {(ticker, session): now for now, ticker, session, there in years.said if there}
    assert all(dt.timedelta(0) <= came[key] - years.done_at[key] < LOOKS for key in late)


def test_a_week_without_training_warns_before_forecasts_stop() -> None:
    """One Friday's prices never come: forecasts go on with the model before, of which a person hears in time."""
    friday = dt.date(2024, 3, 8)
    years = Years({("STX", friday): 1000 * HOUR}).run()
    assert set(years.late()) == {("STX", friday)}
    of_stx = [(session, state) for ticker, session, state in years.models_said if ticker == "STX"]
    assert of_stx == [
        (FIRST, ModelState.VALID),
        (dt.date(2024, 3, 12), ModelState.EXPIRING),  # seven sessions after 2024-03-01
        (dt.date(2024, 3, 15), ModelState.VALID),
    ]
    assert years.made == Counter(
        {(ticker, session): 1 for ticker in TICKERS for session in listed() if (ticker, session) != ("STX", friday)}
    )


def turns(ticker: str) -> list[dt.date]:
    return [session for session in listed() if evenings.is_its_turn(ticker, session)]


def test_in_turns_each_is_trained_every_fifth_session_holidays_or_not() -> None:
    years = Years({}, in_turns=True).run()
    assert every_session_once(years)
    assert years.models_said == [(ticker, FIRST, ModelState.VALID) for ticker in TICKERS]
    for ticker in TICKERS:
        # The first evening, without a model, is trained at once.
        assert years.models[ticker] == sorted({FIRST, *turns(ticker)})
        ages = [listed().index(after) - listed().index(before) for before, after in pairwise(turns(ticker))]
        assert set(ages) == {5}
    assert not set(turns("TSLA")) & set(turns("STX"))


def test_in_turns_no_model_ever_expires_though_sources_hiccup_and_a_turn_is_missed() -> None:
    """Every seventh session comes up to eighty hours late, prices of one turn never; `Years` looks at each model."""
    hours = [0.5, 3.0, 8.0, 26.0, 50.0, 80.0]
    delays = {("TSLA", session): hours[n % len(hours)] * HOUR for n, session in enumerate(listed()[20::7])}
    missed = turns("STX")[30]
    years = Years(delays | {("STX", missed): 1000 * HOUR}, in_turns=True).run()
    assert years.made == Counter(
        {(ticker, session): 1 for ticker in TICKERS for session in listed() if (ticker, session) != ("STX", missed)}
    )
    assert set(turns("STX")) - set(years.models["STX"]) == {missed}
    assert ModelState.EXPIRED not in {state for _, _, state in years.models_said}


def test_in_turns_after_a_standstill_of_three_weeks_models_are_there_again() -> None:
    off = {dt.date(2024, 6, 3) + n * dt.timedelta(days=1) for n in range(21)}
    years = Years({}, off, in_turns=True).run()
    back = dt.date(2024, 6, 14)  # the fifth session before 2024-06-24
    assert all(("TSLA", session) in years.made for session in listed() if session >= back)
    assert max(years.made.values()) == 1


@pytest.mark.parametrize(
    ("last_off", "late"),
    [
        ("2024-06-18", []),  # back at midnight, two hours before the deadline
        ("2024-06-20", ["2024-06-18"]),  # the 19th is a holiday, and the session of the 20th still has time
        ("2024-06-23", ["2024-06-21"]),  # the newest one is told, a Friday
    ],
)
def test_a_machine_that_was_off_makes_up_for_it(last_off: str, late: list[str]) -> None:
    """Off from Tuesday, 2024-06-18 on: told late at once when it comes back, and each session is made once."""
    back = dt.date.fromisoformat(last_off) + dt.timedelta(days=1)
    years = Years({}, {TUESDAY + n * dt.timedelta(days=1) for n in range((back - TUESDAY).days)}).run()
    assert every_session_once(years)
    assert {(str(session), now.date()) for (_, session), now in years.late().items()} == {(one, back) for one in late}


def test_after_a_long_standstill_the_oldest_sessions_are_left_to_a_person() -> None:
    off = {dt.date(2024, 6, 3) + n * dt.timedelta(days=1) for n in range(21)}
    years = Years({}, off).run()
    missing = [session for session in listed() if ("TSLA", session) not in years.made]
    left = sessions.sessions_between(dt.date(2024, 6, 3), dt.date(2024, 6, 13))
    assert missing == [session.date() for session in left]
    assert max(years.made.values()) == 1
