"""The asset `model`."""

import dagster as dg

from stock_assets.defs import describe, logs


@dg.asset(
    group_name="modelling",
    kinds={"scikitlearn"},
    io_manager_key="models",
    required_resource_keys={"log_dir", "model_settings"},
    code_version="1",
)
def model(context: dg.AssetExecutionContext, features):
    """A random forest for the direction of the next session and one for its return, with a model card.

    Fitted on every session whose outcome was known by then, with a fixed seed.

    - **Source:** features of the same ticker and session.
    - **When:** once a week or so; `predictions` refuses a model that is older than ten sessions.
    - **Units:** probabilities from 0 to 1; returns as fractions.
    """
    from stock_assets.core import modelling

    with logs.working(context) as work:
        fitted = modelling.train(
            features,
            context.resources.model_settings.value,
            ticker=work.ticker,
            as_of=work.session,
            source=features.attrs["source"],
        )
        work.log.info("trained on %d rows", fitted.card["n_train"])
        context.add_output_metadata(
            describe.document(
                "model card",
                fitted.card,
                {
                    "rows trained on": fitted.card["n_train"],
                    "trained from": fitted.card["train_start"],
                    "trained to": fitted.card["train_end"],
                    "features": len(fitted.card["features"]),
                },
            )
        )
        return fitted
