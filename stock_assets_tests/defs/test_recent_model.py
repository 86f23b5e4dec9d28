"""The most recent model of the last ten sessions: which one a forecast is made with, and when there is none."""

import datetime as dt
import json

import pandas as pd

from stock_assets_tests.defs.graph import (
    PRICES,
    SESSION,
    TRAINED,
    TRAINING,
    attempts,
    failures,
    later,
    materialised,
)

FORECAST = (*PRICES, "features", "predictions")


def model_used(graph, session) -> pd.Timestamp:
    return graph.snapshot(session).table("predictions")["model_as_of"].iloc[0]


def test_a_model_of_up_to_nine_sessions_ago_is_used(make_graph):
    graph = make_graph()
    assert graph.run(TRAINED, session=later(-9)).success
    for age in (1, 5):
        assert graph.run(FORECAST, session=later(age - 9)).success
        assert model_used(graph, later(age - 9)) == pd.Timestamp(later(-9))
    assert graph.run("daily_job").success
    assert model_used(graph, SESSION) == pd.Timestamp(later(-9))
    assert str(later(-9)) in graph.snapshot().report_file("report.html").decode()
    assert not graph.checksums().keys() & set(TRAINING)


def test_the_card_tells_the_same_lifetime(finished):
    graph, _ = finished
    card = json.loads(graph.store.read("model", "TSLA", SESSION)[".json"])
    assert card["expires_after_sessions"] == 10


def test_a_model_of_ten_sessions_ago_has_expired(make_graph):
    graph = make_graph()
    assert graph.run(TRAINED, session=later(-10)).success
    result = graph.run("daily_job")
    assert not result.success
    assert attempts(result, "predictions") == 1
    message = failures(result)["predictions"]
    assert f"TSLA {SESSION}: there is no" in message
    assert f"the last 10 sessions, {later(-9)} to {SESSION}: the model has expired" in message
    assert f"materialise model, backtest and evaluation of TSLA, session {SESSION}" in message
    assert materialised(result) == {"raw_prices", "clean_prices", "price_metrics", "features", "track_record"}
    # What the message says to do helps.
    assert graph.run("training_job").success
    assert graph.run(["predictions", "report"]).success
    assert model_used(graph, SESSION) == pd.Timestamp(SESSION)


def test_sessions_are_counted_not_weekdays(make_graph):
    """From 2023-12-18 to 2024-01-02 there are nine sessions but eleven weekdays: Christmas and New Year's Day."""
    graph = make_graph()
    graph.run(TRAINED, session=dt.date(2023, 12, 18))
    assert graph.run(FORECAST, session=dt.date(2024, 1, 2)).success
    assert model_used(graph, dt.date(2024, 1, 2)) == pd.Timestamp("2023-12-18")
    assert not graph.run(FORECAST, session=dt.date(2024, 1, 3)).success


def test_a_model_of_a_later_session_is_never_used(make_graph):
    graph = make_graph()
    graph.run(TRAINED, session=later(-3))
    graph.run(TRAINED, session=later(1))
    assert graph.run(FORECAST).success
    assert model_used(graph, SESSION) == pd.Timestamp(later(-3))


def test_only_a_later_model_is_none(make_graph):
    graph = make_graph()
    graph.run(TRAINED, session=later(1))
    assert "the model has expired" in failures(graph.run(FORECAST))["predictions"]


def test_of_two_models_the_newer_is_used(make_graph):
    graph = make_graph()
    for age in (2, 6):  # the older one is trained last
        graph.run(TRAINED, session=later(-age))
    assert graph.run(FORECAST).success
    assert model_used(graph, SESSION) == pd.Timestamp(later(-2))


def test_the_model_of_the_session_itself_comes_first(make_graph):
    graph = make_graph()
    graph.run(TRAINED, session=later(-1))
    assert graph.run((*TRAINED, "predictions")).success
    assert model_used(graph, SESSION) == pd.Timestamp(SESSION)


def test_another_tickers_model_is_never_used(make_graph):
    graph = make_graph()
    graph.run(TRAINED, ticker="STX")
    assert "TSLA 2024-03-08: there is no" in failures(graph.run(FORECAST))["predictions"]


def test_near_the_first_session_of_the_grid(make_graph):
    """The ten sessions reach back to before the grid begins."""
    graph = make_graph(first_session="2024-03-07")
    assert graph.run((*TRAINED, "predictions")).success
    assert graph.run(FORECAST, session=later(1)).success
    assert model_used(graph, later(1)) == pd.Timestamp(SESSION)
