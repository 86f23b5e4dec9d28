"""Facts about what is told of a forecast: its age, its model's age, and the same facts as JSON and as cells."""

import csv
import datetime as dt
import io
import json
import math
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stock_assets.core import sessions
from stock_assets.serving import answers, forecast
from stock_assets.serving.forecast import Forecast

FOUR_HOURS = dt.timedelta(hours=4)
FRIDAY, MONDAY, TUESDAY = dt.date(2024, 3, 8), dt.date(2024, 3, 11), dt.date(2024, 3, 12)


def forecast_of(as_of: dt.date = FRIDAY, model_as_of: dt.date | None = None, **changes: Any) -> Forecast:
    row: dict[str, Any] = {
        "ticker": "TSLA",
        "as_of": as_of,
        "target_session": sessions.next_session(as_of),
        "probability_up": 0.1 + 0.2,
        "expected_return": -1e-05,
        "predicted_close": 175.5,
        "interval_low": 166.0,
        "interval_high": 185.0,
        "interval_level": 0.9,
        "naive_close": 175.34,
        "model_as_of": model_as_of or as_of,
        "beats_naive": False,
        "source": "csv",
    }
    facts: dict[str, Any] = {
        "horizon_sessions": 1,
        "verdict": 'No better than naive, "as ever".',
        "model_checksum": "a" * 64,
        "data_checksum": "b" * 64,
        "forecast_checksum": "c" * 64,
        "warnings": (),
    }
    row |= {name: value for name, value in changes.items() if name in row}
    facts |= {name: value for name, value in changes.items() if name in facts}
    return Forecast(row=MappingProxyType(row), **facts)


