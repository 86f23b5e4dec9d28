"""The promise of the grid, through the whole graph: nothing that comes after a session changes a byte of it."""

import numpy as np
import pandas as pd
import pytest

from stock_assets_tests.defs.graph import ALL, PRICES, SESSION, CannedSource, later

HORIZON = later(60)
SPLIT = later(20)


def in_a_later_basis(bars: pd.DataFrame) -> pd.DataFrame:
    """What a source says of the past after a 4:1 split and a dividend paid since."""
    past = bars.copy()
    past[["open", "high", "low", "close", "adj_close", "dividends"]] /= 4
    past["adj_close"] *= 0.5  # a power of two, so that no bit is lost on the way back
    past["volume"] *= 4
    return past


def future(seed: int) -> pd.DataFrame:
    """Bars after the session that no market has: noise, infinities, gaps, in no order; but with the one split."""
    random = np.random.default_rng(seed)
    index = pd.date_range(later(1), HORIZON, freq="B", name="session").as_unit("ns")
    columns = ["open", "high", "low", "close", "adj_close", "volume", "dividends"]
    noise = random.choice([np.nan, np.inf, -1e9, 0.0, 1e-300, 1e300], size=(len(index), len(columns)))
    bars = pd.DataFrame(noise, index=index, columns=columns)
    bars["stock_splits"] = np.where(index == pd.Timestamp(SPLIT), 4.0, 0.0)
    return bars.sample(frac=1, random_state=seed)


def asked_long_after(bars, ticker, session):
    """The answer for SESSION as a source gives it after HORIZON; for other sessions as on their evening."""
    return pd.concat([in_a_later_basis(bars), future(seed=1)]) if session == SESSION else bars


@pytest.fixture(scope="module")
def on_its_evening(finished):
    graph, _ = finished
    checksums = graph.checksums()
    assert checksums.keys() == set(ALL)
    return checksums


def test_nothing_later_changes_a_byte(on_its_evening, make_graph):
    """SESSION made long after, when later sessions and models are there and the source tells another story of them."""
    graph = make_graph(prices=CannedSource(change=asked_long_after))
    assert graph.run("whole_graph_job", session=later(5)).success
    assert graph.run("whole_graph_job").success
    assert graph.checksums() == on_its_evening


def test_a_later_session_changes_no_earlier_one(on_its_evening, make_graph):
    graph = make_graph()
    without_report = [asset for asset in ALL if asset != "report"]
    for session in (SESSION, later(5)):
        assert graph.run(without_report, session=session).success
    assert graph.checksums() == {asset: on_its_evening[asset] for asset in without_report}
    assert set(graph.checksums(later(5)).values()).isdisjoint(on_its_evening.values())


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_later_bars_say(on_its_evening, make_graph, seed):
    def change(bars, ticker, session):
        return pd.concat([in_a_later_basis(bars), future(seed)])

    graph = make_graph(prices=CannedSource(change=change))
    assert graph.run(PRICES).success
    assert graph.checksums() == {asset: on_its_evening[asset] for asset in PRICES}


def test_the_test_would_notice(on_its_evening, make_graph):
    """A cent on the session's own bar is seen in every artefact; but there is no forecast yet to keep a record of."""

    def one_cent_more(bars, ticker, session):
        bars.loc[bars.index[-1], ["close", "high", "adj_close"]] += 0.01
        return bars

    graph = make_graph(prices=CannedSource(change=one_cent_more))
    assert graph.run("whole_graph_job").success
    same = {asset for asset, checksum in graph.checksums().items() if checksum == on_its_evening[asset]}
    assert same == {"track_record"}
