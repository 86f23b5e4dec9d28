"""What the model leans on."""

from stock_assets.reporting import alt_texts
from stock_assets.reporting.charts import importance
from stock_assets_tests.reporting.charts.looks import LOOK


def features(*means: float) -> dict[str, dict[str, float]]:
    return {f"feature_{n}": {"mean": mean, "deviation": 0.001} for n, mean in enumerate(means)}


def test_the_fifteen_largest_are_shown_largest_first() -> None:
    largest = importance.largest(features(*(0.001 * n for n in range(46))))
    assert [name for name, *_ in largest] == [f"feature_{n}" for n in range(45, 30, -1)]


def test_equals_are_in_the_order_of_their_names() -> None:
    found = importance.largest({"b": {"mean": 0.1, "deviation": 0.0}, "a": {"mean": 0.1, "deviation": 0.0}})
    assert [name for name, *_ in found] == ["a", "b"]


def test_whiskers_and_bars_below_zero_are_drawn() -> None:
    drawn = importance.importance(features(0.003, -0.002), **LOOK)
    assert drawn.startswith(b"\x89PNG")
    assert drawn != importance.importance(features(0.003, -0.001), **LOOK)
    spread = {name: entry | {"deviation": 0.0005} for name, entry in features(0.003, -0.002).items()}
    assert drawn != importance.importance(spread, **LOOK)


def test_features_that_change_nothing_are_drawn_without_a_warning() -> None:
    nothing = {"a": {"mean": 0.0, "deviation": 0.0}}
    assert importance.importance(nothing, **LOOK).startswith(b"\x89PNG")


def test_alt_text_counts_those_clear_of_zero() -> None:
    told = alt_texts.importance([("rsi_14", 0.0031, 0.001), ("gap", 0.0015, 0.001), ("macd", -0.001, 0.001)])
    assert told == (
        "Bars of the 3 most important features, largest first: rsi 14 0.00310, gap 0.00150, macd −0.00100. 1 of 3 are "
        "more than two standard deviations above zero. A table with every number follows."
    )
