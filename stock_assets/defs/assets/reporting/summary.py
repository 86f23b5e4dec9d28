"""The asset `summary`."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from stock_assets.defs import describe, logs, partitions


class Narrative(dg.Config):
    """What a person adds to the numbers."""

    narrative: str = Field(default="", description="What happened and what it means, in Markdown; required")
    title: str = Field(default="", description="Title of the summary; default: the ticker")
    author: str = Field(default="", description="Who wrote the narrative")


@dg.asset(
    group_name="reporting",
    kinds={"pdf"},
    io_manager_key="pdfs",
    required_resource_keys={"log_dir"},
    ins={"evaluation": partitions.most_recent()},
    output_required=False,
    code_version="1",
)
def summary(
    context: dg.AssetExecutionContext, config: Narrative, report, price_metrics, evaluation, predictions
) -> Iterator[dg.Output]:
    """Two to four pages for stakeholders: a person's narrative, the verdict, the forecast, figures and key numbers.

    By hand only: start `summary_job` from the Launchpad with `ops: {summary: {config: {narrative: "What happened, in
    **Markdown**."}}}`, or type `stock-assets summary TICKER --narrative FILE.md`. Open the PDF that the metadata names
    under `path`. Without a narrative there is no summary.

    - **Source:** report, metrics and predictions of the same ticker and session; the most recent evaluation of the last
      ten sessions, which must be the one that the report shows.
    - **When:** when somebody asks; never by itself.
    """
    from stock_assets.reporting import summary_pdf

    with logs.working(context) as work:
        if not config.narrative.strip() and _is_one_of_many(context):
            work.log.info("no narrative, and asked for along with everything: nothing is made")
            return
        inputs = summary_pdf.SummaryInputs(
            ticker=work.ticker,
            as_of=work.session,
            report=report,
            metrics=price_metrics,
            evaluation=evaluation,
            predictions=predictions,
            narrative=config.narrative,
            title=config.title,
            author=config.author,
        )
        made = summary_pdf.render(inputs)
        facts = {"verdict": evaluation["verdict"]["text"], "pages": summary_pdf.n_pages(made)}
        describe.tell(context, describe.headed(inputs.source, facts))
    # Outside of the frame, which tells the seconds once it is left and before Dagster is given the output.
    yield dg.Output(made)


def _is_one_of_many(context: dg.AssetExecutionContext) -> bool:
    """Whether the run makes other assets too, as "Materialize all" does: nobody asked for a summary in particular."""
    return len(context.job_def.asset_layer.selected_asset_keys) > 1
