"""Every line of the table of faults holds, and what belongs to an error is in it."""

from pathlib import Path

import pandas as pd
import pytest

from stock_assets.core import errors
from stock_assets.defs import retries
from stock_assets.sources import base
from stock_assets_tests.sources import fault_table
from stock_assets_tests.sources.fault_table import MALFORMED, PRICES, TABLE, UNAVAILABLE, Line
from stock_assets_tests.yahoo_server import Fault

TRIES = retries.FETCH_RETRIES + 1


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yfinance")
    fault_table.learn_time_zone(folder)
    return folder


def test_each_line_has_a_name_of_its_own() -> None:
    assert len({line.fault for line in TABLE}) == len(TABLE)


@pytest.mark.parametrize("line", TABLE, ids=[line.fault for line in TABLE])
def test_what_comes_of_a_fault(cache_dir: Path, line: Line) -> None:
    ticker = fault_table.ticker_of(line)
    with fault_table.faulty(line, cache_dir) as (server, source):
        once = fault_table.fetch(line, server, source)

        if isinstance(once.came, base.PriceHistory):
            assert line.outcome == PRICES
            pd.testing.assert_frame_equal(once.came.bars, fault_table.nvda(), check_exact=True)
        else:
            assert type(once.came) is line.outcome
            with pytest.raises(errors.SourceError, match=f"^{ticker} 2021-07-23: .*{line.message}"):
                raise once.came
        assert once.histories == line.histories
        # So a fetch takes twice the time-out at most.
        assert once.given_up <= 2

        # Whoever tries again asks again, and is not told the same from memory. Nobody tries again but after the first.
        retried = fault_table.fetch(line, server, source, tries=TRIES)
        is_passing = line.outcome is UNAVAILABLE
        assert retried.histories == (0 if line.outcome == PRICES else line.histories * (TRIES if is_passing else 1))

        server.faults.clear()
        if ticker in server.histories:
            assert len(source.fetch(ticker, fault_table.FRIDAY).bars) == 6

    if isinstance(once.came, errors.SourceUnavailableError):
        assert once.came.retry_after == line.retry_after
    if isinstance(once.came, errors.MalformedPricesError):
        assert once.came.payload is not None
        assert once.came.payload.startswith(b'{"chart"')


def test_a_long_answer_is_kept_up_to_a_limit(cache_dir: Path) -> None:
    long = fault_table.answer(b'{"chart":{"result":[null],"error":null}}' + b" " * 6_000_000)

    result = fault_table.run(fault_table.line("long", long, MALFORMED), cache_dir)

    assert isinstance(result.came, errors.MalformedPricesError)
    assert result.came.payload is not None
    assert len(result.came.payload) == 5 * 2**20


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (Fault(status=429), errors.SourceUnavailableError),
        (fault_table.answer(b"half"), errors.SourceUnavailableError),
        (fault_table.meta(exchangeTimezoneName="Mars/Phobos"), errors.MalformedPricesError),
    ],
    ids=["429", "not JSON", "yfinance fails"],
)
def test_the_exception_behind_an_error_is_kept(cache_dir: Path, made: Fault, kind: type[Exception]) -> None:
    result = fault_table.run(fault_table.line("", made, ""), cache_dir)

    assert isinstance(result.came, kind)
    assert result.came.__cause__ is not None


@pytest.mark.parametrize(
    ("fault", "timed_out"),
    [
        (Fault(delay=2 * fault_table.TIMEOUT), True),
        (Fault(trickle=0.05), True),
        (Fault(drop=True), False),
        (Fault(status=503), False),
    ],
    ids=["no answer", "one that never ends", "dropped", "503"],
)
def test_only_a_source_that_hangs_has_timed_out(cache_dir: Path, fault: Fault, timed_out: bool) -> None:
    came = fault_table.run(fault_table.line("hangs", fault, UNAVAILABLE), cache_dir).came
    assert isinstance(came, errors.SourceUnavailableError)
    assert came.timed_out is timed_out
