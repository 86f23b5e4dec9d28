"""What is served is what the asset `predictions` says, to the last bit: made by Dagster, read without it."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from stock_assets.serving import histories
from stock_assets.serving.forecasts import Forecasts
from stock_assets_tests.defs import graph
from stock_assets_tests.defs.graph import SESSION, Graph, later

FORECAST = (*graph.PRICES, "features", "predictions")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """TSLA on SESSION and the session after, with one model."""
    folder = tmp_path_factory.mktemp("graph")
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        made = Graph(folder, instance)
        assert made.run((*graph.TRAINED, "predictions")).success
        assert made.run(FORECAST, session=later(1)).success
        yield made


@pytest.mark.parametrize("session", [SESSION, later(1)])
def test_the_row_is_the_assets_own(made: Graph, session: dt.date) -> None:
    served = Forecasts(made.store)
    found = served.of("TSLA", session)
    [stored] = made.snapshot(session).table("predictions").to_dict("records")
    expected = {name: value.date() if hasattr(value, "date") else value for name, value in stored.items()}
    assert dict(found.row) == expected
    assert found.row["model_as_of"] == SESSION
    assert found.forecast_checksum == made.store.checksum("predictions", "TSLA", session)
    assert found.data_checksum == made.store.checksum("clean_prices", "TSLA", session)
    assert found.model_checksum == made.store.checksum("model", "TSLA", SESSION)
    assert found.verdict == made.snapshot().document("evaluation")["verdict"]["text"]
    assert found.warnings == ()
    assert served.newest("TSLA").as_of == later(1)
    assert served.troubles() == {}


def test_the_raw_bars_brought_along_give_the_same_numbers(made: Graph) -> None:
    served = Forecasts(made.store)
    bars = made.snapshot(later(1)).table("raw_prices")
    now = dt.datetime(2024, 3, 12, tzinfo=dt.UTC)
    found, left_out = histories.forecast_of(bars, "TSLA", served, now=now)
    assert dict(found.row) == {**served.newest("TSLA").row, "source": histories.SOURCE}
    assert left_out == {}


def test_a_run_that_makes_it_again_otherwise_is_told_when_it_is_done(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        again = Graph(tmp_path, instance)
        assert again.run((*graph.TRAINED, "predictions")).success
        served = Forecasts(again.store, refresh_seconds=0)
        before = served.newest("TSLA")
        other = {"seed": 7}
        assert again.run(graph.TRAINING, model=other).success
        assert served.newest("TSLA") is before
        assert "is not what the stored prices, model and evaluation give" in served.troubles()["TSLA"]
        assert again.run(["predictions"], model=other).success
        after = served.newest("TSLA")
        assert after.row["as_of"] == before.row["as_of"]
        assert after.model_checksum == again.store.checksum("model", "TSLA", SESSION) != before.model_checksum
        assert after.data_checksum == before.data_checksum
        assert served.troubles() == {}
