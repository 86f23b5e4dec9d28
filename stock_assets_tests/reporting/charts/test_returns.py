"""Returns, drawdown, volatility, months: what is drawn, however short the history."""

import pytest

from stock_assets.reporting import alt_texts, figures
from stock_assets.reporting.charts import returns
from stock_assets_tests.reporting.charts.looks import LOOK, pixels
from stock_assets_tests.reporting.conftest import walk

NO_TAILS: dict[str, float | None] = dict.fromkeys(("var_95", "cvar_95", "var_99", "cvar_99"))


def year(number: int, *months: float | None, total: float | None = None) -> dict:
    return {"year": number, "months": [*months, *[None] * (12 - len(months))], "total": total}


@pytest.mark.parametrize("n", [1, 2, 30])
def test_short_history_is_drawn_without_a_warning(n: int) -> None:
    for draw in (returns.returns, returns.drawdown, returns.volatility):
        assert draw(walk(n), **LOOK).startswith(b"\x89PNG")
    assert returns.distribution(walk(n), NO_TAILS, **LOOK).startswith(b"\x89PNG")


def test_too_short_for_volatility_says_so() -> None:
    """A dozen sessions have no 21-session volatility: all such pictures are the same, label aside."""
    assert returns.volatility(walk(12), **LOOK) == returns.volatility(walk(12, seed=8), **LOOK)
    assert returns.volatility(walk(40), **LOOK) != returns.volatility(walk(40, seed=8), **LOOK)


def test_months_are_blue_for_gains_orange_for_losses_and_white_at_zero() -> None:
    gain, loss, flat = (returns.months([year(2024, value)], **LOOK) for value in (0.05, -0.05, 0.0))
    assert pixels(gain, figures.PALE_BLUE) > 500 > pixels(gain, figures.PALE_RED)
    assert pixels(loss, figures.PALE_RED) > 500 > pixels(loss, figures.PALE_BLUE)
    assert pixels(flat, figures.PALE_BLUE) + pixels(flat, figures.PALE_RED) == 0


def test_only_the_latest_twelve_years_are_drawn() -> None:
    years = [year(2024 - n, 0.01 * n, total=0.1) for n in range(40)]
    drawn = returns.months(years, **LOOK)
    assert drawn == returns.months(years[:12], **LOOK)
    assert drawn != returns.months(years[:11], **LOOK)


def test_a_history_without_a_return_is_drawn() -> None:
    assert returns.months([year(2024)], **LOOK).startswith(b"\x89PNG")
    assert alt_texts.months([year(2024)]) == (
        "Total return of each month of 2024: not defined, the history is too short."
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.042, "+4.2"),
        (-0.042, "−4.2"),
        (0.126, "+13"),
        (0.0994, "+9.9"),
        (0.0997, "+10"),
        (7.43, "+743"),
        (-0.0001, "0.0"),
        (None, ""),
    ],
)
def test_a_cell_has_few_characters(value: float | None, text: str) -> None:
    assert returns._short(value) == text


def test_alt_text_of_months_names_the_best_and_the_worst() -> None:
    told = alt_texts.months([year(2024, 0.02, -0.3, total=-0.286), year(2023, 0.5, total=0.5)])
    assert told == (
        "Total return of each month from 2023 to 2024, coloured by its size: best month January 2023 with +50.0%, "
        "worst month February 2024 with −30.0%, best year 2023 with +50.0%, worst year 2024 with −28.6%. A table with "
        "every number follows."
    )
