"""The graph: one module an asset, one folder a group, as in the UI's listing.

`code_version` of an asset is raised by one in the commit after which the same inputs give other bytes: a column, a
formula, a default, a word on the page. Dagster then marks what was made before, and what was made from that, as made
by older code. Faster, tidier or better described code that gives the same bytes keeps its number.
"""

from stock_assets.defs.assets.analysis.price_metrics import price_metrics
from stock_assets.defs.assets.modelling.backtest import backtest
from stock_assets.defs.assets.modelling.evaluation import evaluation
from stock_assets.defs.assets.modelling.features import features
from stock_assets.defs.assets.modelling.model import model
from stock_assets.defs.assets.modelling.tuning import tuning
from stock_assets.defs.assets.monitoring.track_record import track_record
from stock_assets.defs.assets.prices.clean_prices import clean_prices
from stock_assets.defs.assets.prices.raw_prices import raw_prices
from stock_assets.defs.assets.reporting.report import report
from stock_assets.defs.assets.reporting.summary import summary
from stock_assets.defs.assets.serving.predictions import predictions

# In the order of the graph.
ALL = (
    raw_prices,
    clean_prices,
    price_metrics,
    features,
    model,
    backtest,
    evaluation,
    tuning,
    predictions,
    track_record,
    report,
    summary,
)

BY_HAND = ("tuning", "summary")
"""Assets that no other needs, and that are made only when a person asks for them."""

__all__ = ["ALL", "BY_HAND"]
