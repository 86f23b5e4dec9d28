"""Why a Dagster run failed, in one line for a person. The whole story is in Dagster's event log and under logs/."""

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from stock_assets.core import errors

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

_INTERRUPTIONS = {dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__}
_FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
_SHOWN_SESSIONS = 5

_OUR_ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.StockAssetsError)
}


def why(result: dg.ExecuteInProcessResult, ticker: str, session: date) -> str:
    """What made the run fail, in one line.

    Raises `KeyboardInterrupt` when somebody stopped it: Dagster makes a failure of Ctrl-C, and the next ticker would
    have its turn.
    """
    where = f"{ticker} {session}"
    stopped = any(event.event_type == dg.DagsterEventType.RUN_CANCELED for event in result.all_events)
    failures = [(event.step_key, _chain(event)) for event in result.all_events if event.event_type in _FAILURES]
    if stopped or any(error.cls_name in _INTERRUPTIONS for _, chain in failures for error in chain):
        raise KeyboardInterrupt
    for check in result.get_asset_check_evaluations():
        if check.blocking and not check.passed:
            asset = check.asset_key.to_user_string()
            return f"{where}: check {check.check_name} on {asset} failed: {check.description}{_offending(check)}"
    for step, chain in failures:
        # Ours says all that a person needs; what caused it is in a library's words, and in the log.
        for error in chain:
            if error.cls_name in _OUR_ERRORS:
                text = _one_line(error).partition(": ")[2]
                return text if text.startswith(where) else f"{where}: {text}"
        if chain:
            return f"{where}: {step or 'the run'}: {_one_line(chain[-1])}"
    return f"{where}: the run ended early without telling why; see it in the Dagster UI"


def _chain(event: dg.DagsterEvent) -> "list[SerializableErrorInfo]":
    """The error of a failure and its causes, outermost first."""
    data = event.step_failure_data if event.is_step_failure else event.job_failure_data
    error, chain = data.error, []
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
