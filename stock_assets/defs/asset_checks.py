"""Checks on stored prices, as Dagster sees them. The predicates themselves are in core.validation.

The checks of one asset are one step: its table is read once, not once a check.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from stock_assets.defs import describe, logs, partitions

# Name of the predicate, whether a failure stops what is downstream, and why.
RAW = (
    ("has_schema", True, "Columns and types are those of a price table."),
    ("is_in_order", True, "Sessions are unique and in order, none after the partition's."),
    ("prices_are_positive", True, "Every price present is above zero."),
    ("high_low_bound_prices", True, "No open or close lies outside high and low by more than rounding."),
    ("last_session_is_present", True, "The last bar is that of the partition's session."),
)
CLEAN = (
    ("has_schema", True, "Columns, types and ranges are those of clean prices."),
    ("is_in_order", True, "Sessions are unique and in order, none after the partition's."),
    ("prices_are_positive", True, "Every price is above zero."),
    ("high_low_bound_prices", True, "No open or close lies outside high and low."),
    ("last_session_is_present", True, "The last row is that of the partition's session."),
    ("sessions_are_complete", False, "No session of the exchange is missing between the first row and the last."),
    ("adjusted_close_agrees_with_source", False, "Our adjusted close agrees with the source's own."),
)


def build(grid: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The check steps of the graph, for the partitions of `grid`.

    A check of a partitioned asset has to be told the partitions too, or it would load them all.
    """

    @dg.multi_asset_check(
        name="raw_prices_checks", specs=_specs("raw_prices", RAW, grid), required_resource_keys={"log_dir"}
    )
    def raw_prices_checks(context: dg.AssetCheckExecutionContext, raw_prices) -> Iterator[dg.AssetCheckResult]:
        yield from _results(context, "raw_prices", RAW, raw_prices)

    @dg.multi_asset_check(
        name="clean_prices_checks",
        specs=_specs("clean_prices", CLEAN, grid, additional_deps=["raw_prices"]),
        ins={"raw_prices": dg.AssetIn("raw_prices")},
        required_resource_keys={"log_dir"},
    )
    def clean_prices_checks(
        context: dg.AssetCheckExecutionContext, clean_prices, raw_prices
    ) -> Iterator[dg.AssetCheckResult]:
        yield from _results(context, "clean_prices", CLEAN, clean_prices, raw_prices)

    return [raw_prices_checks, clean_prices_checks]


Check = tuple[str, bool, str]


def _specs(asset: str, checks: Sequence[Check], grid: dg.PartitionsDefinition, **more: Any) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=asset, blocking=blocking, description=why, partitions_def=grid, **more)
        for name, blocking, why in checks
    ]


def _results(
    context: dg.AssetCheckExecutionContext, asset: str, checks: Sequence[Check], *frames: Any
) -> Iterator[dg.AssetCheckResult]:
    from stock_assets.core import validation

    ticker, session = partitions.split(context.partition_key)
    findings = []
    with logs.asset_log(context.resources.log_dir, asset, ticker, session) as log:
        for name, blocking, _ in checks:
            predicate = getattr(validation, name)
            tables = frames if name in validation.COMPARISONS else frames[:1]
            finding = predicate(*tables, ticker=ticker, as_of=session)
            findings.append((name, blocking, finding))
            if not finding.passed:
                level = logging.ERROR if blocking else logging.WARNING
                log.log(level, "check %s failed: %s; expected %s", name, finding.observed, finding.expected)
    # Dagster stops the step at the first blocking failure: the others are told before it.
    for name, blocking, finding in sorted(findings, key=lambda found: found[1] and not found[2].passed):
        metadata: dict[str, Any] = {"observed": finding.observed, "expected": finding.expected}
        if len(finding.offending):
            metadata["offending sessions"] = describe.preview(finding.offending)
        yield dg.AssetCheckResult(
            passed=finding.passed,
            asset_key=asset,
            check_name=name,
            severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
            description=f"{finding.observed}; expected {finding.expected}",
            metadata=metadata,
        )
