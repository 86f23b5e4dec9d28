"""One log file an asset, and the frame of every asset's work: who is at work on what, how long, and what went wrong.

Plain logging handlers that open a file for each step and close it: nothing here touches Dagster's storage, so it works
alike in the web server's runs, the daemon's and the command line's.
"""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from logging.handlers import RotatingFileHandler
from pathlib import Path

import dagster as dg

from stock_assets.core.errors import SourceUnavailableError, StockAssetsError
from stock_assets.defs import partitions, retries

_MAX_BYTES = 5_000_000
_KEPT_FILES = 3


@dataclass(frozen=True)
class Work:
    """What one step works on, and where it tells about it."""

    ticker: str
    session: date
    log: logging.LoggerAdapter
    started: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        """Since the start: of the step's own work, as loading what it is made from comes before."""
        return round(time.perf_counter() - self.started, 3)


class _Line(logging.Formatter):
    """`2026-11-20T22:05:01+0000 INFO TSLA 2026-11-20 message`, the trace on the lines below."""

    def __init__(self):
        super().__init__("%(asctime)s %(levelname)s %(ticker)s %(session)s %(message)s", "%Y-%m-%dT%H:%M:%S+0000")
        self.converter = time.gmtime


class _File(RotatingFileHandler):
    """A log on a full disk, or one that can't be opened, is told in a line, and the work goes on without it."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif sys.stderr is not None:
            sys.stderr.write(f"{self.baseFilename} can't be written: {error.strerror}\n")

    def close(self) -> None:
        # What did not fit is tried once more here.
        with contextlib.suppress(OSError):
            super().close()


@contextmanager
def asset_log(folder: Path, asset: str, ticker: str, session: date) -> Iterator[logging.LoggerAdapter]:
    """A logger that appends to `<folder>/<asset>.log`, each line with its time (UTC), level, ticker and session."""
    with contextlib.suppress(OSError):  # told when the file can't be opened either
        folder.mkdir(parents=True, exist_ok=True)
    handler = _File(folder / f"{asset}.log", maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8", delay=True)
    handler.setFormatter(_Line())
    logger = logging.Logger(f"stock_assets.{asset}", logging.INFO)
    logger.addHandler(handler)
    try:
        yield logging.LoggerAdapter(logger, {"ticker": ticker, "session": session.isoformat()})
    finally:
        handler.close()


@contextmanager
def working(context: dg.AssetExecutionContext) -> Iterator[Work]:
    """The frame of an asset's body, see `making`; it tells the UI the seconds too, which the log has."""
    with making(context, context.asset_key.to_user_string()) as work:
        yield work
    context.add_asset_metadata({"seconds": work.seconds()})


@contextmanager
def making(context: dg.AssetExecutionContext | dg.OpExecutionContext, asset: str) -> Iterator[Work]:
    """The frame of a step that makes `asset`: logs start, end and any error with its trace.

    `SourceUnavailableError` is a passing fault: Dagster is asked to try again later. Our other errors say something
    about the data, not about the moment: they become a `Failure` that is not retried.
    """
    ticker, session = partitions.split(context.partition_key)
    with asset_log(context.resources.log_dir, asset, ticker, session) as log:
        work = Work(ticker, session, log)
        again = f", retry {context.retry_number}" if context.retry_number else ""
        log.info("started, run %s%s", context.run.run_id, again)
        try:
            yield work
        except SourceUnavailableError as error:
            log.warning("%s", error, exc_info=True)
            raise retries.fetch_again(error, context.resources.retry_delay, context.retry_number) from error
        except StockAssetsError as error:
            log.error("%s", error, exc_info=True)
            # Functions that are told neither ticker nor session leave them to us.
            told = str(error) if ticker in str(error) else f"{ticker} {session}: {error}"
            raise dg.Failure(description=told, allow_retries=False) from error
        except Exception:
            log.exception("unexpected error")
            raise
        log.info("finished in %.2f s", work.seconds())
