"""What a materialisation tells in the UI, and that stored tables have the form their schema promises."""

import json

import dagster as dg
import pandas as pd
import pytest

from stock_assets.core import features, schemas
from stock_assets.defs import describe
from stock_assets_tests.defs.graph import ALL, SESSION, CannedSource, metadata

SCHEMAS = {
    "raw_prices": schemas.RAW_PRICES,
    "clean_prices": schemas.CLEAN_PRICES,
    "features": features.schema(),
    "backtest": schemas.BACKTEST,
    "predictions": schemas.PREDICTIONS,
    "track_record": schemas.TRACK_RECORD,
}


@pytest.mark.parametrize("asset", SCHEMAS)
def test_stored_tables_have_the_form_of_their_schema(finished, asset):
    graph, _ = finished
    table = graph.snapshot().table(asset)
    schemas.validate(table, SCHEMAS[asset], ticker="TSLA", as_of=SESSION)
    assert table.attrs["source"] == "canned"


@pytest.mark.parametrize("asset", SCHEMAS)
def test_rows_and_columns_are_told(finished, asset):
    graph, result = finished
    told = metadata(result, asset)
    table = graph.snapshot().table(asset)
    assert told["dagster/row_count"].value == len(table)
    columns = told["dagster/column_schema"].schema.columns
    rows = table.reset_index() if table.index.name else table
    assert [column.name for column in columns] == list(rows.columns)
    for column in columns:
        assert column.description
        assert column.type
        assert column.constraints.nullable or rows[column.name].notna().all()


@pytest.mark.parametrize("asset", SCHEMAS)
def test_the_last_rows_are_shown(finished, asset):
    graph, result = finished
    table = graph.snapshot().table(asset)
    shown = metadata(result, asset)["last rows"]
    assert isinstance(shown, dg.TableMetadataValue)
    headings = [column.name for column in shown.schema.columns]
    if table.index.name:
        assert headings == ["column", *(f"{session:%Y-%m-%d}" for session in table.index[-3:])]
    else:
        assert headings == ["column", "value"]
    lines = [record.data["column"] for record in shown.records]
    assert lines[:20] == list(table.columns[:20])
    if len(table.columns) > 20:
        assert lines[20:] == [f"... and {len(table.columns) - 20} more columns"]


def test_the_last_rows_are_read_like_prices():
    frame = pd.DataFrame(
        {"close": [1234.5678, 175.339996], "volume": [85315300.0, 99], "return": [float("nan"), -0.018527837]},
        index=pd.DatetimeIndex(["2024-03-07", "2024-03-08"], name="session"),
    )
    assert [record.data for record in describe.last_rows(frame).records] == [
        {"column": "close", "2024-03-07": "1,234.6", "2024-03-08": "175.34"},
        {"column": "volume", "2024-03-07": "85,315,300", "2024-03-08": "99"},
        {"column": "return", "2024-03-07": "missing", "2024-03-08": "-0.018528"},
    ]


def test_rows_that_offend_are_shown_with_digits_enough_to_tell_them_apart():
    frame = pd.DataFrame(
        {"high": [47.960001], "low": [47.960002]}, index=pd.DatetimeIndex(["2019-05-01"], name="session")
    )
    [row] = describe.preview(frame).records
    assert row.data == {"session": "2019-05-01", "high": "47.960001", "low": "47.960002"}


def test_events_are_shown_where_there_were_any():
    """A failed check's dialog is narrow; a volume of nothing may be the very fault."""
    frame = pd.DataFrame(
        {"close": [1.0, 2.0], "volume": [0, 0], "dividends": [0.0, 0.0], "stock_splits": [0.0, 2.0]},
        index=pd.DatetimeIndex(["2024-03-07", "2024-03-08"], name="session"),
    )
    assert [list(row.data) for row in describe.preview(frame).records] == 2 * [
        ["session", "close", "volume", "stock_splits"]
    ]


@pytest.mark.parametrize("asset", ALL)
def test_the_source_is_told(finished, asset):
    _, result = finished
    assert metadata(result, asset)["source"].value == "canned"


def test_invented_prices_are_told_loudly(make_graph):
    source = CannedSource()
    source.name = "simulated"
    result = make_graph(prices=source).run(["raw_prices"])
    assert metadata(result, "raw_prices")["source"].value == "SIMULATED PRICES, NOT REAL"


def test_numbers_told_are_those_stored(finished):
    graph, result = finished
    snapshot = graph.snapshot()
    prices, forecast = snapshot.table("clean_prices"), snapshot.table("predictions").iloc[0]
    assert metadata(result, "raw_prices")["last close"].value == pytest.approx(prices["close"].iloc[-1], rel=1e-5)
    told = metadata(result, "predictions")
    assert told["target session"].value == f"{forecast['target_session']:%Y-%m-%d}"
    for name in ("probability_up", "expected_return", "predicted_close", "naive_close"):
        assert told[name.replace("_", " ")].value == pytest.approx(forecast[name], rel=1e-5)
    verdict = snapshot.document("evaluation")["verdict"]
    assert metadata(result, "evaluation")["verdict"].value == verdict["text"]
    assert metadata(result, "evaluation")["beats naive"].value is verdict["beats_naive"]
    assert told["beats naive"].value is verdict["beats_naive"]


def test_metadata_is_plain_json(finished):
    """No number of numpy's: Dagster's storage would keep its repr."""
    _, result = finished
    for asset in ALL:
        for name, value in metadata(result, asset).items():
            if isinstance(value, dg.JsonMetadataValue):
                json.dumps(value.value, allow_nan=False)
            assert type(value.value).__module__ != "numpy", (asset, name)


def test_a_number_that_is_missing_is_not_told(make_graph):
    """NaN has no place in JSON, and the UI could read nothing of such an event."""

    def without_last_close(bars, ticker, session):
        bars.loc[bars.index[-1], "close"] = float("nan")
        return bars

    graph = make_graph(prices=CannedSource(change=without_last_close))
    result = graph.run(["raw_prices"])
    told = metadata(result, "raw_prices")
    assert "last close" not in told
    assert "missing" in {record.data[str(SESSION)] for record in told["last rows"].records}
    [check] = [found for found in result.get_asset_check_evaluations() if found.check_name == "last_session_is_present"]
    assert not check.passed


def test_the_session_is_the_last_row(finished):
    graph, _ = finished
    for asset in ("raw_prices", "clean_prices", "features"):
        assert graph.snapshot().table(asset).index[-1] == pd.Timestamp(SESSION)
