"""How often intervals held, year by year."""

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import evaluation
from stock_assets.reporting import coverage, html


def forecasts(misses: list[float]) -> pd.DataFrame:
    """Forecasts of no change by weekdays from 2022-01-03 on, each missed by so much at the same volatility."""
    index = pd.bdate_range("2022-01-03", periods=len(misses), name="session").as_unit("ns")
    return pd.DataFrame({"realised_return": misses, "expected_return": 0.0, "volatility": 0.01}, index=index)


def test_shares_are_those_of_the_evaluation(inputs: html.ReportInputs) -> None:
    years = coverage.by_year(inputs.backtest, 1, evaluation.INTERVAL_LEVEL)
    scored = {entry["year"]: entry["coverage"] for entry in inputs.evaluation["by_year"]}
    assert years["share"].to_dict() == {year: share for year, share in scored.items() if share is not None}
    assert years["n"].sum() == inputs.evaluation["interval"]["n"]


def test_a_year_by_hand() -> None:
    """260 weekdays of 2022, the first hundred to warm up; then all misses grow, so that none stays inside."""
    years = coverage.by_year(forecasts([0.01] * 101 + [0.01 * 1.1**n for n in range(1, 160)]), 1, 0.9)
    assert years["n"].tolist() == [160]
    assert years["share"].tolist() == [1 / 160]
    # Wilson, 1 of 160: centre (0.00625 + 0.012005) / 1.024010, half-width 1.96 sqrt(0.0000388 + 0.0000375) / 1.024010
    assert years["low"].tolist() == pytest.approx([0.00110], abs=2e-5)
    assert years["high"].tolist() == pytest.approx([0.03453], abs=2e-5)


def test_overlapping_outcomes_leave_more_to_chance() -> None:
    random = np.random.default_rng(5)
    backtest = forecasts((0.01 * random.standard_normal(700)).tolist())
    alone, overlapping = (coverage.by_year(backtest, horizon, 0.9) for horizon in (1, 5))
    assert ((overlapping["high"] - overlapping["low"]) > 1.8 * (alone["high"] - alone["low"])).all()


def test_too_few_forecasts_give_no_year() -> None:
    assert coverage.by_year(forecasts([0.01] * 60), 1, 0.9).empty
