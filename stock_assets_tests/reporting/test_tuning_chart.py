"""The picture of a search for settings."""

import io

import numpy as np
import pytest
from matplotlib import image

from stock_assets.core import configuration
from stock_assets.reporting import figures, tuning_chart


def scores(gain: float, error: float = 0.0005) -> dict:
    return {"gain": gain, "standard_error": error}


def document(*gains: float) -> dict:
    settings = configuration.combine({"window": 1500, "parameters": {"max_depth": None}}).model.hyperparameters()
    return {
        "candidates": [
            {"configuration": settings, "chosen": n == 0, "in_force": n == len(gains) - 1, **scores(gain)}
            for n, gain in enumerate(gains)
        ],
        "earlier": {"n_forecasts": 1500},
        "later": {"n_forecasts": 1000, "chosen": scores(0.0001), "in_force": scores(-0.0002)},
    }


def drawn(given: dict, *, simulated: bool = False) -> np.ndarray:
    return image.imread(io.BytesIO(tuning_chart.gains(given, label="TSLA 2024-03-08", simulated=simulated)))


def pixels(picture: np.ndarray, colour: str) -> int:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return int((np.abs(picture[:, :, :3] - [red, green, blue]) < 0.01).all(axis=2).sum())


def test_the_same_document_gives_the_same_bytes():
    first, second = (
        tuning_chart.gains(document(0.001, -0.001), label="TSLA 2024-03-08", simulated=True) for _ in range(2)
    )
    assert first == second


def test_each_candidate_adds_a_row_up_to_the_best_twenty_five_and_the_one_in_force():
    heights = [len(drawn(document(*[-0.0001 * n for n in range(n)]))) for n in (2, 3, 26, 27, 60)]
    row = heights[1] - heights[0]
    assert row == pytest.approx(tuning_chart._ROW * figures.DPI, abs=1)
    assert heights[2] == heights[3] == heights[4]


def test_chosen_and_in_force_stand_out():
    picture = drawn(document(0.001, 0.0, -0.001))
    assert pixels(picture, figures.BLUE) > 50
    assert pixels(picture, figures.ORANGE) > 50


def test_one_far_worse_does_not_squeeze_the_others():
    usual, beside = document(0.001, 0.0, -0.001, -0.002, -0.001), document(0.001, 0.0, -0.001, -0.5, -0.001)
    assert pixels(drawn(beside), figures.BLUE) == pytest.approx(pixels(drawn(usual), figures.BLUE), rel=0.02)


def test_no_gain_and_no_error_can_be_drawn():
    given = document(0.0, 0.0)
    for row in (*given["candidates"], given["later"]["chosen"], given["later"]["in_force"]):
        row |= scores(0.0, 0.0)
    assert drawn(given).size


def test_simulated_prices_are_marked():
    given = document(0.001, -0.001)
    assert (drawn(given, simulated=True) != drawn(given)).any()


def test_names_are_the_estimator_and_what_differs_from_its_defaults():
    assert (
        tuning_chart._name(document(0.0, 0.0)["candidates"][0]) == "chosen: random_forest, max_depth none, window 1500"
    )
    long = {"configuration": configuration.combine().model.hyperparameters(), "chosen": False, "in_force": True}
    long["configuration"]["parameters"] |= {"max_features": 0.123456, "min_samples_leaf": 1234, "n_estimators": 123456}
    assert len(tuning_chart._name(long)) == tuning_chart._CHARACTERS
    assert tuning_chart._name(long).startswith("in force: random_forest, n_estimators 123456")
