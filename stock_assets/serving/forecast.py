"""What one forecast is that is served: its row, and which artefacts it is of. How it is read lives in reading."""

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stock_assets.core import sessions
from stock_assets.core.errors import DamagedArtefactError

if TYPE_CHECKING:
    import pandas as pd

SIMULATED = "simulated"

# As in core.schemas.PREDICTIONS, which takes pandera, and that a second, to import.
TYPES: Mapping[str, type] = {
    "ticker": str,
    "as_of": datetime.date,
    "target_session": datetime.date,
    "probability_up": float,
    "expected_return": float,
    "predicted_close": float,
    "interval_low": float,
    "interval_high": float,
    "interval_level": float,
    "naive_close": float,
    "model_as_of": datetime.date,
    "beats_naive": bool,
    "source": str,
}
"""Column of a row -> what its values are."""

SIMULATED_PRICES = "simulated prices, not real ones: the forecast says nothing about any company"


@dataclass(frozen=True)
class Forecast:
    """A forecast, and which snapshot it is of.

    `row` has exactly the columns of the `predictions` table, in order, as str, datetime.date, float and bool.
    `horizon_sessions`: sessions from `as_of` to `target_session`. `verdict`: what the evaluation says, in words.
    The checksums are those of the model and the clean prices that the row was made of, and of its own artefact; None
    where they were deleted or made again since, which `warnings` then tells. `warnings` depend on no clock.
    """

    row: Mapping[str, Any] = field(hash=False)
    horizon_sessions: int
    verdict: str
    model_checksum: str | None
    data_checksum: str | None
    forecast_checksum: str
    warnings: tuple[str, ...]

    @property
    def ticker(self) -> str:
        return self.row["ticker"]

    @property
    def as_of(self) -> datetime.date:
        return self.row["as_of"]

    @property
    def target_session(self) -> datetime.date:
        return self.row["target_session"]

    @property
    def model_as_of(self) -> datetime.date:
        return self.row["model_as_of"]

    @property
    def source(self) -> str:
        return self.row["source"]

    @property
    def is_simulated(self) -> bool:
        return self.source == SIMULATED


def plain_row(table: "pd.DataFrame", *, ticker: str, as_of: datetime.date) -> Mapping[str, Any]:
    """The one row of a `predictions` table as plain values, not to be changed.

    Raises `DamagedArtefactError` when it is not one row of these columns, about this ticker and session, with every
    number finite.
    """
    where = f"{ticker} {as_of}: predictions"
    if list(table.columns) != list(TYPES) or len(table) != 1:
        raise DamagedArtefactError(
            f"{where}: {len(table)} row(s) of {', '.join(map(str, table.columns))}; expected one of {', '.join(TYPES)}"
        )
    [came] = table.to_dict("records")
    row = {name: _plain(came[name], kind, f"{where}: {name}") for name, kind in TYPES.items()}
    if (row["ticker"], row["as_of"]) != (ticker, as_of):
        raise DamagedArtefactError(
            f"{where}: the row is about {row['ticker']} {row['as_of']}; expected {ticker} {as_of}"
        )
    return MappingProxyType(row)


def _plain(value: Any, kind: type, what: str) -> Any:
    if kind is datetime.date and hasattr(value, "date") and value == value:  # NaT is not itself
        return value.date()
    if kind is float and isinstance(value, float) and math.isfinite(value):
        return float(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    raise DamagedArtefactError(f"{what} is {value!r}; expected a {kind.__name__}")


def horizon(row: Mapping[str, Any]) -> int:
    """Sessions from the session of a row to its target."""
    return len(sessions.sessions_between(row["as_of"], row["target_session"])) - 1
