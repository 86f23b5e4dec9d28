"""The jobs a person or a schedule starts: everything, the evening's path, the training path, and, by a person only, a
search for settings and a summary in words. One run a partition."""

import dagster as dg

from stock_assets.defs.assets import BY_HAND

TRAINING_ASSETS = ("model", "backtest", "evaluation")
DAILY_ASSETS = ("raw_prices", "clean_prices", "price_metrics", "features", "predictions", "track_record", "report")

whole_graph_job = dg.define_asset_job(
    "whole_graph_job",
    selection=dg.AssetSelection.assets(*DAILY_ASSETS, *TRAINING_ASSETS),
    description="Prices to report, training included. For a first look, or a session on its own.",
)

daily_job = dg.define_asset_job(
    "daily_job",
    selection=dg.AssetSelection.assets(*DAILY_ASSETS),
    description="Prices, metrics, features, forecast and report with the most recent model: what an evening needs.",
)

training_job = dg.define_asset_job(
    "training_job",
    selection=dg.AssetSelection.assets(*TRAINING_ASSETS),
    description="Model, backtest and evaluation from features that are there already: once a week or so.",
)

tuning_job = dg.define_asset_job(
    "tuning_job",
    selection=dg.AssetSelection.assets("tuning"),
    description="Search for other settings of one ticker, from features that are there already. Only by hand: say in "
    "the Launchpad what to try. What it finds is used once a person copies it to the watchlist.",
)

summary_job = dg.define_asset_job(
    "summary_job",
    selection=dg.AssetSelection.assets("summary"),
    description="A PDF for stakeholders, from a report that is there already. Only by hand: write the narrative in the "
    "Launchpad, or use the command line's summary.",
)

ALL = (whole_graph_job, daily_job, training_job, tuning_job, summary_job)

WITHOUT_A_REPORT = {job.name for job in (training_job, tuning_job, summary_job)}


def cadence(asset: str) -> str:
    """How often an asset is made, as its tag in the UI says: `every-session`, `training` or `by-hand`."""
    if asset in BY_HAND:
        return "by-hand"
    return "training" if asset in TRAINING_ASSETS else "every-session"
