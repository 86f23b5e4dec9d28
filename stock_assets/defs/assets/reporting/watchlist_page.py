"""The asset `watchlist_page`, and the op that makes it.

A partition of it is a session, not a ticker and a session. As an asset that Dagster materialises it would do harm, seen
on 1.13: "Materialize all" on a graph of two kinds of partitions is always a backfill, which the daemon starts half a
minute later, and in a backfill the page would wait for every ticker and fail with any of them. So to Dagster the asset
is an external one, downstream of `report`, and a job of its own tells when it was made.
"""

import dagster as dg

from stock_assets.defs import followed, jobs, logs, partitions, retries

NAME = "watchlist_page"
SUFFIX = ".html"


def spec(grid: dg.MultiPartitionsDefinition) -> dg.AssetSpec:
    """The asset, a partition a session of `grid`."""
    return dg.AssetSpec(
        NAME,
        group_name="reporting",
        kinds={"report"},
        owners=["team:stock-assets"],
        tags={"cadence": jobs.cadence(NAME)},
        code_version="1",
        partitions_def=partitions.sessions_of(grid),
        # Of every ticker: Dagster maps the session to all partitions that have it.
        deps=["report"],
        description=_DESCRIPTION,
    )


def job(grid: dg.MultiPartitionsDefinition) -> dg.JobDefinition:
    """The job `watchlist_job`, a partition a session of `grid`."""

    @dg.job(
        name="watchlist_job",
        partitions_def=partitions.sessions_of(grid),
        executor_def=dg.in_process_executor,
        description="The watchlist page of a session, from what is stored of its tickers at that moment.",
    )
    def watchlist_job():
        make_watchlist_page()

    return watchlist_job


@dg.op(required_resource_keys={"log_dir", "store", "watchlist"}, retry_policy=retries.ONCE)
def make_watchlist_page(context: dg.OpExecutionContext) -> None:
    """Reads what there is of every ticker, stores the page and reports a materialisation of `watchlist_page`."""
    from stock_assets.reporting import watchlist_page

    store = context.resources.store
    with logs.making(context, NAME) as work:
        found = followed.read(store, context.instance, context.resources.watchlist, work.session)
        seal = store.write(NAME, work.ticker, work.session, {SUFFIX: watchlist_page.render(work.session, found)})
        summary = watchlist_page.summary(work.session, found)
        work.log.info("%s", summary)
        context.log_event(
            dg.AssetMaterialization(
                NAME,
                partition=context.partition_key,
                metadata={
                    "summary": summary,
                    "tickers": len(found),
                    "path": dg.MetadataValue.path(str(store.path(NAME, work.ticker, work.session, SUFFIX))),
                    "checksum": seal.checksum,
                    "bytes": seal.size,
                    "seconds": work.seconds(),
                },
            )
        )


_DESCRIPTION = """All tickers of the watchlist on one HTML page: price, forecast, verdict, how fresh the report is, and
how the checks went. What needs attention stands first.

Made by `watchlist_job`, and by `stock-assets run` at its end. A ticker that failed, or was not run, is a row that says
so, with what is known from earlier sessions.

- **Source:** reports and what they were made from, as they are stored when the page is made, and Dagster's event log.
- **When:** once the tickers of a session are done, and again whenever somebody asks.
"""
