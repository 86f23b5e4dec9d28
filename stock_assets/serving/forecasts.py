"""The stored forecasts: whole, verified, and cached until a newer one lands."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SIMULATED = "simulated"


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
