"""The price: log scales, and the events a reader should see."""

import numpy as np
import pandas as pd
import pytest

from stock_assets.reporting import figures
from stock_assets.reporting.charts import axes, prices
from stock_assets_tests.reporting.charts.looks import LOOK, pixels
from stock_assets_tests.reporting.conftest import walk


@pytest.mark.parametrize("n", [1, 2, 30])
def test_short_history_is_drawn_without_a_warning(n: int) -> None:
    for draw in (prices.price, prices.history):
        assert draw(walk(n), **LOOK).startswith(b"\x89PNG")


@pytest.mark.parametrize(("highest", "is_wide"), [(7.9, False), (8.1, True), (400.0, True)])
def test_wide_range_of_prices_is_drawn_on_a_log_scale(
    highest: float, is_wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = walk(300).assign(close=np.geomspace(1.0, highest, 300))
    drawn = prices.history(clean, **LOOK)
    monkeypatch.setattr(axes, "LOG_SCALE_FROM", np.inf)
    assert (prices.history(clean, **LOOK) != drawn) == is_wide


@pytest.mark.parametrize("draw", [prices.price, prices.history])
def test_splits_and_dividends_are_drawn_where_there_are_any(draw) -> None:
    clean = walk(252)
    none = clean.assign(split_ratio=1.0, dividend=0.0)
    assert pixels(draw(clean, **LOOK), figures.GREEN) > pixels(draw(none, **LOOK), figures.GREEN) == 0
    assert pixels(draw(clean, **LOOK), figures.PURPLE) > pixels(draw(none, **LOOK), figures.PURPLE) == 0


def test_ratios_of_splits_that_follow_closely_stand_in_two_rows() -> None:
    """Two splits thirty sessions apart among a thousand: the second ratio is lifted, and so drawn elsewhere."""
    clean = walk(1000).assign(split_ratio=1.0)
    clean.loc[clean.index[[500, 530]], "split_ratio"] = 2.0
    _, (drawn,) = figures.new(figures.COLUMN, 3.0, (0.3, 2.4))
    prices._mark_splits(drawn, clean)
    assert [text.xyann[1] for text in drawn.texts] == [2, 11]
    clean.loc[clean.index[530], "split_ratio"] = 1.0
    clean.loc[clean.index[800], "split_ratio"] = 2.0
    _, (drawn,) = figures.new(figures.COLUMN, 3.0, (0.3, 2.4))
    prices._mark_splits(drawn, clean)
    assert [text.xyann[1] for text in drawn.texts] == [2, 2]


@pytest.mark.parametrize(("n_paid", "n_written"), [(4, 4), (12, 12), (13, 0)])
def test_amounts_of_dividends_are_written_while_there_is_room(n_paid: int, n_written: int) -> None:
    clean = walk(252).assign(dividend=0.0)
    clean.loc[clean.index[np.linspace(0, 251, n_paid).astype(int)], "dividend"] = 0.24
    _, (drawn,) = figures.new(figures.COLUMN, 3.0, (0.3, 2.4))
    prices._mark_dividends(drawn, clean)
    assert [text.get_text() for text in drawn.texts] == ["0.24"] * n_written


def test_dates_are_those_of_the_sessions() -> None:
    assert axes.days(pd.DatetimeIndex(["1970-01-02", "1971-01-01"])).tolist() == [1.0, 365.0]
