"""Why a Dagster run failed, in one line for a person. The whole story is in Dagster's event log and under logs/."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg

from stock_assets.core import errors
from stock_assets.defs import asset_checks

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

_INTERRUPTIONS = {dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__}
_FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
# Dagster's words when its daemon stops a run that took longer than `max_runtime_seconds` of dagster.yaml.
_TOOK_TOO_LONG = "exceeding maximum runtime"
_SHOWN_SESSIONS = 5

TELLING = {
    *_FAILURES,
    dg.DagsterEventType.RUN_CANCELING,
    dg.DagsterEventType.RUN_CANCELED,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_OBSERVATION,
}
"""The kinds of events that say why a run failed; the others need not be read."""

_OUR_ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.StockAssetsError)
}


STEP, WHY, WILL_RETRY = "step", "why", "will be tried again"
"""What the metadata call what a `PartitionFailure` holds."""


NOT_TRIED = "not tried"
"""What the reason begins with of a step that was not begun, as others had waited for the source in vain."""


class Cause(NamedTuple):
    """At which asset a run halted, None when at none of them, and why: beginning with the ticker and the session."""

    asset: str | None
    why: str


class PartitionFailure(NamedTuple):
    """A step that failed of one partition among many of a run: the asset's own, or that of its checks."""

    asset: str
    step: str
    why: str
    will_retry: bool


def stopped(events: Iterable[dg.DagsterEvent]) -> bool:
    """Whether somebody stopped the run: Dagster makes a failure of Ctrl-C. Its own limit of time is nobody."""
    events = list(events)
    return any(
        event.event_type == dg.DagsterEventType.RUN_CANCELED or _was_interrupted(event) for event in events
    ) and not any(
        event.event_type == dg.DagsterEventType.RUN_CANCELING and _TOOK_TOO_LONG in (event.message or "")
        for event in events
    )


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    return event.event_type in _FAILURES and any(error.cls_name in _INTERRUPTIONS for error in _chain(event))


def cause(events: Iterable[dg.DagsterEvent], ticker: str, session: date) -> Cause:
    """What made the run with these events fail: a blocking check, or the first step that failed."""
    return cause_of(events, f"{ticker} {session}")


def cause_of(events: Iterable[dg.DagsterEvent], where: str) -> Cause:
    """As `cause`; `where`: what the run is about, which the reason begins with."""
    failures, words = [], None
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.blocking and not check.passed:
                asset = check.asset_key.to_user_string()
                told = f"{where}: check {check.check_name} on {asset} failed: {check.description}{_offending(check)}"
                return Cause(asset, told)
        elif (failed := of_partition(event)) and not failed.will_retry:
            return Cause(failed.asset, f"{where}: {failed.why}")
        elif event.event_type in _FAILURES:
            # Where it was interrupted says nothing of why; who did it has said so, in the run's own event.
            failures.append((event.step_key, [] if _was_interrupted(event) else _chain(event)))
            words = words or (event.message if event.event_type == dg.DagsterEventType.RUN_FAILURE else None)
    for step, chain in failures:
        if chain:
            return Cause(_asset(step), _told(step, chain, where))
    return Cause(None, f"{where}: {words or 'the run ended early without telling why; see it in the Dagster UI'}")


def of_partition(event: dg.DagsterEvent) -> PartitionFailure | None:
    """What a run that makes many partitions told of one that failed; None when the event is about something else."""
    if event.event_type != dg.DagsterEventType.ASSET_OBSERVATION:
        return None
    observation = event.asset_observation_data.asset_observation
    told = {name: value.value for name, value in observation.metadata.items()}
    if not {STEP, WHY, WILL_RETRY} <= told.keys():
        return None
    asset = observation.asset_key.to_user_string()
    return PartitionFailure(asset, str(told[STEP]), str(told[WHY]), bool(told[WILL_RETRY]))


def partition_of(event: dg.DagsterEvent) -> str | None:
    """The key of the partition that an event is about."""
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return event.asset_check_evaluation_data.partition
    return event.partition


def halts(events: Iterable[dg.DagsterEvent]) -> bool:
    """Whether events of one partition tell that it failed: a blocking check, or a failure that is not tried again."""
    return cause_of(events, "").asset is not None


def of_step(event: dg.DagsterEvent, where: str) -> str | None:
    """Why a step failed, or has to be tried again; None when it does not tell: the run does, when it was stopped."""
    chain = [] if _was_interrupted(event) else _chain(event)
    return _told(event.step_key, chain, where) if chain else None


def _told(step: str | None, chain: "list[SerializableErrorInfo]", where: str) -> str:
    # Ours says all that a person needs; what caused it is in a library's words, and in the log.
    for error in chain:
        if error.cls_name in _OUR_ERRORS:
            text = _one_line(error).partition(": ")[2]
            return text if text.startswith(where) else f"{where}: {text}"
    return f"{where}: {step or 'the run'}: {_one_line(chain[-1])}"


def _asset(step: str | None) -> str | None:
    return None if step is None else step.removesuffix(asset_checks.STEP_SUFFIX)


def _chain(event: dg.DagsterEvent) -> "list[SerializableErrorInfo]":
    """The error of a failure, or of a step that has to be tried again, and its causes, outermost first."""
    if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
        data = event.step_retry_data
    else:
        data = event.step_failure_data if event.is_step_failure else event.job_failure_data
    # A run whose process was killed: somebody else said that it failed, in words alone.
    error, chain = None if data is None else data.error, []
    while error is not None:
        chain.append(error)
        error = error.cause
    return chain


def _one_line(error: "SerializableErrorInfo") -> str:
    return " ".join(error.message.split())


def _offending(check: dg.AssetCheckEvaluation) -> str:
    """The first sessions that a check complains about."""
    table = check.metadata.get("offending sessions")
    if not isinstance(table, dg.TableMetadataValue):
        return ""
    found = [str(record.data["session"]) for record in table.records if "session" in record.data]
    more = " ..." if len(found) > _SHOWN_SESSIONS else ""
    return f": {', '.join(found[:_SHOWN_SESSIONS])}{more}" if found else ""
