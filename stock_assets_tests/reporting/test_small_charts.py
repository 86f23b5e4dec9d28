"""The small pictures of the Dagster UI: shown at once, the same every time, drawn whatever the numbers are like."""

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core.model_settings import TradingRules
from stock_assets.reporting import figures, html, small_charts
from stock_assets_tests.reporting.conftest import walk

LOOK = {"label": "DEMO 2024-03-08", "simulated": False}
IMPORTANCE = {f"a_feature_with_a_name_{n:02}": 0.01 * n - 0.02 for n in range(12)}
SHUFFLED = "loss when a feature is shuffled"
# The longest ticker there may be, on simulated prices.
LONGEST = {"label": "ABCDEFGHIJ 2024-03-08", "simulated": True}


def drawn(inputs: html.ReportInputs, look: dict) -> dict[str, str]:
    row = inputs.predictions.iloc[0].to_dict()
    return {
        "closes": small_charts.closes(inputs.clean, **look),
        "drawdown": small_charts.drawdown(inputs.clean, **look),
        "equity": small_charts.equity(inputs.backtest, TradingRules(), 1, **look),
        "calibration": small_charts.calibration(inputs.backtest, **look),
        "forecast": small_charts.forecast(inputs.clean["close"], row, **look),
        "importance": small_charts.importance(IMPORTANCE, dict.fromkeys(IMPORTANCE, 0.01), measure=SHUFFLED, **look),
    }


def svg(uri: str) -> ElementTree.Element:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/svg+xml"
    return ElementTree.fromstring(unquote(content))


def words(uri: str) -> list[str]:
    return [element.text or "" for element in svg(uri).iter() if element.tag.endswith("text")]


def heights(uri: str, colour: str) -> np.ndarray:
    """How high the points of a line are, counted in pixels from the top."""
    [path] = [element.get("d") for element in svg(uri).iter() if element.get("stroke") == colour]
    start, steps = re.fullmatch(r"M\d+ (\d+)l([\d -]+).*", path or "").groups()
    return np.cumsum([int(start), *map(int, re.findall(r"-?\d+", steps)[1::2])])


@pytest.fixture(scope="module")
def pictures(inputs: html.ReportInputs) -> dict[str, str]:
    return drawn(inputs, LONGEST)


def test_the_ui_shows_them_at_once(pictures: dict[str, str]) -> None:
    """Fewer than 1,000 characters with the marks of Markdown, and nothing in them that ends the address."""
    for name, uri in pictures.items():
        assert len(f"![{name}](<{uri}>)") < 1000, name
        assert re.fullmatch(r"[A-Za-z0-9_ '=:/;,.+()%-]+", uri), name


def test_they_are_strips_of_white(pictures: dict[str, str]) -> None:
    for uri in pictures.values():
        root = svg(uri)
        assert (root.get("width"), root.get("height")) == ("480", "112")
        assert "background:white" in (root.get("style") or "")


def test_the_same_numbers_give_the_same_bytes(inputs: html.ReportInputs, pictures: dict[str, str]) -> None:
    assert drawn(inputs, LONGEST) == pictures


def test_simulated_prices_are_marked_as_such(inputs: html.ReportInputs, pictures: dict[str, str]) -> None:
    real = drawn(inputs, LOOK)
    for name, uri in pictures.items():
        assert figures.WATERMARK in words(uri), name
        assert figures.WATERMARK not in words(real[name]), name


def test_what_is_shown_is_said(inputs: html.ReportInputs) -> None:
    clean = inputs.clean.assign(close=np.linspace(100.0, 50.0, len(inputs.clean)))
    clean.iloc[-1, clean.columns.get_loc("close")] = 120.0
    before = clean["close"].iloc[-2]
    first = f"{clean.index[-252]:%Y-%m-%d}"
    assert words(small_charts.closes(clean, **LOOK)) == [
        "DEMO 2024-03-08 close 120.00",
        "120.00",
        f"{before:.2f}",
        f"{first} to 2024-03-08",
    ]


