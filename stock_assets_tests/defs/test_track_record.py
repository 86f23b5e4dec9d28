"""The track record in the graph: what it is made from, what it tells, and that it knows nothing later."""

import pytest

from stock_assets.core import features, validation
from stock_assets.storage import formats
from stock_assets_tests.defs.graph import SESSION, CannedSource, Graph, evaluations, later, metadata

BEFORE = (*("raw_prices", "clean_prices", "features"), "track_record")
EVENING = (*("raw_prices", "clean_prices", "features"), "predictions", "track_record")


@pytest.fixture
def graph(make_graph) -> Graph:
    """Forecasts of four sessions, the model being of the first."""
    graph = make_graph()
    assert graph.run((*EVENING, "model", "backtest", "evaluation"), session=later(-4)).success
    for n in (-3, -2, -1):
        assert graph.run(EVENING, session=later(n)).success
    return graph


def files(graph: Graph, n: int = 0) -> dict[str, bytes]:
    return graph.store.read("track_record", "TSLA", later(n))


def test_the_forecasts_of_earlier_evenings_beside_what_followed(graph: Graph):
    result = graph.run(BEFORE)
    assert result.success
    record = graph.snapshot().table("track_record")
    assert [session.date() for session in record.index] == [later(n) for n in (-4, -3, -2, -1)]
    clean = graph.snapshot().table("clean_prices")
    assert record["realised_close"].tolist() == clean["close"].tail(4).tolist()
    assert record["realised_return"].tolist() == pytest.approx(clean["total_return"].tail(4).tolist())
    summary = graph.snapshot().document("track_record")
    assert (summary["n_forecasts"], summary["n_known"]) == (4, 4)
    told = metadata(result, "track_record")
    assert (told["forecasts made"].value, told["outcomes known"].value) == (4, 4)
    assert told["directions right"].value == summary["scores"]["all"]["right"]
    # Four forecasts are too few for a share, and what is not defined is not told.
    assert "accuracy" not in told
    assert [line.data["latest"] for line in told["scores"].records] == ["21", "63", "all"]


def test_the_same_bytes_with_and_without_earlier_records(graph: Graph):
    assert graph.run(BEFORE).success
    with_records = files(graph)
    for path in (graph.store.base / "track_record" / "TSLA").iterdir():
        path.unlink()
    assert graph.run(BEFORE).success
    assert files(graph) == with_records


def test_what_comes_later_changes_no_byte(graph: Graph):
    assert graph.run(BEFORE, session=later(-1)).success
    alone = files(graph, -1)
    assert graph.run(EVENING).success
    assert graph.run(BEFORE, session=later(-1)).success
    assert files(graph, -1) == alone


def test_a_damaged_forecast_holds_nothing_up(graph: Graph):
    damaged = graph.store.path("predictions", "TSLA", later(-2), ".parquet")
    damaged.write_bytes(b"?")
    for path in (graph.store.base / "track_record" / "TSLA").iterdir():
        path.unlink()
    assert graph.run(BEFORE).success
    summary = graph.snapshot().document("track_record")
    assert summary["unreadable"] == [later(-2).isoformat()]
    assert summary["n_forecasts"] == 3
    assert any(f"the forecast of {later(-2)} is left out" in line for line in graph.log("track_record"))


def test_inputs_of_a_short_history_are_not_asked_about(finished):
    graph, result = finished
    check = evaluations(result, "track_record")["inputs_are_stable"]
    assert check.passed
    assert "too few" in check.description
    assert graph.snapshot().document("track_record")["drift"]["n_shifted"] is None


def test_a_quarter_like_none_before_warns_and_holds_nothing_up(make_graph, monkeypatch):
    """The table is too short here to say what is usual, so the finding is made from a summary of our own."""
    shifted = {name: {"psi": 0.9, "highest_before": 0.5, "shifted": True} for name in features.feature_columns()}
    drift = {"n_shifted": len(shifted), "features": shifted}
    graph = make_graph(prices=CannedSource())
    assert graph.run(BEFORE).success
    stored = graph.store.read("track_record", "TSLA", SESSION)
    summary = graph.snapshot().document("track_record")
    summary["drift"] |= drift
    graph.store.write("track_record", "TSLA", SESSION, stored | {".json": formats.encode_json(summary)})
    result = graph.check("track_record")
    assert result.success
    check = evaluations(result, "track_record")["inputs_are_stable"]
    assert not check.passed
    assert check.metadata["observed"].value == 46
    assert check.metadata["threshold"].value == validation.inputs.MOST_SHIFTED
    assert len(check.metadata["offending sessions"].records) == 20
    assert any("check inputs_are_stable failed: 46" in line for line in graph.log("track_record"))
