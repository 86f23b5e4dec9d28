"""The watchlist file: what it may hold, and editing it."""

import pytest

from stock_assets import watchlist
from stock_assets.core import configuration
from stock_assets.core.errors import InvalidTickerError, SettingsError, UnknownTickerError
from stock_assets.core.model_settings import ModelSettings
from stock_assets.settings import project_root


def write(tmp_path, text):
    path = tmp_path / "watchlist.yaml"
    path.write_text(text)
    return path


def test_the_one_that_ships_follows_tesla_and_seagate():
    shipped = watchlist.read(project_root() / "watchlist.yaml")
    assert shipped.tickers == ["TSLA", "STX"]
    assert shipped.entries[0].name == "Tesla"


def test_entries_are_tickers_or_tickers_with_a_name(tmp_path):
    path = write(tmp_path, "tickers:\n  - tsla\n  - {ticker: BRK-B, name: Berkshire Hathaway}\n")
    assert watchlist.read(path).entries == (
        watchlist.Entry("TSLA"),
        watchlist.Entry("BRK-B", "Berkshire Hathaway"),
    )


def test_tickers_that_yaml_takes_for_other_things_are_texts(tmp_path):
    # ON Semiconductor, Nokia's NO, TrueCar, and Tencent in Hong Kong
    path = write(tmp_path, "tickers: [ON, NO, TRUE, 0700.HK]\n")
    assert watchlist.read(path).tickers == ["ON", "NO", "TRUE", "0700.HK"]


def assert_refused(tmp_path, text, problem):
    """Reading `text` fails in one line with the file's name and the problem."""
    path = write(tmp_path, text)
    with pytest.raises(SettingsError, match=problem) as caught:
        watchlist.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tickers: [TSLA", "isn't valid YAML"),
        ("tickers:\n  - TSLA\n  - tsla\n", "names TSLA twice"),
        ("", "expected a list under 'tickers'"),
        ("- TSLA\n", "expected a list under 'tickers'"),
        ("tickers: TSLA\n", "expected a list under 'tickers'"),
        ("tickers: []\n", "is empty"),
        ("tickers: [TSLA]\nother: 1\n", "expected a list under 'tickers'"),
        ("tickers:\n  - {ticker: TSLA, colour: red}\n", "entry 1 is .*colour"),
        ("tickers:\n  - {name: Tesla}\n", "entry 1 is .*name"),
        ("# mine\ntickers:\n  - TSLA\n\n  - {ticker: STX, group: disks}\n", r"line 5, entry 2 \(STX\): unknown group"),
        ("groups: {cars: {}}\ntickers:\n  - {ticker: STX, group: disks}\n", "'disks'; expected one of cars"),
        ("groups: [cars]\ntickers: [TSLA]\n", r"groups is \['cars'\]; expected names"),
        ("groups: {cars: {models: 1}}\ntickers: [TSLA]\n", "group cars is .*models"),
        ("groups: {my cars: {}}\ntickers: [TSLA]\n", "group my cars: expected a name of letters"),
        ("groups: {1: {}}\ntickers: [TSLA]\n", "group 1: expected a name of letters"),
        ("tickers:\n  - {ticker: STX, group: [a, b]}\n", r"entry 1: group is \['a', 'b'\]"),
        ("tickers:\n  - TSLA\n  - {ticker: STX, tags: large}\n", "line 3, entry 2: tags is 'large'; expected a list"),
        ("tickers:\n  - TSLA\n  - ../../etc\n", "entry 2: '../../etc' is not a ticker"),
        ("tickers:\n  - [TSLA]\n", "entry 1: .*is not a ticker"),
    ],
)
def test_anything_else_is_refused_naming_the_file_and_the_problem(tmp_path, text, problem):
    assert_refused(tmp_path, text, problem)


MODELS = """
# mine
model:
  cost_bps: 10          # of all
  parameters: {max_depth: 3}
tickers:
  - TSLA
  - ticker: STX
    name: Seagate
    model: {horizon: 5, window: null, short: true}
  - {ticker: ON, model: {estimator: linear}}
"""


