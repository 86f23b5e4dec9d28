"""Which predicates of `validation` are asked of which table, and whether a failure stops the graph.

No pandas here: Dagster's checks are declared from these lists when definitions load.
"""

from typing import NamedTuple


class Check(NamedTuple):
    """A predicate of `validation` by name, what it says for people, and whether failing stops what is downstream."""

    name: str
    description: str
    blocking: bool


_POSITIVE = "Every price is above zero."
_HIGH_LOW = "High is not below low."
_WITHIN = "Open and close lie between low and high."
_LAST = "The last bar is that of the partition's session, with all its prices."
_COMPLETE = "No session of the exchange is missing between the first bar and the last."

RAW = (
    Check("has_raw_schema", "Columns, types and index are those of raw prices.", blocking=True),
    # A bar sent twice is not out of order: cleaning drops it, or halts when the two differ.
    Check(
        "sessions_never_decrease", "Bars are in order, and none is later than the partition's session.", blocking=True
    ),
    Check("last_session_is_present", _LAST, blocking=True),
    Check("prices_are_positive", _POSITIVE, blocking=True),
    Check("high_is_at_least_low", _HIGH_LOW, blocking=True),
    # Cleaning repairs what is within rounding, or on the provisional last bar, and halts on the rest.
    Check("open_and_close_lie_between_low_and_high", _WITHIN, blocking=False),
    Check("sessions_are_complete", _COMPLETE, blocking=False),
)

CLEAN = (
    Check("has_clean_schema", "Columns, types, ranges and index are those of clean prices.", blocking=True),
    Check("sessions_increase", "One row a session, in order, none later than the partition's session.", blocking=True),
    Check("last_session_is_present", _LAST, blocking=True),
    Check("prices_are_positive", _POSITIVE, blocking=True),
    Check("high_is_at_least_low", _HIGH_LOW, blocking=True),
    Check("open_and_close_lie_between_low_and_high", _WITHIN, blocking=True),
    Check("sessions_are_complete", _COMPLETE, blocking=False),
)

# Asked of clean and raw prices together.
CLEAN_BESIDE_RAW = (
    Check("adjusted_close_agrees_with_source", "Our adjusted close agrees with the source's own.", blocking=False),
)