def test_a_line_goes_where_the_prices_go() -> None:
    """Down from the top of the panel to its lower end."""
    falling = walk(50).assign(close=np.linspace(20.0, 10.0, 50))
    points = heights(small_charts.closes(falling, **LOOK), figures.INK)
    assert (points[0], points[-1]) == (22, 94)
    assert (np.diff(points) >= 0).all()
    assert len(points) == 50


def test_the_last_year_is_the_last_252_sessions() -> None:
    clean = walk(600)
    older = clean.assign(close=np.where(np.arange(600) < 600 - 252, 1.0, clean["close"]))
    assert small_charts.closes(older, **LOOK) == small_charts.closes(clean, **LOOK)
    newer = clean.assign(close=np.where(np.arange(600) < 601 - 252, 1.0, clean["close"]))
    assert small_charts.closes(newer, **LOOK) != small_charts.closes(clean, **LOOK)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_a_short_history_is_drawn(n: int) -> None:
    clean = walk(n)
    for draw in (small_charts.closes, small_charts.drawdown):
        assert "2024-03-08" in words(draw(clean, **LOOK))[-1]


def test_a_price_that_never_moves_is_a_level_line() -> None:
    clean = walk(300).assign(close=50.0, adjusted_close=50.0)
    assert set(heights(small_charts.closes(clean, **LOOK), figures.INK)) == {58}
    assert words(small_charts.drawdown(clean, **LOOK))[0] == "DEMO 2024-03-08 drawdown 0.0%"


@given(st.lists(st.floats(1e-4, 1e7), min_size=1, max_size=300))
def test_any_prices_fit(prices: list[float]) -> None:
    clean = walk(300).tail(len(prices)).assign(close=prices, adjusted_close=prices)
    for draw in (small_charts.closes, small_charts.drawdown):
        assert len(draw(clean, **LONGEST)) <= small_charts.MAX_CHARACTERS


@pytest.mark.parametrize("worst", [-0.99, -1.0, -1.5])
def test_a_strategy_that_loses_everything_is_drawn(inputs: html.ReportInputs, worst: float) -> None:
    """Short sellers can lose more than all: no logarithm of that."""
    returns = inputs.backtest["realised_return"].to_numpy().copy()
    returns[50] = worst
    backtest = inputs.backtest.assign(realised_return=returns)
    assert "growth of 1" in words(small_charts.equity(backtest, TradingRules(short=True), 1, **LOOK))[0]


def test_the_features_that_count_most_are_named_in_order() -> None:
    uri = small_charts.importance(IMPORTANCE, measure="measure", **LOOK)
    assert words(uri) == ["DEMO 2024-03-08 measure", *(f"a_feature_with_a_name_{n:02}" for n in range(11, 5, -1))]


def test_equal_importances_do_not_depend_on_their_order() -> None:
    same = dict.fromkeys("abcdefgh", 0.0)
    turned = dict(reversed(same.items()))
    first, second = (small_charts.importance(means, measure="measure", **LOOK) for means in (same, turned))
    assert first == second


def test_one_bin_of_forecasts_is_drawn(inputs: html.ReportInputs) -> None:
    """A model that always says the same."""
    backtest = inputs.backtest.assign(probability_up=0.5)
    assert words(small_charts.calibration(backtest, **LOOK))[-1] == "said 50.0%"


@pytest.mark.parametrize("n", [1, 2, 41])
def test_a_forecast_after_few_closes_is_drawn(inputs: html.ReportInputs, n: int) -> None:
    row = inputs.predictions.iloc[0].to_dict()
    said = words(small_charts.forecast(pd.Series(inputs.clean["close"].iloc[-n:]), row, **LOOK))
    assert f"{row['predicted_close']:.2f}" in said
    assert said[0] == "DEMO 2024-03-08 forecast, 90% interval"


def test_a_name_can_break_neither_picture_nor_page() -> None:
    uri = small_charts.closes(walk(30), label="A&B<C> 'D'", simulated=False)
    assert words(uri)[0].startswith("A&B<C> 'D' close ")
    assert not set(uri) & set("<>&")
