"""Questions asked of finished tables, each answered with what was observed beside what was expected.

Predicates only: they change nothing and raise nothing about the data. Which are asked of which table, and which of them
stop the graph, is in checks. Repairs, and what stops a table from being made at all, live in cleaning; the form of
the tables in schemas.
"""

import datetime
from collections.abc import Iterable
from typing import Any

from stock_assets.core.checks import Check
from stock_assets.core.validation.bars import (
    high_is_at_least_low,
    open_and_close_lie_between_low_and_high,
    prices_are_not_stale,
    prices_are_positive,
    prices_do_not_spike,
    volume_is_seldom_zero,
)
from stock_assets.core.validation.events import (
    adjusted_close_agrees_with_source,
    capital_gains_are_counted_once,
    dividends_are_in_the_prices_unit,
    large_dividends_show_in_the_price,
    no_dividend_comes_again_soon,
    no_jump_looks_like_a_split,
    no_regular_dividend_stands_out,
    no_split_comes_again_soon,
    small_splits_are_in_the_prices,
)
from stock_assets.core.validation.features import (
    features_are_finite,
    features_do_not_look_ahead,
    features_vary,
    last_row_is_plausible,
    last_session_has_features,
    no_target_lies_ahead,
    targets_are_what_followed,
)
from stock_assets.core.validation.finding import Finding, Predicate
from stock_assets.core.validation.form import (
    has_clean_schema,
    has_features_schema,
    has_raw_schema,
    last_session_is_present,
    no_bar_is_repaired,
    sessions_are_complete,
    sessions_increase,
    sessions_never_decrease,
)
from stock_assets.core.validation.history import history_is_unrevised
from stock_assets.core.validation.inputs import inputs_are_stable
from stock_assets.core.validation.skill import shuffled_labels_give_no_skill, skill_is_plausible

__all__ = [
    "Finding",
    "Predicate",
    "adjusted_close_agrees_with_source",
    "capital_gains_are_counted_once",
    "dividends_are_in_the_prices_unit",
    "features_are_finite",
    "features_do_not_look_ahead",
    "features_vary",
    "has_clean_schema",
    "has_features_schema",
    "has_raw_schema",
    "high_is_at_least_low",
    "history_is_unrevised",
    "inputs_are_stable",
    "large_dividends_show_in_the_price",
    "last_row_is_plausible",
    "last_session_has_features",
    "last_session_is_present",
    "no_bar_is_repaired",
    "no_dividend_comes_again_soon",
    "no_jump_looks_like_a_split",
    "no_regular_dividend_stands_out",
    "no_split_comes_again_soon",
    "no_target_lies_ahead",
    "open_and_close_lie_between_low_and_high",
    "prices_are_not_stale",
    "prices_are_positive",
    "prices_do_not_spike",
    "sessions_are_complete",
    "sessions_increase",
    "sessions_never_decrease",
    "shuffled_labels_give_no_skill",
    "skill_is_plausible",
    "small_splits_are_in_the_prices",
    "targets_are_what_followed",
    "volume_is_seldom_zero",
]


def ask(asked: Iterable[Check], *tables: Any, ticker: str, as_of: datetime.date) -> list[tuple[Check, Finding]]:
    """Each check with what its predicate found in `tables`, in order."""
    return [(check, globals()[check.name](*tables, ticker=ticker, as_of=as_of)) for check in asked]
