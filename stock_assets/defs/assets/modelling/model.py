"""The asset `model`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs


@dg.asset(
    group_name="modelling",
    kinds={"scikitlearn"},
    io_manager_key="models",
    required_resource_keys={"log_dir", "model_settings"},
    code_version="2",
)
def model(context: dg.AssetExecutionContext, features):
    """A classifier for the direction of the target session and a regressor for its return, with a model card.

    Random forests and the next session, unless the watchlist or the Launchpad say otherwise (resource
    `model_settings`). Fitted on every session whose outcome was known by then, with a fixed seed.

    - **Source:** features of the same ticker and session.
    - **When:** once a week or so; `predictions` refuses a model that is older than ten sessions.
    - **Units:** probabilities from 0 to 1; returns as fractions.
    """
    from stock_assets.core import modelling

    with logs.working(context) as work:
        fitted = modelling.train(
            features,
            context.resources.model_settings.of(work.ticker).model,
            ticker=work.ticker,
            as_of=work.session,
            source=features.attrs["source"],
        )
        work.log.info("trained on %d rows", fitted.card["n_train"])
        describe.tell(context, asset_metadata.model(fitted.card, work))
        return fitted
