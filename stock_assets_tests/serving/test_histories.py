"""Facts about forecasts from prices that somebody brings along."""

import datetime as dt
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from stock_assets.core.errors import (
    BadPricesError,
    InsufficientHistoryError,
    InvalidTickerError,
    MissingArtefactError,
    ModelExpiredError,
    NotASessionError,
    NotWholeError,
    SchemaError,
    SessionNotClosedError,
)
from stock_assets.serving import histories
from stock_assets.serving.forecasts import Forecasts
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.serving import stores
from stock_assets_tests.serving.stores import SESSION, later

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
PRICES = ["open", "high", "low", "close"]


@pytest.fixture
def served(small_store: ArtefactStore) -> Forecasts:
    return Forecasts(small_store)


@pytest.fixture
def bars(small_store: ArtefactStore) -> pd.DataFrame:
    """The stored raw bars of TSLA, up to SESSION."""
    return stores.table(small_store, "raw_prices", "TSLA", SESSION)


def ask(bars: pd.DataFrame, served: Forecasts, ticker: str = "TSLA", now: dt.datetime = NOW) -> histories.Answer:
    return histories.forecast_of(bars, ticker, served, now=now)


def test_the_stored_raw_bars_give_the_stored_numbers(bars: pd.DataFrame, served: Forecasts) -> None:
    stored = served.newest("TSLA")
    found, left_out = ask(bars, served)
    assert dict(found.row) == {**stored.row, "source": "upload"}
    assert list(found.row) == list(stored.row)
    assert (found.model_checksum, found.verdict) == (stored.model_checksum, stored.verdict)
    assert found.horizon_sessions == 1
    assert left_out == {}


@pytest.mark.parametrize("n", [-2, -1])
def test_so_do_those_of_an_earlier_session(
    bars: pd.DataFrame, served: Forecasts, small_store: ArtefactStore, n: int
) -> None:
    # No split or dividend lies between: what was served that evening is the beginning of what was served later.
    found, _ = ask(bars.loc[: pd.Timestamp(later(n))], served)
    assert dict(found.row) == {**served.of("TSLA", later(n)).row, "source": "upload"}


def test_checksums_are_of_what_was_brought(bars: pd.DataFrame, served: Forecasts) -> None:
    found, _ = ask(bars, served)
    told = {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in found.row.items()}
    assert found.forecast_checksum == hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()
    assert ask(bars, served)[0] == found
    other, _ = ask(bars.assign(volume=bars["volume"] + 1), served)
    assert other.data_checksum not in (None, found.data_checksum)
    assert {served.newest("TSLA").data_checksum, served.newest("TSLA").forecast_checksum}.isdisjoint(
        {found.data_checksum, found.forecast_checksum}
    )


def test_whose_prices_they_are_is_told(bars: pd.DataFrame, served: Forecasts) -> None:
    found, _ = ask(bars, served)
    assert found.warnings == (
        "upload: these prices were brought along, and nobody but who brought them has looked at them",
    )
    assert (found.source, found.is_simulated) == ("upload", False)


def test_a_model_of_simulated_prices_is_told(tmp_path, bars: pd.DataFrame) -> None:
    simulated = Forecasts(stores.small_store(tmp_path / "other", ["TSLA"], source="simulated"))
    found, _ = ask(bars, simulated)
    assert any("the model was trained on simulated prices" in warning for warning in found.warnings)


def test_nothing_is_stored(bars: pd.DataFrame, served: Forecasts, small_store: ArtefactStore) -> None:
    before = served.newest("TSLA")
    ask(bars * 1.5, served)
    assert small_store.sessions("predictions", "TSLA")[-1] == SESSION
    assert served.newest("TSLA") is before


def test_another_unit_of_money_gives_the_same_probability(bars: pd.DataFrame, served: Forecasts) -> None:
    dearer = bars.copy()
    dearer[[*PRICES, "adj_close", "dividends"]] *= 4  # exact in binary
    found, stored = ask(dearer, served)[0].row, served.newest("TSLA").row
    assert found["probability_up"] == stored["probability_up"]
    assert found["naive_close"] == 4 * stored["naive_close"]
    assert found["predicted_close"] == 4 * stored["predicted_close"]


def test_what_cleaning_and_checks_think_of_it_is_told(bars: pd.DataFrame, served: Forecasts) -> None:
    odd = bars.copy()
    odd.iloc[-40, odd.columns.get_indexer(["high"])] = odd["close"].iloc[-40] * 0.999
    odd.iloc[-40, odd.columns.get_indexer(["open", "low"])] = odd["close"].iloc[-40] * 0.998
    odd = odd.drop(odd.index[-60])
    found, _ = ask(odd, served)
    assert "No row is flagged with a repair. Came: 1; expected 0 rows with a repair" in found.warnings
    assert any(warning.startswith("No session of the exchange is missing") for warning in found.warnings)


