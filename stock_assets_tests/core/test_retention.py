"""What is kept: whole sessions with all they need, forecasts for ever; and never less than was promised."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import retention, sessions
from stock_assets.core.retention import Policy

EVERY_SESSION = ("raw_prices", "clean_prices", "price_metrics", "features", "predictions", "track_record", "report")
TRAINING = ("model", "backtest", "evaluation")
LISTED = [one.date() for one in sessions.sessions_between(dt.date(2023, 1, 3), dt.date(2024, 3, 8))]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def fridays(listed: list[dt.date]) -> list[dt.date]:
    return [one for one in listed if sessions.next_session(one).isocalendar()[:2] != one.isocalendar()[:2]]


def a_year() -> dict[str, list[dt.date]]:
    """Every session of LISTED, with training at the end of each week."""
    return dict.fromkeys(EVERY_SESSION, LISTED) | {asset: fridays(LISTED) for asset in TRAINING}


def test_the_latest_sessions_and_month_ends_are_kept() -> None:
    kept = retention.kept_sessions(a_year(), Policy(sessions=3))
    assert sorted(kept)[-5:] == [
        day("2024-01-31"), day("2024-02-29"), day("2024-03-06"), day("2024-03-07"), day("2024-03-08"),
    ]  # fmt: skip
    assert len(kept) == 14 + 3
    assert retention.kept_sessions(a_year(), Policy(3, month_ends=False)) == set(LISTED[-3:])


def test_models_of_the_ten_sessions_before_are_kept_and_the_prices_of_the_session_before() -> None:
    """2023-10-31 is a Tuesday: its forecast used the model of Friday 2023-10-27, and could have used that of 10-20."""
    kept = retention.kept(a_year(), Policy(sessions=3))
    for asset in TRAINING:
        of_october = [one for one in sorted(kept[asset]) if day("2023-10-01") < one < day("2023-11-10")]
        assert of_october[:2] == [day("2023-10-20"), day("2023-10-27")]
    assert day("2023-10-30") in kept["raw_prices"]
    assert day("2023-10-30") not in kept["clean_prices"]


def test_forecasts_and_what_people_made_are_kept_for_ever() -> None:
    present = a_year() | {"summary": LISTED[:1], "tuning": LISTED[:2], "trials": LISTED[:3], "quarantine": LISTED[:4]}
    kept = retention.kept(present, Policy(sessions=10, month_ends=False))
    assert kept["predictions"] == set(LISTED)
    assert (kept["summary"], kept["tuning"], kept["trials"]) == (set(LISTED[:1]), set(LISTED[:2]), set(LISTED[:3]))
    assert kept["quarantine"] == set()


def test_a_month_is_remembered_by_its_last_report() -> None:
    """On 2024-02-29 the prices came, but no report was made."""
    present = a_year() | {"report": [one for one in LISTED if one != day("2024-02-29")]}
    kept = retention.kept_sessions(present, Policy(sessions=3))
    assert day("2024-02-28") in kept
    assert day("2024-02-29") not in kept


def test_what_is_kept_for_ever_does_not_count_as_a_session() -> None:
    present = {"predictions": LISTED, "report": LISTED[:5]}
    assert retention.kept_sessions(present, Policy(2, month_ends=False)) == set(LISTED[3:5])


def test_pages_of_all_tickers() -> None:
    assert retention.to_go(
        {"watchlist_page": [day("2024-02-28"), day("2024-02-29"), day("2024-03-08")]}, Policy(1)
    ) == [("watchlist_page", day("2024-02-28"))]


def test_nothing_goes_of_nothing() -> None:
    assert retention.to_go({}, Policy()) == []
    assert retention.kept({"report": []}, Policy())["report"] == set()


def test_keeping_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 sessions are to be kept; expected at least 1"):
        Policy(sessions=0)


stretch = LISTED[-70:]
some = st.sets(st.sampled_from(stretch), max_size=70)
stores = st.fixed_dictionaries(dict.fromkeys((*EVERY_SESSION, *TRAINING, "tuning", "quarantine"), some))
policies = st.builds(Policy, st.integers(1, 30), st.booleans())


@settings(max_examples=150, deadline=None)
@given(present=stores, policy=policies)
def test_what_a_kept_session_reads_is_kept(present: dict[str, set[dt.date]], policy: Policy) -> None:
    kept = retention.kept(present, policy)
    assert all(kept[asset] <= present[asset] for asset in present)
    for session in retention.kept_sessions(present, policy):
        for asset, listed in present.items():
            assert (session in kept[asset]) is (session in listed)
        for asset in TRAINING:
            lifetime = {sessions.previous_session(session, n) for n in range(10)}
            assert present[asset] & lifetime <= kept[asset]
        for asset in ("raw_prices", "backtest"):
            earlier = [one for one in present[asset] if one < session]
            assert not earlier or max(earlier) in kept[asset]


@settings(max_examples=100, deadline=None)
@given(present=stores, policy=policies)
def test_twice_is_once_and_what_goes_is_the_rest(present: dict[str, set[dt.date]], policy: Policy) -> None:
    kept = retention.kept(present, policy)
    going = retention.to_go(present, policy)
    assert len(set(going)) == len(going)
    for asset in present:
        assert {session for name, session in going if name == asset} == present[asset] - kept[asset]
    left = {asset: kept[asset] for asset in present}
    assert retention.kept_sessions(left, policy) == retention.kept_sessions(present, policy)
    assert retention.to_go(left, policy) == []
    assert not any(session in retention.kept_sessions(present, policy) for _, session in going)


@settings(max_examples=50, deadline=None)
@given(present=stores, n=st.integers(1, 29))
def test_keeping_more_never_deletes_more(present: dict[str, set[dt.date]], n: int) -> None:
    assert set(retention.to_go(present, Policy(n + 1))) <= set(retention.to_go(present, Policy(n)))
    assert set(retention.to_go(present, Policy(n))) <= set(retention.to_go(present, Policy(n, month_ends=False)))
