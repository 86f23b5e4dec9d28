"""Which source a command works with, and what is said about it."""

from pathlib import Path

import pytest

from stock_assets.commands import source
from stock_assets.core.errors import SettingsError
from stock_assets.settings import Settings
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.place import NOBODY
from stock_assets_tests.yahoo_server import Fault, YahooServer

LOUD = "SIMULATED PRICES, NOT REAL ONES"


def settings(**variables: str) -> Settings:
    return Settings.from_environment({"STOCK_ASSETS_YAHOO_URL": NOBODY} | variables)


def test_one_that_is_asked_for_is_taken_without_a_probe() -> None:
    choice = source.choose(settings(), "yahoo")
    assert (choice.settings.source, choice.warning) == ("yahoo", None)
    assert choice.settings.data_dir.endswith("/data/yahoo")


def test_simulated_prices_are_never_silent() -> None:
    choice = source.choose(settings(), "simulated")
    assert choice.settings.source == "simulated"
    assert choice.warning is not None
    assert choice.warning.startswith(LOUD)


@pytest.mark.parametrize("requested", ["auto", None])
def test_auto_with_nobody_there_is_simulated_and_loud(requested: str | None) -> None:
    choice = source.choose(settings(), requested)
    assert choice.settings.source == "simulated"
    assert choice.settings.data_dir.endswith("/data/simulated")
    assert choice.warning is not None
    assert choice.warning.startswith(LOUD)
    assert "Yahoo Finance" in choice.warning


def test_auto_with_yahoo_there_is_yahoo() -> None:
    spy = SimulatedSource().fetch("SPY", Settings.from_environment({}).first_session).bars
    with YahooServer({"SPY": spy}) as server:
        choice = source.choose(settings(STOCK_ASSETS_YAHOO_URL=server.url), "auto")
        assert (choice.settings.source, choice.warning) == ("yahoo", None)
        # A server that is there and has a bad moment is no Yahoo to work with.
        server.faults["SPY"] = Fault(status=503)
        assert source.choose(settings(STOCK_ASSETS_YAHOO_URL=server.url), "auto").settings.source == "simulated"


def test_a_setting_counts_unless_a_word_says_otherwise() -> None:
    assert source.choose(settings(STOCK_ASSETS_SOURCE="yahoo"), None).settings.source == "yahoo"
    assert source.choose(settings(STOCK_ASSETS_SOURCE="yahoo"), "simulated").settings.source == "simulated"
    assert source.choose(settings(STOCK_ASSETS_SOURCE="yahoo"), "auto").settings.source == "simulated"


def test_csv_needs_a_folder(tmp_path: Path) -> None:
    assert source.choose(settings(STOCK_ASSETS_PRICES_DIR=str(tmp_path)), "csv").settings.source == "csv"
    (tmp_path / "file").write_text("")
    for place in ("", str(tmp_path / "none"), str(tmp_path / "file"), str(tmp_path / "file" / "below")):
        with pytest.raises(
            SettingsError, match=r"STOCK_ASSETS_PRICES_DIR: .*; expected a folder of <TICKER>\.csv files"
        ):
            source.choose(settings(STOCK_ASSETS_PRICES_DIR=place), "csv")