def test_models_of_all_and_of_single_tickers(tmp_path):
    listed = watchlist.read(write(tmp_path, MODELS))
    found = {ticker: configuration.combine(*listed.overrides(ticker)) for ticker in listed.tickers}
    assert found["TSLA"].model == ModelSettings(parameters={"max_depth": 3})
    assert found["STX"].model == ModelSettings(parameters={"max_depth": 3}, horizon=5)
    assert found["ON"].model == ModelSettings(estimator="linear")
    assert [found[ticker].rules.short for ticker in listed.tickers] == [False, True, False]
    assert {each.rules.cost_bps for each in found.values()} == {10.0}


def test_no_model_is_no_override(tmp_path):
    listed = watchlist.read(write(tmp_path, "model:\ntickers:\n  - TSLA\n  - {ticker: STX, model: }\n"))
    assert listed.overrides("TSLA") == listed.overrides("STX") == ({}, {})


def test_numbers_as_people_write_them(tmp_path):
    text = "tickers:\n  - {ticker: STX, model: {estimator: linear, parameters: {C: 1e-4, alpha: 2.5E+3}}}\n"
    [_, model] = watchlist.read(write(tmp_path, text)).overrides("STX")
    assert model["parameters"] == {"C": 0.0001, "alpha": 2500.0}


def test_editing_keeps_models(tmp_path):
    path = write(tmp_path, MODELS)
    watchlist.add(path, "NVDA")
    changed = watchlist.remove(path, "TSLA")
    assert changed.overrides("STX")[1] == {"horizon": 5, "window": None, "short": True}
    assert changed.overrides("NVDA") == ({"cost_bps": 10, "parameters": {"max_depth": 3}}, {})
    assert "# of all" in path.read_text()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model: {horizons: 5}\ntickers: [TSLA]\n", "model: unknown: horizons; expected only estimator, .*horizon"),
        ("model: [5]\ntickers: [TSLA]\n", r"model is \[5\]; expected a mapping with keys estimator"),
        (
            "tickers:\n  - {ticker: stx, model: {horizon: 0}}\n",
            r"entry 1 \(STX\), model: horizon is 0; expected a whole",
        ),
        ("tickers:\n  - {ticker: STX, model: {horizon: '5'}}\n", "horizon is '5'"),
        ("model: {estimator: linear}\ntickers:\n  - {ticker: STX, model: {parameters: {max_depth: 3}}}\n", "max_depth"),
        ("tickers:\n  - {ticker: STX, model: {seed: 2024-13-45}}\n", "isn't valid YAML: month must be in 1..12"),
        ("models: {}\ntickers: [TSLA]\n", "with the unknown models; expected .* nothing beside it but 'model'"),
        # Possible by itself, but not over what the group says.
        (
            "groups: {g: {model: {estimator: linear}}}\n"
            "tickers:\n  - A\n  - {ticker: B, group: g, model: {parameters: {max_depth: 3}}}\n",
            r"line 4, entry 2 \(B\), model: .*max_depth",
        ),
        ("groups: {g: {model: {horizon: 0}}}\ntickers: [A]\n", "group g, model: horizon is 0"),
    ],
)
def test_a_model_that_can_not_be(tmp_path, text, problem):
    assert_refused(tmp_path, text, problem)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="does not exist; set STOCK_ASSETS_WATCHLIST"):
        watchlist.read(tmp_path / "none.yaml")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "watchlist.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="can't be read as UTF-8"):
        watchlist.read(path)


def test_require(tmp_path):
    listed = watchlist.read(write(tmp_path, "tickers: [TSLA]\n"))
    assert listed.require("tsla") == "TSLA"
    with pytest.raises(UnknownTickerError, match=r"NVDA is not on the watchlist .*stock-assets watchlist add NVDA"):
        listed.require("NVDA")
    with pytest.raises(InvalidTickerError):
        listed.require("TSLA;rm")


def test_adding_and_removing_keep_comments(tmp_path):
    path = write(tmp_path, "# mine\ntickers:\n  # cars\n  - ticker: TSLA\n    name: Tesla\n  - STX  # disks\n")
    assert watchlist.add(path, "on").tickers == ["TSLA", "STX", "ON"]
    assert watchlist.remove(path, "TSLA").tickers == ["STX", "ON"]
    text = path.read_text()
    assert "# mine" in text
    assert "# disks" in text
    assert watchlist.read(path).tickers == ["STX", "ON"]