def at(date: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(date.year, date.month, date.day, hour, minute, tzinfo=dt.UTC)


STANDINGS = [
    (at(FRIDAY, 22), False),  # the evening it was made
    (at(dt.date(2024, 3, 10), 12), False),  # Sunday
    (at(MONDAY, 21, 59), False),  # Monday has not closed
    (at(MONDAY, 22), False),  # closed, but there is time until 02:00
    (at(TUESDAY, 1, 59), False),
    (at(TUESDAY, 2), True),
    (at(dt.date(2024, 6, 1), 12), True),
]


@pytest.mark.parametrize(("now", "is_stale"), STANDINGS)
def test_a_forecast_is_stale_from_the_deadline_of_the_next_session(now: dt.datetime, is_stale: bool) -> None:
    assert answers.standing(forecast_of(), now, FOUR_HOURS).is_stale is is_stale


def test_why_it_is_stale() -> None:
    stood = answers.standing(forecast_of(), at(TUESDAY, 2), FOUR_HOURS)
    assert stood.reasons == (
        "stale: the forecast was made after the close of 2024-03-08; that of 2024-03-11 had to be there by "
        "2024-03-12 02:00 UTC",
    )
    assert answers.refusal(stood) == stood.reasons[0]


def test_a_weekend_and_a_holiday_make_nothing_stale() -> None:
    # Thursday 2024-03-28; Good Friday is no session, so Monday's deadline is the next one.
    made = forecast_of(dt.date(2024, 3, 28))
    assert not answers.standing(made, at(dt.date(2024, 4, 2), 1, 59), FOUR_HOURS).is_stale
    assert answers.standing(made, at(dt.date(2024, 4, 2), 2), FOUR_HOURS).is_stale


def test_a_model_expires_after_ten_sessions() -> None:
    # The tenth session with 2024-02-26 is 2024-03-08, the eleventh Monday 2024-03-11: once that has closed it counts.
    made = forecast_of(FRIDAY, dt.date(2024, 2, 26))
    assert not answers.standing(made, at(MONDAY, 21, 59), FOUR_HOURS).model_expired
    stood = answers.standing(made, at(MONDAY, 22), FOUR_HOURS)
    assert (stood.is_stale, stood.model_expired) == (False, True)
    assert stood.reasons == ("expired: the model was trained after the close of 2024-02-26, more than 10 sessions ago",)


def test_both_reasons_are_told() -> None:
    stood = answers.standing(forecast_of(), at(dt.date(2024, 6, 1), 12), FOUR_HOURS)
    assert (stood.is_stale, stood.model_expired) == (True, True)
    refused = answers.refusal(stood)
    assert refused is not None
    assert refused.startswith("stale: ")
    assert "; expired: " in refused


def test_a_fresh_forecast_is_not_refused_whatever_there_is_to_warn_of() -> None:
    stood = answers.standing(forecast_of(warnings=("simulated",)), at(FRIDAY, 23), FOUR_HOURS)
    assert stood == answers.Standing(False, False, (), ("simulated",))
    assert answers.refusal(stood) is None


def test_a_clock_that_is_behind_makes_nothing_old() -> None:
    stood = answers.standing(forecast_of(), at(dt.date(2024, 3, 1), 12), FOUR_HOURS)
    assert (stood.is_stale, stood.model_expired) == (False, False)


@given(
    made=st.integers(0, 40),
    age=st.integers(0, 12),
    minutes=st.integers(0, 180 * 24 * 60),
    later=st.timedeltas(dt.timedelta(0), dt.timedelta(days=60)),
    hours=st.integers(1, 20),
)
def test_what_is_stale_or_expired_stays_so(made: int, age: int, minutes: int, later: dt.timedelta, hours: int) -> None:
    now = at(dt.date(2024, 1, 2), 0) + dt.timedelta(minutes=minutes)
    as_of = sessions.next_session(dt.date(2024, 1, 2), made)
    one = forecast_of(as_of, sessions.previous_session(as_of, age))
    deadline = dt.timedelta(hours=hours)
    first, second = (answers.standing(one, moment, deadline) for moment in (now, now + later))
    assert first.is_stale <= second.is_stale
    assert first.model_expired <= second.model_expired
    assert first.is_stale == (now >= sessions.available_from(sessions.next_session(as_of)) + deadline)
    assert (answers.refusal(first) is None) == (not first.is_stale and not first.model_expired)


STOOD = answers.Standing(True, False, ("stale: x",), ("stale: x", 'not "verified", as ever'))


def test_the_json_has_every_column_in_order() -> None:
    told = answers.as_json(forecast_of(), STOOD)
    assert tuple(told) == answers.COLUMNS
    assert answers.COLUMNS[: len(forecast.TYPES)] == tuple(forecast.TYPES)
    assert told["as_of"] == "2024-03-08"
    assert told["target_session"] == "2024-03-11"
    assert told["probability_up"] == 0.30000000000000004
    assert (told["beats_naive"], told["is_simulated"], told["is_stale"], told["model_expired"]) == (
        False,
        False,
        True,
        False,
    )
    assert told["warnings"] == ["stale: x", 'not "verified", as ever']


def test_the_text_is_that_json() -> None:
    one = forecast_of(model_checksum=None, verdict="größer")
    text = answers.json_text(one, STOOD)
    assert json.loads(text) == answers.as_json(one, STOOD)
    assert text.endswith(b"}\n")
    assert "größer".encode() in text
    assert answers.json_text(one, STOOD) is text


def test_a_text_is_made_for_each_standing_and_forecast() -> None:
    fresh = answers.Standing(False, False, (), ())
    texts = {
        answers.json_text(one, stood)
        for one in (forecast_of(), forecast_of(model_checksum=None), forecast_of(forecast_checksum="d" * 64))
        for stood in (STOOD, fresh)
    }
    assert len(texts) == 6


def test_the_cells() -> None:
    cells = dict(zip(answers.COLUMNS, answers.as_cells(forecast_of(data_checksum=None), STOOD), strict=True))
    assert cells["as_of"] == "2024-03-08"
    assert cells["probability_up"] == "0.30000000000000004"
    assert cells["expected_return"] == "-1e-05"
    assert cells["naive_close"] == "175.34"
    assert (cells["beats_naive"], cells["is_stale"]) == ("false", "true")
    assert cells["horizon_sessions"] == "1"
    assert cells["data_checksum"] == ""
    assert cells["warnings"] == 'stale: x; not "verified", as ever'


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")))
@example(0.0, 1.0, "x")
@example(-0.0, 1.0, "x")
def test_json_and_cells_tell_the_same_numbers_to_the_last_bit(number: float, close: float, verdict: str) -> None:
    # As in a store: what differs in a bit, 0.0 and -0.0 for example, differs in its checksum.
    bits = f"{number!r} {close!r}"
    one = forecast_of(expected_return=number, naive_close=close, verdict=verdict, forecast_checksum=bits)
    told = json.loads(answers.json_text(one, STOOD))
    lines = io.StringIO()
    csv.writer(lines).writerow(answers.as_cells(one, STOOD))
    [cells] = csv.reader(io.StringIO(lines.getvalue(), newline=""))
    by_name = dict(zip(answers.COLUMNS, cells, strict=True))
    for name, value in (("expected_return", number), ("naive_close", close)):
        assert told[name] == value == float(by_name[name])
        assert math.copysign(1, told[name]) == math.copysign(1, value) == math.copysign(1, float(by_name[name]))
    assert told["verdict"] == verdict == by_name["verdict"]
