"""Features that a model must not learn from, and those that a person should look at."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import checks, cleaning, features, sessions, validation
from stock_assets.sources import base

AS_OF = date(2024, 3, 8)


def ask(predicate: validation.Predicate, frame: pd.DataFrame) -> validation.Finding:
    return predicate(frame, ticker="TSLA", as_of=AS_OF)


def sessions_of(finding: validation.Finding) -> list[str]:
    return [f"{session:%m-%d}" for session in finding.offending.index]


@pytest.fixture(scope="module")
def clean() -> pd.DataFrame:
    """Two years of a random walk up to 2024-03-08."""
    n = 600
    index = sessions.sessions_between(date(2021, 1, 4), AS_OF)[-n:]
    random = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, n)))
    open_ = close * np.exp(random.normal(0, 0.005, n))
    edges = np.exp(np.abs(random.normal(0, 0.005, (2, n))))
    columns = {
        "open": open_,
        "high": np.maximum(open_, close) * edges[0],
        "low": np.minimum(open_, close) / edges[1],
        "close": close,
        "adj_close": close,
        "volume": random.integers(10**6, 10**7, n),
        "dividends": np.where(np.arange(n) % 63 == 0, 0.5, 0.0),
        "stock_splits": np.zeros(n),
    }
    return cleaning.clean_prices(base.raw_frame(index, columns), ticker="TSLA", as_of=AS_OF)


@pytest.fixture(scope="module")
def table(clean) -> pd.DataFrame:
    """Its features: 252 rows less."""
    return features.build_features(clean, ticker="TSLA", as_of=AS_OF)


def but(table: pd.DataFrame, row: int, **values) -> pd.DataFrame:
    """A copy in which one row says otherwise."""
    changed = table.copy()
    for name, value in values.items():
        changed.loc[changed.index[row], name] = value
    return changed


class TestFeatures:
    @pytest.mark.parametrize("check", checks.FEATURES, ids=lambda check: check.name)
    def test_checks_pass_on_good_features(self, check, table):
        finding = ask(getattr(validation, check.name), table)
        assert finding.passed, finding
        assert finding.offending.empty

    # pandera 0.35 puts its failure cases together in a way that pandas 2.2 deprecates.
    @pytest.mark.filterwarnings("ignore:The behavior of DataFrame concatenation:FutureWarning")
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda frame: frame.drop(columns=["return_1", "target_session"]),
            lambda frame: frame.assign(return_1="a tenth", target_session="tomorrow"),
            lambda frame: frame.set_axis(frame.index.tz_localize("UTC")),
            lambda frame: frame.reset_index(drop=True),
            lambda frame: frame.iloc[:0],
        ],
        ids=["columns", "texts", "aware", "numbered", "empty"],
    )
    def test_a_table_that_cannot_be_read_is_a_finding_not_a_crash(self, spoil, table):
        findings = {check.name: ask(getattr(validation, check.name), spoil(table)) for check in checks.FEATURES}
        assert any(check.blocking and not findings[check.name].passed for check in checks.FEATURES)

    def test_the_schema_names_what_is_wrong(self, table):
        finding = ask(validation.has_features_schema, table.drop(columns="rsi_14"))
        assert not finding.passed
        assert "rsi_14" in str(finding.observed)

    def test_the_last_row_is_another_session(self, table):
        finding = ask(validation.last_session_has_features, table.iloc[:-1])
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, "2024-03-07", ["03-07"])
        assert finding.expected == "a last row of 2024-03-08"

    @pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
    def test_features_that_are_no_numbers(self, table, nothing):
        finding = ask(validation.features_are_finite, but(table, -1, gap=nothing, macd=nothing))
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-08"])
        assert finding.offending["columns"].tolist() == ["macd, gap"]

    def test_missing_targets_are_another_matter(self, table):
        assert table["target_return"].isna().sum() == 1
        assert ask(validation.features_are_finite, table).passed


class TestTargets:
    @pytest.mark.parametrize("name", features.TARGETS)
    def test_known_ahead(self, table, name):
        finding = ask(validation.no_target_lies_ahead, but(table, -1, **{name: 1.0}))
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-08"])
        assert finding.expected == "0 rows with a target of their own session or of one after 2024-03-08"

    def test_an_open_of_the_next_session_is_not_known_with_the_last_close(self, table):
        assert table["target_return"].notna().iloc[-2]
        finding = ask(validation.no_target_lies_ahead, but(table, -2, target_open_return=0.01))
        assert (finding.passed, finding.observed, sessions_of(finding)) == (False, 1, ["03-07"])

    def test_of_its_own_session(self, table):
        finding = ask(validation.no_target_lies_ahead, but(table, 5, target_session=table.index[5]))
        assert (finding.passed, finding.observed) == (False, 1)

    @pytest.mark.parametrize("shift", [1, -1])
    def test_shifted_by_a_row(self, table, shift):
        """The commonest leak, and the commonest loss."""
        names = ["target_return", "target_up", "target_close"]
        shifted = table.assign(**{name: table[name].shift(shift) for name in names})
        finding = ask(validation.targets_are_what_followed, shifted)
        assert not finding.passed
        assert finding.observed > 300

    @pytest.mark.parametrize(
        "wrong", [{"target_return": np.nan}, {"target_up": 0.5}, {"target_up": np.nan}, {"target_return": 0.5}]
    )
    def test_anything_else(self, table, wrong):
        finding = ask(validation.targets_are_what_followed, but(table, 7, **wrong))
        assert (finding.passed, finding.observed) == (False, 1)
        [row] = finding.offending.to_dict("records")
        assert row["followed"] == pytest.approx(table["return_1"].iloc[8])

    @pytest.mark.parametrize("wrong", [0.5, np.nan])
    def test_from_open_to_open(self, table, wrong):
        finding = ask(validation.targets_are_what_followed, but(table, 7, target_open_return=wrong))
        assert (finding.passed, finding.observed) == (False, 1)
        [row] = finding.offending.to_dict("records")
        assert row["open_followed"] == pytest.approx(table["target_open_return"].iloc[7])

    @pytest.mark.parametrize("shift", [1, -1])
    def test_from_open_to_open_shifted_by_a_row(self, table, shift):
        shifted = table.assign(target_open_return=table["target_open_return"].shift(shift))
        assert ask(validation.targets_are_what_followed, shifted).observed > 300

    def test_across_a_dropped_row_nothing_is_asked(self, table):
        assert ask(validation.targets_are_what_followed, table.drop(table.index[100])).passed

    @pytest.mark.parametrize("horizon", [1, 5, 20])
    def test_of_a_further_horizon(self, clean, horizon):
        further = features.build_features(clean, ticker="TSLA", as_of=AS_OF, horizon=horizon)
        for check in checks.FEATURES:
            assert ask(getattr(validation, check.name), further).passed, check.name
        for name in ("target_return", "target_open_return"):
            finding = ask(validation.targets_are_what_followed, but(further, 50, **{name: 0.3}))
            assert (finding.passed, finding.observed) == (False, 1)


class TestLookAhead:
    def judge(self, table, clean) -> validation.Finding:
        return validation.features_do_not_look_ahead(table, clean, ticker="TSLA", as_of=AS_OF)

    @pytest.mark.parametrize("horizon", [1, 5])
    def test_ours_do_not(self, clean, horizon):
        table = features.build_features(clean, ticker="TSLA", as_of=AS_OF, horizon=horizon)
        finding = self.judge(table, clean)
        assert (finding.passed, finding.observed, finding.threshold) == (True, 0, 0)

    def test_a_column_that_knows_tomorrow(self, table, clean):
        finding = self.judge(table.assign(gap=table["gap"].shift(-1)), clean)
        assert (finding.passed, finding.observed) == (False, 1)
        assert set(finding.offending["column"]) == {"gap"}

    def test_rows_that_are_not_there(self, table, clean):
        finding = self.judge(table.drop(table.index[3]), clean)
        assert not finding.passed
        assert set(finding.offending["column"]) == {"session"}

    @pytest.mark.parametrize(
        "spoil",
        [lambda t, c: (t.iloc[:, 3:], c), lambda t, c: (t, c.drop(columns="volume")), lambda t, c: (t, c.iloc[-100:])],
        ids=["no features", "no volume", "short"],
    )
    def test_tables_that_cannot_be_read_are_a_finding_not_a_crash(self, table, clean, spoil):
        finding = self.judge(*spoil(table, clean))
        assert not finding.passed
        assert isinstance(finding.observed, str)


class TestVariety:
    def test_a_feature_that_stands_still(self, table):
        still = table.copy()
        still.loc[still.index[-252:], ["money_flow_21", "volume_change"]] = 0.0
        finding = ask(validation.features_vary, still)
        assert (finding.passed, finding.observed, finding.threshold) == (False, 2, 0)
        assert finding.offending["feature"].tolist() == ["volume_change", "money_flow_21"]
        still.loc[still.index[-252], "money_flow_21"] = 0.1
        assert ask(validation.features_vary, still).observed == 1

    def test_many_stocks_pay_no_dividend(self, table):
        assert ask(validation.features_vary, table.assign(dividend_yield_252=0.0, sessions_since_dividend=252.0)).passed

    def test_less_than_a_year_is_not_judged(self, table):
        finding = ask(validation.features_vary, table.tail(251).assign(gap=0.0))
        assert (finding.passed, finding.note) == (True, "not asked: 251 rows are too few")


class TestLastRow:
    def test_a_split_of_two_that_was_not_applied(self, table):
        finding = ask(validation.last_row_is_plausible, but(table, -1, return_1=-0.5, gap=-0.5))
        assert (finding.passed, finding.observed, finding.threshold) == (False, 2, 0)
        assert finding.offending["feature"].tolist() == ["return_1", "gap"]
        assert finding.offending["value"].tolist() == [-0.5, -0.5]
        lowest = table["return_1"].iloc[:-1].min()
        assert finding.offending["lowest_before"].iloc[0] == lowest

    @pytest.mark.parametrize(("beyond", "passed"), [(0.49, True), (0.51, False)])
    def test_half_the_range_beyond_is_too_much(self, table, beyond, passed):
        before = table["gap"].iloc[:-1]
        high = before.max() + beyond * (before.max() - before.min())
        low = before.min() - beyond * (before.max() - before.min())
        assert ask(validation.last_row_is_plausible, but(table, -1, gap=high)).passed is passed
        assert ask(validation.last_row_is_plausible, but(table, -1, gap=low)).passed is passed

    def test_what_is_far_in_the_past_is_no_matter(self, table):
        assert ask(validation.last_row_is_plausible, but(table, -2, gap=-0.5)).passed

    def test_the_first_dividend_ever_is_no_surprise(self, table):
        assert ask(
            validation.last_row_is_plausible, but(table.assign(dividend_yield_252=0.0), -1, dividend_yield_252=1)
        ).passed

    def test_less_than_a_year_is_not_judged(self, table):
        finding = ask(validation.last_row_is_plausible, but(table.tail(252), -1, gap=9.0))
        assert (finding.passed, finding.note) == (True, "not asked: 252 rows are too few")
