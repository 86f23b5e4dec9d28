"""Which price source a command works with: the one asked for, or Yahoo if it answers, or loudly simulated prices."""

import os
from dataclasses import dataclass

from stock_assets.core.errors import SettingsError
from stock_assets.defs import resources
from stock_assets.settings import Settings

PROBE_SECONDS = 4.0


@dataclass(frozen=True)
class Choice:
    """Settings with the source decided, and what a person must be told about it."""

    settings: Settings
    warning: str | None


def choose(settings: Settings, requested: str | None) -> Choice:
    """`requested` is a source's name, `auto`, or `None`: then STOCK_ASSETS_SOURCE decides where it is set, else `auto`.

    `auto` asks Yahoo for a few seconds and falls back on simulated prices. Raises `SettingsError` for the source csv
    without a folder to read.
    """
    if requested is None:
        requested = "auto" if settings.source_is_default else settings.source
    if requested != "auto":
        chosen = settings.with_source(requested)
        if requested == "csv":
            _require_prices_dir(chosen)
        simulated = requested == "simulated"
        return Choice(chosen, "SIMULATED PRICES, NOT REAL ONES: as asked for" if simulated else None)
    yahoo = settings.with_source("yahoo")
    if resources.yahoo(yahoo).is_reachable(PROBE_SECONDS):
        return Choice(yahoo, None)
    return Choice(settings.with_source("simulated"), "SIMULATED PRICES, NOT REAL ONES: Yahoo Finance can't be reached")


def _require_prices_dir(settings: Settings) -> None:
    folder = settings.prices_dir
    if folder is None or not os.access(folder, os.R_OK | os.X_OK) or not folder.is_dir():
        came = "it is not set" if folder is None else f"{folder} is no folder that can be read"
        raise SettingsError(
            f"source csv reads STOCK_ASSETS_PRICES_DIR: {came}; expected a folder of <TICKER>.csv files"
        )
