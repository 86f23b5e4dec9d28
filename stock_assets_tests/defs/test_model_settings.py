"""Whose model a partition gets: defaults, watchlist, Launchpad; and one horizon from features to forecast."""

import json

import pandas as pd
import pytest

from stock_assets.core import sessions
from stock_assets_tests.defs.graph import (
    ALL,
    PRICES,
    SESSION,
    SMALL_MODEL,
    TRAINED,
    TRAINING,
    failures,
    later,
    metadata,
)

# Fast and always the same; nothing of the small forests' parameters is taken over.
LINEAR = {"estimator": "linear"}


def card(graph, ticker="TSLA") -> dict:
    return graph.snapshot(ticker=ticker).document("model")


def test_the_watchlist_says_it_for_all_and_for_single_tickers(make_graph):
    graph = make_graph(tickers="[TSLA, {ticker: STX, model: {estimator: linear, horizon: 5}}]")
    for ticker in ("TSLA", "STX"):
        assert graph.run(TRAINED, ticker=ticker).success
    assert card(graph)["hyperparameters"]["parameters"]["n_estimators"] == 5
    assert card(graph)["target"]["horizon_sessions"] == 1
    assert card(graph, "STX")["estimator"] == "linear"
    assert card(graph, "STX")["target"]["horizon_sessions"] == 5
    assert "min_train: 100" in SMALL_MODEL
    assert card(graph, "STX")["hyperparameters"]["min_train"] == 100


def test_the_launchpad_says_it_for_a_run_from_features_to_forecast(make_graph):
    graph = make_graph()
    result = graph.run("whole_graph_job", model=LINEAR | {"horizon": 5, "cost_bps": 20, "short": True})
    assert result.success, failures(result)
    snapshot = graph.snapshot()
    target = pd.Timestamp(sessions.next_session(SESSION, 5))
    assert snapshot.table("features")["target_session"].iloc[-1] == target
    assert snapshot.table("predictions")["target_session"].iloc[0] == target
    evaluation = snapshot.document("evaluation")
    assert (evaluation["horizon_sessions"], card(graph)["target"]["horizon_sessions"]) == (5, 5)
    assert (evaluation["backtest"]["cost_bps"], evaluation["backtest"]["short"]) == (20, True)
    assert metadata(result, "model")["estimator"].value == "linear"
    assert graph.checksums().keys() == set(ALL)


def test_saying_the_defaults_changes_no_byte(finished, make_graph):
    """The same settings are the same partition, wherever they were said."""
    graph = make_graph()
    assert graph.run("whole_graph_job", model={"horizon": 1, "threads": 1}).success
    assert graph.checksums() == finished[0].checksums()


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"horizon": 0}, "TSLA: resources > model_settings > config of the run: horizon is 0; expected a whole number"),
        ({"estimator": "oracle"}, "estimator is 'oracle'; expected one of random_forest"),
        ({"parameters": {"depth": 3}}, "parameters holds 'depth'; expected of random_forest only n_estimators"),
    ],
)
def test_what_can_not_be_stops_the_run_with_the_reason(make_graph, model, problem):
    graph = make_graph()
    result = graph.run([*PRICES, "features"], model=model)
    assert problem in failures(result)["features"]
    assert graph.checksums().keys() == set(PRICES)


def test_features_of_another_horizon_say_what_to_do(make_graph):
    graph = make_graph()
    assert graph.run([*PRICES, "features"]).success
    found = failures(graph.run("training_job", model={"horizon": 5}))
    assert found.keys() == {"model", "backtest"}
    for message in found.values():
        assert f"TSLA {SESSION}: the last target session is {later(1)}; expected {later(5)}" in message
        assert "materialise features" in message


def test_a_model_of_another_horizon_says_what_to_do(make_graph):
    graph = make_graph()
    assert graph.run(TRAINED, session=later(-3), model=LINEAR).success
    message = failures(graph.run([*PRICES, "features", "predictions"], model={"horizon": 5}))["predictions"]
    assert f"TSLA {SESSION}: the newest model, of {later(-3)}, is about 1 session(s) ahead" in message
    assert (
        "the settings ask for a horizon of 5: materialise features, model, backtest and evaluation of TSLA" in message
    )
    # What the message says to do helps.
    assert graph.run(TRAINING, model=LINEAR | {"horizon": 5}).success
    assert graph.run(["predictions"], model={"horizon": 5}).success


def test_a_model_of_another_kind_but_the_same_horizon_is_used(make_graph):
    graph = make_graph()
    assert graph.run(TRAINED, session=later(-1), model=LINEAR).success
    assert graph.run([*PRICES, "features", "predictions"]).success


class TestLedger:
    """What counts as tried on a ticker."""

    def trials(self, graph, session=SESSION) -> list[str]:
        data = graph.store.read("trials", "TSLA", session)[".json"]
        return [trial["asset"] for trial in json.loads(data)["trials"]]

    def n_trials(self, graph, session=SESSION) -> int:
        return graph.snapshot(session).document("evaluation")["backtest"]["n_trials"]

    def test_one_configuration_counts_once_however_often(self, make_graph):
        graph = make_graph()
        for session in (later(-1), SESSION, SESSION):
            assert graph.run(TRAINED, session=session).success
        assert self.n_trials(graph) == 1
        assert self.trials(graph, later(-1)) == ["evaluation"]
        assert graph.store.sessions("trials", "TSLA") == [later(-1)]

    def test_an_evaluation_that_was_replaced_still_counts(self, make_graph):
        graph = make_graph()
        assert graph.run(TRAINED).success
        assert graph.run(TRAINING, model=LINEAR).success
        assert self.n_trials(graph) == 2
        assert graph.run(TRAINING, model=LINEAR | {"short": True}).success
        assert self.n_trials(graph) == 3
        scores = graph.snapshot().document("evaluation")
        once_more = graph.store.checksum("evaluation", "TSLA", SESSION)
        assert graph.run(["evaluation"], model=LINEAR | {"short": True}).success
        assert graph.store.checksum("evaluation", "TSLA", SESSION) == once_more, scores

    def test_what_is_tried_later_or_on_another_ticker_does_not_count(self, make_graph):
        graph = make_graph()
        assert graph.run(TRAINED, session=later(1), model=LINEAR).success
        assert graph.run(TRAINED, ticker="STX", model=LINEAR).success
        assert graph.run(TRAINED).success
        assert self.n_trials(graph) == 1
