"""The small pictures of the Dagster UI: small indeed, the same every time, and drawn whatever the numbers are like."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stock_assets.core.model_settings import TradingRules
from stock_assets.reporting import figures, html, small_charts
from stock_assets_tests.reporting.conftest import walk

LOOK = {"label": "DEMO 2024-03-08", "simulated": False}
IMPORTANCE = {f"a_feature_with_a_name_{n}": 0.01 * n - 0.02 for n in range(12)}


def drawn(inputs: html.ReportInputs, *, simulated: bool) -> dict[str, bytes]:
    look = {"label": f"{inputs.ticker} {inputs.as_of}", "simulated": simulated}
    row = inputs.predictions.iloc[0].to_dict()
    return {
        "closes": small_charts.closes(inputs.clean, **look),
        "drawdown": small_charts.drawdown(inputs.clean, **look),
        "equity": small_charts.equity(inputs.backtest, TradingRules(), 1, **look),
        "calibration": small_charts.calibration(inputs.backtest, **look),
        "forecast": small_charts.forecast(inputs.clean["close"], row, **look),
        "importance": small_charts.importance(IMPORTANCE, measure="mean decrease in impurity", **look),
    }


def pixels(png: bytes) -> np.ndarray:
    """(height, width, 3)"""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def count(png: bytes, colour: str, strength: float = 1.0) -> int:
    """How many pixels have a colour, so much of it left on white."""
    wanted = [round(255 - strength * (255 - int(colour[at : at + 2], 16))) for at in (1, 3, 5)]
    return int((pixels(png) == wanted).all(axis=2).sum())


@pytest.fixture(scope="module")
def pictures(inputs: html.ReportInputs) -> dict[str, bytes]:
    return drawn(inputs, simulated=True)


def test_each_is_a_strip_of_few_bytes(pictures: dict[str, bytes]) -> None:
    for name, png in pictures.items():
        assert len(png) <= small_charts.MAX_BYTES, name
        picture = Image.open(io.BytesIO(png))
        assert picture.format == "PNG"
        assert picture.size == (480, 140)
        assert picture.mode == "P"
        assert picture.info == {}, "no date, no name of a program"


def test_the_same_numbers_give_the_same_bytes(inputs: html.ReportInputs, pictures: dict[str, bytes]) -> None:
    assert drawn(inputs, simulated=True) == pictures


def test_simulated_prices_are_marked_as_such(inputs: html.ReportInputs, pictures: dict[str, bytes]) -> None:
    for name, png in drawn(inputs, simulated=False).items():
        changed = (pixels(png) != pixels(pictures[name])).any(axis=2)
        assert changed.sum() > 1000, name
        rows, columns = np.nonzero(changed)
        assert np.ptp(columns) > 200, name
        assert np.ptp(rows) > 10, name


def test_colours_are_those_of_the_reports(pictures: dict[str, bytes]) -> None:
    """Ink for prices, blue for what was forecast, orange for holding, red for what was lost."""
    assert count(pictures["closes"], figures.INK) > 300
    assert count(pictures["forecast"], figures.BLUE) > 20
    assert count(pictures["equity"], figures.BLUE) > 100
    assert count(pictures["equity"], figures.ORANGE) > 100
    assert count(pictures["drawdown"], figures.RED) > 100


@pytest.mark.parametrize("n", [1, 2, 30])
def test_a_short_history_is_drawn(n: int) -> None:
    clean = walk(n)
    for draw in (small_charts.closes, small_charts.drawdown):
        assert len(draw(clean, **LOOK)) <= small_charts.MAX_BYTES


def test_a_price_that_never_moves_is_drawn() -> None:
    clean = walk(300).assign(close=50.0, adjusted_close=50.0)
    assert count(small_charts.closes(clean, **LOOK), figures.INK) > 300
    assert small_charts.drawdown(clean, **LOOK)


@pytest.mark.parametrize("worst", [-0.99, -1.0, -1.5])
def test_a_strategy_that_loses_everything_is_drawn(inputs: html.ReportInputs, worst: float) -> None:
    """Short sellers can lose more than all: no logarithm of that."""
    returns = inputs.backtest["realised_return"].to_numpy().copy()
    returns[50] = worst
    backtest = inputs.backtest.assign(realised_return=returns)
    assert small_charts.equity(backtest, TradingRules(short=True), 1, **LOOK)


def test_the_last_year_is_the_last_252_sessions() -> None:
    clean = walk(600)
    older = clean.assign(close=np.where(np.arange(600) < 600 - 252, 1.0, clean["close"]))
    assert small_charts.closes(older, **LOOK) == small_charts.closes(clean, **LOOK)
    newer = clean.assign(close=np.where(np.arange(600) < 601 - 252, 1.0, clean["close"]))
    assert small_charts.closes(newer, **LOOK) != small_charts.closes(clean, **LOOK)


def test_the_features_that_count_most_are_shown(inputs: html.ReportInputs) -> None:
    fewer = dict(sorted(IMPORTANCE.items(), key=lambda item: -item[1])[:6])
    whole, top = (small_charts.importance(means, measure="measure", **LOOK) for means in (IMPORTANCE, dict(fewer)))
    assert whole == top
    with_deviation = small_charts.importance(IMPORTANCE, dict.fromkeys(IMPORTANCE, 0.01), measure="measure", **LOOK)
    assert with_deviation != whole


def test_equal_importances_do_not_depend_on_their_order() -> None:
    same = dict.fromkeys("abcdefgh", 0.0)
    turned = dict(reversed(same.items()))
    first, second = (small_charts.importance(means, measure="measure", **LOOK) for means in (same, turned))
    assert first == second


def test_one_bin_of_forecasts_is_drawn(inputs: html.ReportInputs) -> None:
    """A model that always says the same."""
    backtest = inputs.backtest.assign(probability_up=0.5)
    assert small_charts.calibration(backtest, **LOOK)


def test_a_forecast_after_few_closes_is_drawn(inputs: html.ReportInputs) -> None:
    row = inputs.predictions.iloc[0].to_dict()
    for n in (1, 2, 41):
        closes = pd.Series(inputs.clean["close"].iloc[-n:])
        assert small_charts.forecast(closes, row, **LOOK)


def test_a_matplotlibrc_of_ones_own_changes_nothing(inputs: html.ReportInputs, pictures: dict[str, bytes]) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "black"}):
        assert drawn(dataclasses.replace(inputs), simulated=True) == pictures
