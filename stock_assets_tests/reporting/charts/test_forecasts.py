"""Forecasts against outcomes: what is drawn is what was computed."""

import pandas as pd
import pytest

from stock_assets.core import direction_scores
from stock_assets.reporting import alt_texts, figures
from stock_assets.reporting.charts import forecasts
from stock_assets_tests.reporting.charts.looks import LOOK, backtest, pixels


def test_calibration_bins_by_hand() -> None:
    """Two bins of two: 0.40 and 0.44 never rose, 0.60 and 0.64 rose once."""
    bins = direction_scores.calibration_bins(backtest([0.4, 0.6, 0.44, 0.64], [-0.1, 0.1, -0.1, -0.1]), n_bins=2)
    assert bins["forecast"].tolist() == pytest.approx([0.42, 0.62])
    assert bins["share_up"].tolist() == [0.0, 0.5]
    assert bins["n"].tolist() == [2, 2]
    # Wilson for 0 of 2 and 1 of 2: z^2 = 3.8415, upper (z^2 / 2n) / (1 + z^2 / n) * 2; centre one half
    assert bins["low"].tolist() == pytest.approx([0.0, 0.0945], abs=5e-5)
    assert bins["high"].tolist() == pytest.approx([0.6576, 0.9055], abs=5e-5)


def test_calibration_of_one_probability_is_one_bin() -> None:
    bins = direction_scores.calibration_bins(backtest([0.5] * 6, [0.1, -0.1] * 3))
    assert bins[["forecast", "share_up", "n"]].to_numpy().tolist() == [[0.5, 0.5, 6]]
    assert forecasts.calibration(backtest([0.5] * 6, [0.1, -0.1] * 3), **LOOK)


def test_probabilities_before_calibration_are_drawn_where_it_changed_any() -> None:
    as_said = backtest([0.4, 0.6, 0.44, 0.64] * 5, [-0.1, 0.1, -0.1, -0.1] * 5)
    drawn_in = 0.5 + 0.1 * (as_said["probability_up"] - 0.5)
    calibrated = as_said.assign(probability_up=drawn_in)
    assert not forecasts.is_calibrated(as_said)
    assert forecasts.is_calibrated(calibrated)
    assert pixels(forecasts.calibration(as_said, **LOOK), figures.ORANGE) == 0
    assert pixels(forecasts.calibration(calibrated, **LOOK), figures.ORANGE) > 100
    before = "Before calibration: Lowest group: 40.0% forecast, 0.0% rose. Highest group: 62.0% forecast, 50.0% rose."
    assert before in alt_texts.calibration(calibrated)
    assert "Before" not in alt_texts.calibration(as_said)


def test_confusion_matrix_without_a_single_fall_is_drawn_without_a_warning() -> None:
    assert forecasts.confusion_matrix([[0, 0], [3, 7]], **LOOK).startswith(b"\x89PNG")


def test_drawing_twice_gives_the_same_bytes_and_simulated_ones_others() -> None:
    matrix = [[375, 1072], [349, 1203]]
    drawn = forecasts.confusion_matrix(matrix, **LOOK)
    assert forecasts.confusion_matrix(matrix, **LOOK) == drawn
    assert forecasts.confusion_matrix(matrix, label=LOOK["label"], simulated=True) != drawn


def test_alt_text_of_the_confusion_matrix_has_its_numbers() -> None:
    assert alt_texts.confusion_matrix([[375, 1072], [349, 1203]]) == (
        "Of the sessions that fell or stood still, 375 were forecast down and 1,072 up. "
        "Of those that rose, 349 were forecast down and 1,203 up."
    )


def years(*rows: tuple[int, float, float, float]) -> pd.DataFrame:
    index = pd.Index([row[0] for row in rows], dtype="int64", name="year")
    return pd.DataFrame([row[1:] for row in rows], index=index, columns=pd.Index(["share", "low", "high"]))


def test_a_year_that_misses_the_promise_is_red() -> None:
    held = forecasts.coverage(years((2022, 0.88, 0.84, 0.92), (2023, 0.91, 0.87, 0.94)), 0.9, **LOOK)
    missed = forecasts.coverage(years((2022, 0.88, 0.84, 0.92), (2023, 0.75, 0.7, 0.8)), 0.9, **LOOK)
    assert pixels(held, figures.RED) == 0
    assert pixels(missed, figures.RED) > 100
    assert pixels(missed, figures.BLUE) > 100


def test_alt_text_of_coverage_names_the_extremes() -> None:
    assert alt_texts.coverage(years((2022, 0.88, 0.84, 0.92), (2023, 0.75, 0.7, 0.8)), 0.9) == (
        "Share of outcomes inside the interval, which promised 90%, in 2 years: lowest 75.0% in 2023, highest 88.0% in "
        "2022. The promise is within the 95% interval of the share in 1 of 2."
    )


def test_coverage_that_could_not_be_judged_says_so() -> None:
    assert forecasts.coverage(years(), 0.9, **LOOK).startswith(b"\x89PNG")
    assert "not defined" in alt_texts.coverage(years(), 0.9)