def test_bars_that_could_not_be_used_are_told(bars: pd.DataFrame, served: Forecasts) -> None:
    saturday = bars.iloc[[-1]].set_axis(pd.DatetimeIndex(["2024-03-02"]), axis=0)
    saturday[["open", "high", "low", "close", "volume"]] = np.nan
    gap = bars.copy()
    gap.loc["2024-02-14", PRICES] = np.nan
    after = bars.iloc[[-1]].set_axis(pd.DatetimeIndex(["2024-03-11"]), axis=0)
    after[PRICES] = np.nan
    history = pd.concat([gap, saturday, after]).sort_index().rename_axis("session")
    found, left_out = ask(history, served)
    assert found.as_of == SESSION
    assert left_out == {
        dt.date(2024, 2, 14): "a bar without all its prices",
        dt.date(2024, 3, 2): "2024-03-02, a Saturday, is not a session of XNYS, and the bar says nothing new",
        dt.date(2024, 3, 11): "a bar without all its prices, after the last complete one, of 2024-03-08",
    }


def test_a_split_after_the_last_complete_bar_tells_the_basis(bars: pd.DataFrame, served: Forecasts) -> None:
    after = bars.iloc[[-1]].set_axis(pd.DatetimeIndex(["2024-03-11"]), axis=0)
    after[[*PRICES, "adj_close", "volume"]] = np.nan
    after["stock_splits"] = 2.0
    halved = bars.copy()
    halved[[*PRICES, "adj_close", "dividends"]] /= 2
    halved["volume"] *= 2
    found, _ = ask(pd.concat([halved, after]).rename_axis("session"), served)
    assert found.row["naive_close"] == served.newest("TSLA").row["naive_close"]
    assert found.row["probability_up"] == served.newest("TSLA").row["probability_up"]


# What can't be answered


def test_no_bar_at_all(bars: pd.DataFrame, served: Forecasts) -> None:
    with pytest.raises(BadPricesError, match="TSLA: no bar came, none with open, high, low and close"):
        ask(bars.iloc[:0], served)
    with pytest.raises(BadPricesError, match=f"TSLA: {len(bars)} bars came, none with"):
        ask(bars.assign(close=np.nan), served)


def test_too_few_bars(bars: pd.DataFrame, served: Forecasts) -> None:
    with pytest.raises(InsufficientHistoryError, match="TSLA 2024-03-08: 252 bars are too few"):
        ask(bars.iloc[-252:], served)


def test_a_price_that_is_none_names_its_session(bars: pd.DataFrame, served: Forecasts) -> None:
    odd = bars.copy()
    odd.loc["2024-02-14", "low"] = -1.0
    with pytest.raises(BadPricesError, match="2024-02-14"):
        ask(odd, served)


def test_two_different_bars_of_one_session(bars: pd.DataFrame, served: Forecasts) -> None:
    twice = pd.concat([bars, bars.iloc[[-5]] * 1.01]).sort_index(kind="stable")
    with pytest.raises(BadPricesError, match=f"{bars.index[-5]:%Y-%m-%d}.*given twice|given twice.*"):
        ask(twice, served)


def test_bars_in_no_order(bars: pd.DataFrame, served: Forecasts) -> None:
    with pytest.raises(SchemaError, match=r"TSLA 2024-03-08: raw_prices .*in_order"):
        ask(bars.iloc[::-1], served)


def test_columns_that_are_missing(bars: pd.DataFrame, served: Forecasts) -> None:
    with pytest.raises(SchemaError, match="TSLA 2024-03-08: raw_prices does not have the expected form"):
        ask(bars.drop(columns="capital_gains"), served)


def test_a_last_bar_on_no_session(bars: pd.DataFrame, served: Forecasts) -> None:
    saturday = bars.iloc[[-1]].set_axis(pd.DatetimeIndex(["2024-03-09"]), axis=0)
    with pytest.raises(NotASessionError, match="2024-03-09, a Saturday"):
        ask(pd.concat([bars, saturday]).rename_axis("session"), served)


def test_a_session_that_is_not_over(bars: pd.DataFrame, served: Forecasts) -> None:
    with pytest.raises(SessionNotClosedError, match="2024-03-08: prices are final from 2024-03-08 22:00 UTC on"):
        ask(bars, served, now=dt.datetime(2024, 3, 8, 21, 59, tzinfo=dt.UTC))


def test_tickers_without_a_model(bars: pd.DataFrame, served: Forecasts) -> None:
    with pytest.raises(InvalidTickerError):
        ask(bars, served, "no ticker")
    with pytest.raises(MissingArtefactError, match="AAPL 2024-03-08: no model of AAPL is stored"):
        ask(bars, served, "AAPL")


def test_bars_of_another_time_than_the_models(bars: pd.DataFrame, served: Forecasts) -> None:
    earlier = bars.loc[: pd.Timestamp(later(-3))]
    with pytest.raises(ModelExpiredError, match="TSLA 2024-03-05: there is no model from the last 10 sessions"):
        ask(earlier, served)


def test_an_evaluation_of_an_earlier_form_is_no_crash(
    bars: pd.DataFrame, served: Forecasts, small_store: ArtefactStore
) -> None:
    document = b'{"ticker": "TSLA", "as_of": "2024-03-06"}'
    small_store.write("evaluation", "TSLA", later(-2), {".json": document})
    with pytest.raises(NotWholeError, match="TSLA 2024-03-08: no forecast can be made with the stored model"):
        ask(bars, served)
