"""How many features may have shifted before somebody is told."""

import datetime as dt

import pytest

from stock_assets.core import validation
from stock_assets.core.validation import inputs


def ask(n_shifted: int | None, **reasons: str) -> validation.Finding:
    features = {
        f"feature_{n}": {"psi": 0.3 + n / 100, "highest_before": 0.2, "shifted": n < (n_shifted or 0)}
        for n in range(46)
    }
    summary = {
        "drift": {"n_shifted": n_shifted, "features": features if n_shifted is not None else None},
        "reasons": reasons,
    }
    return validation.inputs_are_stable(summary, ticker="TSLA", as_of=dt.date(2024, 3, 8))


@pytest.mark.parametrize("n_shifted", [0, 1, inputs.MOST_SHIFTED])
def test_some_shift_in_many_a_quarter(n_shifted):
    found = ask(n_shifted)
    assert found.passed
    assert (found.observed, found.threshold) == (n_shifted, inputs.MOST_SHIFTED)
    assert len(found.offending) == 0


def test_a_third_of_them_at_once_is_told_with_the_worst_first():
    found = ask(16)
    assert not found.passed
    assert found.observed == 16
    assert found.offending["feature"].tolist()[:2] == ["feature_15", "feature_14"]
    assert found.offending["stability index"].tolist()[0] == pytest.approx(0.45)
    assert found.offending["highest before"].tolist() == [0.2] * 16
    assert "feature_15" in found.note


def test_a_long_list_is_cut():
    assert len(ask(40).offending) == 20


def test_a_short_history_is_not_asked():
    found = ask(None, **{"drift.n_shifted": "300 rows are too few"})
    assert found.passed
    assert found.note == "not asked: 300 rows are too few"
