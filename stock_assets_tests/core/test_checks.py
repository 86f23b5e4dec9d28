"""The lists of checks: each names a predicate, says what it asks, and why it stops the graph or does not."""

import pytest

from stock_assets.core import checks, validation

EVERY = [(asset, check) for asset, asked in checks.ASKED.items() for check in asked]


def test_every_list_is_asked_of_a_table():
    lists = (
        *(checks.RAW, checks.RAW_BESIDE_EARLIER),
        *(checks.CLEAN, checks.CLEAN_BESIDE_RAW),
        *(checks.FEATURES, checks.FEATURES_BESIDE_CLEAN),
        *(checks.BACKTEST, checks.EVALUATION, checks.TRACK_RECORD),
    )
    assert [check for _, check in EVERY] == [check for asked in lists for check in asked]


def test_every_predicate_is_asked():
    predicates = {name for name in validation.__all__ if name not in {"Finding", "Predicate"}}
    assert predicates == {check.name for _, check in EVERY}


@pytest.mark.parametrize("asset", checks.ASKED)
def test_none_is_asked_twice(asset):
    names = [check.name for check in checks.ASKED[asset]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("asset", "check"), EVERY, ids=lambda given: getattr(given, "name", given))
def test_each_says_what_it_asks_and_why_it_blocks_or_warns(asset, check):
    for text in (check.description, check.why):
        assert text.endswith(".")
        assert text[0].isupper()
    assert len(check.why) > 20


def test_raw_prices_are_held_up_only_by_what_cleaning_can_not_make_good():
    assert {check.name for check in checks.ASKED["raw_prices"] if check.blocking} == {
        "has_raw_schema",
        "sessions_never_decrease",
        "last_session_is_present",
    }


def test_what_is_only_suspicious_about_clean_prices_warns():
    blocking = {check.name for check in checks.ASKED["clean_prices"] if check.blocking}
    assert blocking == {
        "has_clean_schema",
        "sessions_increase",
        "last_session_is_present",
        "prices_are_positive",
        "high_is_at_least_low",
        "open_and_close_lie_between_low_and_high",
    }


def test_nothing_is_learnt_or_forecast_from_wrong_features():
    assert {check.name for check in checks.ASKED["features"] if not check.blocking} == {
        "sessions_are_complete",
        "features_vary",
        "last_row_is_plausible",
    }


def test_scores_that_mean_nothing_are_held_up_and_those_too_good_are_shown():
    assert {check.name: check.blocking for check in (*checks.BACKTEST, *checks.EVALUATION)} == {
        "shuffled_labels_give_no_skill": True,
        "skill_is_plausible": False,
    }
