"""Questions asked of finished price tables, each answered with what was observed beside what was expected.

Predicates only: they change nothing and raise nothing about the data. Which are asked of which table, and which of them
stop the graph, is in checks. Repairs, and what stops a table from being made at all, live in cleaning; the form of
the tables in schemas.
"""

from stock_assets.core.validation.bars import (
    high_is_at_least_low,
    open_and_close_lie_between_low_and_high,
    prices_are_positive,
)
from stock_assets.core.validation.events import adjusted_close_agrees_with_source
from stock_assets.core.validation.finding import Finding, Predicate
from stock_assets.core.validation.form import (
    has_clean_schema,
    has_raw_schema,
    last_session_is_present,
    sessions_are_complete,
    sessions_increase,
    sessions_never_decrease,
)

__all__ = [
    "Finding",
    "Predicate",
    "adjusted_close_agrees_with_source",
    "has_clean_schema",
    "has_raw_schema",
    "high_is_at_least_low",
    "last_session_is_present",
    "open_and_close_lie_between_low_and_high",
    "prices_are_positive",
    "sessions_are_complete",
    "sessions_increase",
    "sessions_never_decrease",
]
