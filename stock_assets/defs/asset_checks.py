"""Checks on stored tables, as Dagster sees them. Which they are is in core.checks, what they ask in core.validation.

The checks of one asset are one step: its table is read once, not once a check.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.core import checks
from stock_assets.defs import describe, logs, partitions
from stock_assets.storage import snapshots

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.core.validation import Finding

# A step of checks is called after its asset, and tells in its asset's log.
STEP_SUFFIX = "_checks"

_Asked = tuple[checks.Check, "Finding"]


def build(grid: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The check steps of the graph, for the partitions of `grid`.

    A check of a partitioned asset has to be told the partitions too, or it would load them all.
    """

    @dg.multi_asset_check(
        name=f"raw_prices{STEP_SUFFIX}",
        specs=_specs("raw_prices", grid),
        required_resource_keys={"log_dir", "store"},
    )
    def raw_prices_checks(context: dg.AssetCheckExecutionContext, raw_prices) -> Iterator[dg.AssetCheckResult]:
        snapshot = snapshots.Snapshot(context.resources.store, *partitions.split(context.partition_key))
        asked = _ask(context, checks.RAW, raw_prices)
        # By hand and not as an input: Dagster is not to know of a dependency on another partition.
        beside = _ask(context, checks.RAW_BESIDE_EARLIER, raw_prices, snapshot.earlier_table("raw_prices"))
        yield from _results(context, "raw_prices", [*asked, *beside])
        _keep_blocked(context, "raw_prices", asked, raw_prices)

    @dg.multi_asset_check(
        name=f"clean_prices{STEP_SUFFIX}",
        specs=_specs("clean_prices", grid, additional_deps=["raw_prices"]),
        ins={"raw_prices": dg.AssetIn("raw_prices")},
        required_resource_keys={"log_dir", "store"},
    )
    def clean_prices_checks(
        context: dg.AssetCheckExecutionContext, clean_prices, raw_prices
    ) -> Iterator[dg.AssetCheckResult]:
        asked = _ask(context, checks.CLEAN, clean_prices)
        beside = _ask(context, checks.CLEAN_BESIDE_RAW, clean_prices, raw_prices)
        yield from _results(context, "clean_prices", [*asked, *beside])
        _keep_blocked(context, "clean_prices", asked, raw_prices)

    @dg.multi_asset_check(
        name=f"features{STEP_SUFFIX}",
        specs=_specs("features", grid, additional_deps=["clean_prices"]),
        ins={"clean_prices": dg.AssetIn("clean_prices")},
        required_resource_keys={"log_dir"},
    )
    def features_checks(
        context: dg.AssetCheckExecutionContext, features, clean_prices
    ) -> Iterator[dg.AssetCheckResult]:
        asked = _ask(context, checks.FEATURES, features)
        beside = _ask(context, checks.FEATURES_BESIDE_CLEAN, features, clean_prices)
        yield from _results(context, "features", [*asked, *beside])

    @dg.multi_asset_check(
        name=f"backtest{STEP_SUFFIX}",
        specs=_specs("backtest", grid, additional_deps=["features"]),
        ins={"features": dg.AssetIn("features")},
        required_resource_keys={"log_dir", "model_settings"},
    )
    def backtest_checks(context: dg.AssetCheckExecutionContext, features) -> Iterator[dg.AssetCheckResult]:
        ticker, _ = partitions.split(context.partition_key)
        settings = context.resources.model_settings.of(ticker).model
        yield from _results(context, "backtest", _ask(context, checks.BACKTEST, features, settings))

    @dg.multi_asset_check(
        name=f"evaluation{STEP_SUFFIX}",
        specs=_specs("evaluation", grid),
        required_resource_keys={"log_dir"},
    )
    def evaluation_checks(context: dg.AssetCheckExecutionContext, evaluation) -> Iterator[dg.AssetCheckResult]:
        yield from _results(context, "evaluation", _ask(context, checks.EVALUATION, evaluation))

    @dg.multi_asset_check(
        name=f"track_record{STEP_SUFFIX}",
        specs=_specs("track_record", grid),
        required_resource_keys={"log_dir"},
    )
    def track_record_checks(context: dg.AssetCheckExecutionContext, track_record) -> Iterator[dg.AssetCheckResult]:
        yield from _results(context, "track_record", _ask(context, checks.TRACK_RECORD, track_record.summary))

    return [
        raw_prices_checks,
        clean_prices_checks,
        features_checks,
        backtest_checks,
        evaluation_checks,
        track_record_checks,
    ]


def _specs(asset: str, grid: dg.PartitionsDefinition, **more: Any) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=asset,
            blocking=check.blocking,
            description=f"{check.description} {'Blocks' if check.blocking else 'Warns'}: {check.why}",
            partitions_def=grid,
            **more,
        )
        for check in checks.ASKED[asset]
    ]


def _ask(context: dg.AssetCheckExecutionContext, asked: Iterable[checks.Check], *frames: Any) -> list[_Asked]:
    from stock_assets.core import validation

    ticker, session = partitions.split(context.partition_key)
    return validation.ask(asked, *frames, ticker=ticker, as_of=session)


def _keep_blocked(
    context: dg.AssetCheckExecutionContext, asset: str, asked: Sequence[_Asked], raw_prices: "pd.DataFrame"
) -> None:
    from stock_assets.storage import quarantine

    ticker, session = partitions.split(context.partition_key)
    quarantine.keep_blocked(context.resources.store, asset, asked, ticker=ticker, session=session, snapshot=raw_prices)


def _results(
    context: dg.AssetCheckExecutionContext, asset: str, found: Sequence[_Asked]
) -> Iterator[dg.AssetCheckResult]:
    failed = [(check, finding) for check, finding in found if not finding.passed]
    with logs.asset_log(context.resources.log_dir, asset, *partitions.split(context.partition_key)) as log:
        for check, finding in failed:
            level = logging.ERROR if check.blocking else logging.WARNING
            log.log(level, "check %s failed: %s", check.name, _complaint(finding))
    for check, finding in found:
        metadata: dict[str, Any] = {"observed": finding.observed, "expected": finding.expected}
        if finding.threshold is not None:
            metadata["threshold"] = finding.threshold
        if len(finding.offending):
            metadata["offending sessions"] = describe.preview(finding.offending)
        yield dg.AssetCheckResult(
            passed=finding.passed,
            asset_key=asset,
            check_name=check.name,
            severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
            description=_told(finding),
            metadata=metadata,
        )


def _told(finding: "Finding") -> str:
    if finding.passed:
        return finding.note or f"as expected: {finding.expected}"
    return f"came {_complaint(finding)}"


def _complaint(finding: "Finding") -> str:
    note = f" ({finding.note})" if finding.note else ""
    return f"{finding.observed}; expected {finding.expected}{note}"
