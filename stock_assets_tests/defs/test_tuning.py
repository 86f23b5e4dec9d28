"""The asset `tuning`: by hand only, stored with its picture, every candidate on record."""

import json

import pytest

from stock_assets.core import configuration
from stock_assets_tests.defs.graph import PRICES, SESSION, failures, later, materialised, metadata

LINEAR = {"estimator": "linear", "calibration": "none"}
TRIED = {"grid": {"parameters": {"C": [0.001, 1.0]}}}


@pytest.fixture
def graph(make_graph):
    graph = make_graph()
    assert graph.run([*PRICES, "features"]).success
    return graph


def tune(graph, config, **how):
    return graph.run("tuning_job", model=LINEAR, ops={"tuning": config}, **how)


def test_a_search_is_stored_with_its_picture_and_told(graph):
    result = tune(graph, TRIED)
    assert result.success, failures(result)
    files = graph.store.read("tuning", "TSLA", SESSION)
    assert files.keys() == {".json", ".png"}
    assert files[".png"].startswith(b"\x89PNG")
    document = graph.snapshot().document("tuning")
    told = metadata(result, "tuning")
    assert told["conclusion"].value == document["conclusion"]
    assert document["watchlist_entry"] in told["watchlist entry"].value
    assert len(told["candidates"].records) == len(document["candidates"]) == 3
    assert told["configurations tried"].value == document["n_trials"] == 3
    assert told["source"].value == "canned"


def test_again_gives_the_same_bytes(graph):
    checksums = set()
    for _ in range(2):
        assert tune(graph, TRIED | {"random_candidates": 1, "seed": 3}).success
        checksums.add(graph.store.checksum("tuning", "TSLA", SESSION))
    assert len(checksums) == 1


def test_every_candidate_counts_in_later_evaluations(graph):
    assert tune(graph, TRIED).success
    assert graph.run("training_job", model=LINEAR).success
    assert graph.snapshot().document("evaluation")["backtest"]["n_trials"] == 3
    # Another search of the same partition replaces the artefact, not what was tried.
    assert tune(graph, {"grid": {"window": [300]}}).success
    assert graph.run(["evaluation"], model=LINEAR).success
    assert graph.snapshot().document("evaluation")["backtest"]["n_trials"] == 4


def test_tuning_on_a_later_session_does_not_count(graph):
    graph.run([*PRICES, "features"], session=later(1))
    assert tune(graph, TRIED, session=later(1)).success
    assert graph.run("training_job", model=LINEAR).success
    assert graph.snapshot().document("evaluation")["backtest"]["n_trials"] == 1


def test_without_candidates_nothing_is_done(graph):
    """As in "Materialize all": what nobody asked for is not tried, and not on record."""
    result = graph.run("tuning_job")
    assert result.success
    assert materialised(result) == set()
    assert not graph.store.has("tuning", "TSLA", SESSION)
    assert not graph.store.has("trials", "TSLA", SESSION)
    assert any("no candidates: give grid or random_candidates" in line for line in graph.log("tuning"))


def test_a_copied_entry_gives_the_chosen_model(graph, make_graph):
    assert tune(graph, TRIED).success
    document = graph.snapshot().document("tuning")
    [chosen] = [row for row in document["candidates"] if row["chosen"]]
    followed = make_graph(tickers=f"[{document['watchlist_entry'].removeprefix('- ')}]")
    assert followed.run("training_job").success
    assert followed.snapshot().document("model")["hyperparameters"] == chosen["configuration"]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"grid": {"horizon": [1, 5]}}, "a candidate sets horizon; expected only"),
        ({"random_candidates": -1}, "random_candidates is -1; expected from 0"),
        (TRIED | {"earlier_share": 0.95}, "earlier_share is 0.95; expected from 0.2 to 0.8"),
    ],
)
def test_what_can_not_be_tried(graph, config, problem):
    message = failures(tune(graph, config))["tuning"]
    assert f"TSLA {SESSION}: " in message
    assert problem in message


def test_the_record_says_what_was_tried(graph):
    assert tune(graph, TRIED).success
    trials = json.loads(graph.store.read("trials", "TSLA", SESSION)[".json"])["trials"]
    assert {trial["asset"] for trial in trials} == {"tuning"}
    assert [trial["fingerprint"] for trial in trials] == sorted(trial["fingerprint"] for trial in trials)
    for trial in trials:
        assert configuration.combine(trial["overrides"]).fingerprint() == trial["fingerprint"]
