"""The asset graph on a temporary store, with a source and a clock of our own: what the tests of this room run."""

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from stock_assets.core import sessions
from stock_assets.definitions import build_defs
from stock_assets.defs import partitions
from stock_assets.settings import Settings
from stock_assets.sources.base import PriceHistory
from stock_assets.sources.simulated import SimulatedSource
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot

SESSION = dt.date(2024, 3, 8)  # a Friday

PRICES = ("raw_prices", "clean_prices")
TRAINING = ("model", "backtest", "evaluation")
TRAINED = (*PRICES, "features", *TRAINING)
ALL = (*PRICES, "price_metrics", "features", *TRAINING, "predictions", "track_record", "report")

_FIRST_BAR = "2021-07-01"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def later(n: int) -> dt.date:
    """The session `n` sessions after SESSION; before it when negative."""
    return sessions.next_session(SESSION, n) if n > 0 else sessions.previous_session(SESSION, -n) if n else SESSION


@functools.cache
def _bars(ticker: str, session: dt.date) -> pd.DataFrame:
    return SimulatedSource().fetch(ticker, session).bars.loc[_FIRST_BAR:]


class CannedSource:
    """Simulated bars from July 2021 on, each fetch counted.

    The first fetches raise `faults`, one each; `change` is made to the bars of every answer.
    """

    name = "canned"

    def __init__(
        self,
        faults: Iterable[Exception] = (),
        change: Callable[[pd.DataFrame, str, dt.date], pd.DataFrame] = lambda bars, ticker, session: bars,
    ):
        self.fetches: list[tuple[str, dt.date]] = []
        self._faults = list(faults)
        self._change = change

    def fetch(self, ticker: str, session: dt.date) -> PriceHistory:
        self.fetches.append((ticker, session))
        if self._faults:
            raise self._faults.pop(0)
        bars = self._change(_bars(ticker, session).copy(), ticker, session)
        return PriceHistory(ticker, bars, self.name, "USD")


class StandingClock:
    """Always 22:00 UTC of one date, when the partition of that session opens."""

    def __init__(self, date: dt.date):
        self._now = dt.datetime(date.year, date.month, date.day, 22, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self._now


# Forests that grow in no time.
SMALL_MODEL = "{parameters: {n_estimators: 5, min_samples_leaf: 20}, min_train: 100, refit_every: 250}"


class Graph:
    """The definitions for one data folder, and an instance of Dagster in memory to run them on."""

    def __init__(
        self,
        folder: Path,
        instance: dg.DagsterInstance,
        *,
        data_dir: str | None = None,
        first_session: str = "2020-01-02",
        tickers: str = "[TSLA, STX]",
        **overrides: Any,
    ):
        watchlist = folder / "watchlist.yaml"
        watchlist.write_text(f"model: {SMALL_MODEL}\ntickers: {tickers}\n")
        self.settings = Settings.from_environment(
            {
                "STOCK_ASSETS_SOURCE": "simulated",
                "STOCK_ASSETS_DATA_DIR": data_dir or str(folder / "data"),
                "STOCK_ASSETS_LOG_DIR": str(folder / "logs"),
                "STOCK_ASSETS_WATCHLIST": str(watchlist),
                "STOCK_ASSETS_FIRST_SESSION": first_session,
                "DAGSTER_HOME": str(folder / "home"),
            }
        )
        self.instance = instance
        self.store = ArtefactStore(self.settings.data_dir)
        self.source = overrides.setdefault("prices", CannedSource())
        given = {"clock": StandingClock(dt.date(2024, 12, 31)), "retry_delay": 0.0}
        self.defs = build_defs(self.settings, **given | overrides)

    def run(
        self,
        what: str | Iterable[str],
        *,
        ticker: str = "TSLA",
        session: dt.date = SESSION,
        model: Mapping[str, Any] | None = None,
        ops: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run a job by its name, or materialise some assets with their checks.

        `model`: the config of the resource model_settings; `ops`: asset -> its config.
        """
        config: dict[str, Any] = {"resources": {"model_settings": {"config": dict(model)}}} if model else {}
        if ops:
            config["ops"] = {asset: {"config": given} for asset, given in ops.items()}
        if isinstance(what, str):
            job, selection = self.defs.resolve_job_def(what), None
        else:
            job, selection = self.defs.resolve_implicit_global_asset_job_def(), [dg.AssetKey(name) for name in what]
        return job.execute_in_process(
            partition_key=partitions.key(ticker, session),
            instance=self.instance,
            run_config=_QUIET | config,
            raise_on_error=False,
            asset_selection=selection,
        )

    def backfill(
        self, first: object, last: object, *, ticker: str = "TSLA", **config: Any
    ) -> dg.ExecuteInProcessResult:
        """Run the job that makes the sessions from `first` to `last`; `config`: what else its Launchpad holds."""
        asked = {"ticker": ticker, "first": str(first), "last": str(last), **config}
        return self.defs.resolve_job_def("backfill_job").execute_in_process(
            instance=self.instance,
            run_config=_QUIET | {"ops": {"backfill": {"config": asked}}},
            raise_on_error=False,
        )

    def check(self, asset: str) -> dg.ExecuteInProcessResult:
        """Ask the checks of one asset again, for TSLA on SESSION, without materialising it."""
        checks = {
            key for key in self.defs.resolve_asset_graph().asset_check_keys if key.asset_key == dg.AssetKey(asset)
        }
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.get_subset(asset_selection=set(), asset_check_selection=checks).execute_in_process(
            # Without an asset in the selection, the parameter partition_key is refused; the UI sets this tag.
            tags={"dagster/partition": str(partitions.key("TSLA", SESSION))},
            instance=self.instance,
            run_config=_QUIET,
            raise_on_error=False,
        )

    def snapshot(self, session: dt.date = SESSION, ticker: str = "TSLA") -> Snapshot:
        return Snapshot(self.store, ticker, session)

    def checksums(self, session: dt.date = SESSION, ticker: str = "TSLA") -> dict[str, str]:
        """Asset -> checksum over all its bytes, of those that are stored for one partition."""
        return {
            asset: self.store.checksum(asset, ticker, session)
            for asset in ALL
            if self.store.has(asset, ticker, session)
        }

    def log(self, asset: str) -> list[str]:
        return (self.settings.log_dir / f"{asset}.log").read_text(encoding="utf-8").splitlines()


def attempts(result: dg.ExecuteInProcessResult, step: str) -> int:
    """How often a step was started."""
    return sum(
        event.step_key == step and event.event_type_value in ("STEP_START", "STEP_RESTARTED")
        for event in result.all_events
    )


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Step -> the message of what it failed of, without the trace."""
    return {event.step_key: "\n".join(_messages(event)) for event in result.all_events if event.is_step_failure}


def _messages(event: dg.DagsterEvent) -> Iterator[str]:
    error = event.step_failure_data.error
    while error is not None:
        yield error.message
        error = error.cause


def materialised(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    [materialization] = result.asset_materializations_for_node(asset)
    return dict(materialization.metadata)


def evaluations(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
    found = result.get_asset_check_evaluations()
    return {check.check_name: check for check in found if check.asset_key == dg.AssetKey(asset)}