def test_edits_that_make_no_sense_change_nothing(tmp_path):
    path = write(tmp_path, "tickers: [TSLA]\n")
    for edit, ticker in ((watchlist.add, "TSLA"), (watchlist.remove, "TSLA"), (watchlist.remove, "STX")):
        with pytest.raises(SettingsError):
            edit(path, ticker)
    assert path.read_text() == "tickers: [TSLA]\n"
    assert [file.name for file in tmp_path.iterdir()] == ["watchlist.yaml"]


GROUPS = """
model: {cost_bps: 7}
groups:
  disks: {model: {horizon: 5, short: true}}
  cars:
tickers:
  - {ticker: STX, group: disks, tags: [hardware, dividend]}
  - {ticker: WDC, group: disks, tags: [hardware], model: {horizon: 3}}
  - {ticker: TSLA, group: cars}
  - NVDA
"""


def test_groups_stand_between_all_and_one(tmp_path):
    listed = watchlist.read(write(tmp_path, GROUPS))
    found = {ticker: configuration.combine(*listed.overrides(ticker)) for ticker in listed.tickers}
    assert {ticker: (each.model.horizon, each.rules.short) for ticker, each in found.items()} == {
        "STX": (5, True),
        "WDC": (3, True),
        "TSLA": (1, False),
        "NVDA": (1, False),
    }
    assert {each.rules.cost_bps for each in found.values()} == {7.0}


@pytest.mark.parametrize(
    ("group", "tag", "tickers"),
    [
        (None, None, ["STX", "WDC", "TSLA", "NVDA"]),
        ("disks", None, ["STX", "WDC"]),
        (None, "dividend", ["STX"]),
        ("cars", "hardware", []),
    ],
)
def test_choosing(tmp_path, group, tag, tickers):
    listed = watchlist.read(write(tmp_path, GROUPS))
    assert [entry.ticker for entry in listed.chosen(group, tag)] == tickers


def test_choosing_what_is_not_there(tmp_path):
    listed = watchlist.read(write(tmp_path, GROUPS))
    with pytest.raises(SettingsError, match="has no group 'disk'; expected one of disks, cars"):
        listed.chosen("disk")
    with pytest.raises(SettingsError, match="has no tag 'large'; expected one of dividend, hardware"):
        listed.chosen(tag="large")


def test_many_are_added_and_removed_at_once_or_not_at_all(tmp_path):
    path = write(tmp_path, GROUPS)
    added = watchlist.add(path, "HPQ", "dell", group="disks")
    assert [entry.ticker for entry in added.chosen("disks")] == ["STX", "WDC", "HPQ", "DELL"]
    before = path.read_text()
    for edit, tickers in (
        (watchlist.add, ("F", "STX")),
        (watchlist.add, ("F", "f")),
        (watchlist.remove, ("STX", "F")),
        (watchlist.remove, tuple(added.tickers)),
    ):
        with pytest.raises(SettingsError):
            edit(path, *tickers)
    with pytest.raises(SettingsError, match="no group 'fruit'"):
        watchlist.add(path, "F", group="fruit")
    assert path.read_text() == before
    assert watchlist.remove(path, "stx", "HPQ").tickers == ["WDC", "TSLA", "NVDA", "DELL"]


def test_a_thousand_entries_and_an_error_among_them(tmp_path):
    """Errors name few of them."""
    lines = [
        f"  - {{ticker: T{n:04}, group: g, tags: [t{n % 3}], model: {{horizon: {n % 5 + 1}}}}}" for n in range(1000)
    ]
    text = "\n".join(["groups: {g: {}}", "tickers:", *lines, ""])
    listed = watchlist.read(write(tmp_path, text))
    assert len(listed.chosen("g", "t2")) == 333
    assert listed.overrides("T0999")[-1] == {"horizon": 5}
    with pytest.raises(UnknownTickerError, match="T0019 and 980 more") as caught:
        listed.require("NVDA")
    assert len(str(caught.value)) < 400
    assert_refused(tmp_path, text + "  - T0500\n", "line 1003, entry 1001: the watchlist names T0500 twice")
