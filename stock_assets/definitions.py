"""Table of contents: everything Dagster is to know, put together from the settings."""

import logging
from datetime import timedelta
from typing import Any

import dagster as dg

from stock_assets import watchlist
from stock_assets.defs import (
    asset_checks,
    assets,
    backfill,
    evening,
    freshness,
    freshness_sensor,
    housekeeping,
    io_managers,
    jobs,
    partition_maker,
    partitions,
    resources,
    schedules,
    sensors,
    watchlist_sensor,
)
from stock_assets.defs.assets.reporting import watchlist_page
from stock_assets.settings import Settings
from stock_assets.storage.artefacts import ArtefactStore


def build_defs(settings: Settings | None = None, **overrides: Any) -> dg.Definitions:
    """Definitions for `settings` (default: those of the environment).

    `overrides` replace resources by name: `prices`, `clock`, `model_settings`, `retry_delay`, `log_dir`, `store`,
    `watchlist`, `database`, `alerts`, or an IO manager (`tables`, `documents`, `illustrated`, `records`, `models`,
    `reports`, `pdfs`).

    Raises `SettingsError` for a bad setting or watchlist.
    """
    settings = settings or Settings.from_environment()
    listed = watchlist.read(settings.watchlist)
    deadline = timedelta(hours=settings.deadline_hours)
    grid = partitions.grid(listed.tickers, settings.first_session)
    store = ArtefactStore(settings.data_dir)
    given = {
        "prices": resources.LazySource(settings),
        "clock": resources.SystemClock(),
        "model_settings": resources.model_settings(listed),
        "retry_delay": settings.retry_delay,
        "log_dir": settings.log_dir,
        "store": store,
        "watchlist": listed,
        "database": resources.LazyDatabase(settings),
        "alerts": resources.Alerts(settings),
        "tables": io_managers.TableIOManager(store, settings.log_dir),
        "documents": io_managers.JsonIOManager(store, settings.log_dir),
        "illustrated": io_managers.IllustratedIOManager(store, settings.log_dir),
        "records": io_managers.TrackRecordIOManager(store, settings.log_dir),
        "models": io_managers.ModelIOManager(store, settings.log_dir),
        "reports": io_managers.ReportIOManager(store, settings.log_dir),
        "pdfs": io_managers.PdfIOManager(store, settings.log_dir),
    }
    unknown = set(overrides) - set(given)
    if unknown:
        raise TypeError(f"no resource is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(given))}")
    checks = [*asset_checks.build(grid), *freshness.build(grid, deadline)]
    steps = partition_maker.Steps([asset for asset in assets.ALL if asset.op.name not in assets.BY_HAND], checks)
    return dg.Definitions(
        assets=[
            *(asset.map_asset_specs(lambda spec: _placed(spec, grid)) for asset in assets.ALL),
            watchlist_page.spec(grid),
        ],
        asset_checks=checks,
        jobs=[
            *jobs.ALL,
            evening.job(steps),
            backfill.job(grid, steps),
            watchlist_page.job(grid),
            housekeeping.housekeeping_job,
        ],
        schedules=[*schedules.build(listed.tickers), housekeeping.housekeeping_schedule],
        sensors=[
            *sensors.build(listed.tickers),
            freshness_sensor.build(listed.tickers, deadline),
            watchlist_sensor.build(),
        ],
        resources={name: resources.described(name, value) for name, value in (given | overrides).items()},
        # A process a step would import pandas and scikit-learn again each time: 3 s a step.
        executor=dg.in_process_executor,
    )


def _placed(spec: dg.AssetSpec, grid: dg.PartitionsDefinition) -> dg.AssetSpec:
    cadence = jobs.cadence(spec.key.to_user_string())
    return spec.replace_attributes(
        partitions_def=grid,
        owners=["team:stock-assets"],
        tags={**spec.tags, "cadence": cadence},
        freshness_policy=freshness.POLICIES.get(cadence),
    )


def _warn_of_a_large_grid(settings: Settings) -> None:
    tickers = watchlist.read(settings.watchlist).tickers
    if told := partitions.too_many(len(tickers), settings.first_session, resources.SystemClock().now().date()):
        logging.getLogger("stock_assets.definitions").warning("%s", told)


defs = build_defs()
_warn_of_a_large_grid(Settings.from_environment())
