"""The asset `tuning`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from stock_assets.defs import asset_metadata, describe, logs


class Tuning(dg.Config):
    """What to try. Nothing is tried unless `grid` or `random_candidates` says so."""

    grid: dict[str, Any] = Field(
        default={},
        description="Lists of values to try in every combination: "
        "{window: [null, 1500], parameters: {max_depth: [3, 4]}}; keys as in the watchlist's `model`",
    )
    random_candidates: int = Field(default=0, description="How many candidates to draw at random, beside the grid")
    seed: int = Field(default=0, description="Seed of that draw")
    earlier_share: float = Field(
        default=0.6, description="Share of the forecasts, the earlier ones, on which the candidates are judged"
    )


@dg.asset(
    group_name="modelling",
    kinds={"scikitlearn", "json", "matplotlib"},
    io_manager_key="illustrated",
    required_resource_keys={"log_dir", "model_settings", "store"},
    output_required=False,
    code_version="1",
)
def tuning(context: dg.AssetExecutionContext, config: Tuning, features) -> Iterator[dg.Output]:
    """Is there a better configuration than the one in force? Candidates are judged on the earlier part of the history,
    the best of them beside the one in force on the later part, which no choice has seen.

    By hand only: start `tuning_job` from the Launchpad with, for example, `ops: {tuning: {config: {random_candidates:
    12}}}`. Without candidates nothing is done. Every candidate counts as tried in later evaluations of this ticker. No
    asset reads the result: to use the chosen configuration, a person copies `watchlist_entry` into the watchlist.
    Mostly the answer is that what is in force is as good.

    - **Source:** features of the same ticker and session.
    - **When:** when somebody asks; never by itself.
    - **Units:** log loss in nats, lower is better: 0.693 is a coin; gain: by how much it is below that of the share of
      rises so far; Sharpe ratio annualised.
    """
    from stock_assets.core import tuning as core_tuning
    from stock_assets.reporting import tuning_chart
    from stock_assets.storage import ledger

    with logs.working(context) as work:
        in_force, store = context.resources.model_settings.of(work.ticker), context.resources.store
        candidates = core_tuning.grid(config.grid) if config.grid else []
        candidates += core_tuning.draw(config.random_candidates, config.seed, in_force)
        if not candidates:
            work.log.info("no candidates: give grid or random_candidates in the Launchpad")
            return
        source = features.attrs["source"]
        found = core_tuning.search(
            features,
            in_force,
            candidates,
            ticker=work.ticker,
            as_of=work.session,
            source=source,
            earlier_share=config.earlier_share,
        )
        entries = [
            ledger.Entry(trial.configured.fingerprint(), trial.sharpe, "tuning", trial.configured.overrides())
            for trial in found.trials
        ]
        ledger.record(store, work.ticker, work.session, entries)
        document: dict[str, Any] = found.document | {"n_trials": len(ledger.tried(store, work.ticker, work.session))}
        work.log.info("%s", document["conclusion"])
        label = f"{work.ticker} {work.session}"
        figure = tuning_chart.gains(document, label=label, simulated=source == "simulated")
        describe.tell(context, asset_metadata.tuning(document))
    # Outside of the frame, which tells the seconds once it is left and before Dagster is given the output.
    yield dg.Output((document, figure))
