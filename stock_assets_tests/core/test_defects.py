"""Any one known fault in any clean history is caught, and a history without one is never touched.

A few hundred cases; `python -m benchmarks.injected_defects` runs 10,000 and replays single ones.
"""

import numpy as np
import pandas as pd
import pytest

from benchmarks import injected_defects
from stock_assets_tests import defects, histories, outcomes
from stock_assets_tests.outcomes import Outcome

SEEDS = range(5)
N_CLEAN = 40

# pandera 0.35 puts its failure cases together in a way that pandas 2.2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The behavior of DataFrame concatenation:FutureWarning")

ALL = pytest.mark.parametrize("defect", defects.DEFECTS.values(), ids=lambda defect: defect.name)


@pytest.fixture(scope="module")
def history() -> histories.History:
    return histories.simulated(3)


@ALL
@pytest.mark.parametrize("seed", SEEDS)
def test_a_defect_is_caught(defect, seed):
    case = outcomes.run(defect, seed)
    assert case.verdict.outcome.caught, (case.history.name, case.injected, case.verdict.said)


@pytest.mark.parametrize("number", range(N_CLEAN))
def test_a_history_without_a_defect_is_left_alone(number):
    assert outcomes.alarms(histories.simulated(number)) == ()


@ALL
def test_a_defect_in_real_prices_is_caught(defect, real_prices_dir):
    try:
        case = outcomes.run(defect, 0, real_prices_dir)
    except LookupError:
        pytest.skip("no real history that it can be injected into")
    assert case.verdict.outcome.caught, (case.history.name, case.injected, case.verdict.said)


REAL_FAULTS = {
    "as_of_2020-12-11/AAPL": {"dividend_split_adjusted"},  # 2020-05-08: 0.82 for 0.205
    "as_of_2020-12-11/JPM": {"repeated_dividend_dropped"},  # 2017-04-05, again on the session after
    "as_of_2020-12-11/KO": {"dividend_split_adjusted"},  # all before the split of 2012-08-13
    "as_of_2020-12-11/STX": {"repeated_dividend_dropped"},  # 2014-11-07
}


def test_real_files_are_left_alone_but_for_their_faults(real_prices_dir):
    paths = sorted(real_prices_dir.glob("*/*.csv"))
    found = {f"{path.parent.name}/{path.stem}": outcomes.alarms(histories.whole_file(path)) for path in paths}
    assert len(found) == 16
    checks = {"adjusted_close_agrees_with_source", "no_bar_is_repaired"}
    assert {name: set(said) - checks for name, said in found.items() if said} == REAL_FAULTS


@ALL
def test_an_injector_is_pure_and_changes_something(defect):
    history = next(h for h in map(histories.simulated, range(100)) if defect.applies(h.raw))
    before = history.raw.copy()
    first, injected = defect.inject(history.raw, defects.Rng(1))
    second, again = defect.inject(history.raw, defects.Rng(1))
    pd.testing.assert_frame_equal(history.raw, before, check_exact=True)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert injected == again
    assert not first.equals(before)
    assert injected.description
    assert injected.sessions
    assert defect.inject.__doc__


def test_prices_of_histories_are_possible():
    for number in range(10):
        raw = histories.simulated(number).raw
        assert histories.SHORTEST <= len(raw) <= histories.LONGEST
        assert (raw["high"] >= raw[["open", "close"]].max(axis=1)).all()
        assert (raw["low"] <= raw[["open", "close"]].min(axis=1)).all()
        assert raw["adj_close"].iloc[-1] == raw["close"].iloc[-1]


def test_histories_are_of_every_kind():
    raws = [histories.simulated(number).raw for number in range(40)]
    assert any((raw["dividends"] > 0).any() for raw in raws)
    assert any((raw["capital_gains"] > 0).any() for raw in raws)
    assert any(raw["stock_splits"].between(*histories.SPIN_OFF_RATIOS).any() for raw in raws)
    assert any((raw["stock_splits"] > 0).sum() >= 2 for raw in raws)
    assert any(np.float32(raw["close"]).astype("float64").tolist() == raw["close"].tolist() for raw in raws)


class TestJudge:
    """The judge is no friend of the code."""

    def test_nothing_injected_is_harmless(self, history):
        assert outcomes.judge(history, history.raw).outcome is Outcome.HARMLESS

    def test_a_small_error_that_nobody_can_see_is_missed(self, history):
        bad = history.raw.copy()
        bad.iloc[5, bad.columns.get_indexer(["volume"])] += 1_000.0
        verdict = outcomes.judge(history, bad)
        assert verdict.outcome is Outcome.MISSED
        assert verdict.said == "nothing"

    def test_a_repair_to_another_value_is_wrong(self, history, monkeypatch):
        right = outcomes.truth(history)
        touched = right.clean.copy()
        touched.iloc[7, touched.columns.get_indexer(["close", "repairs"])] = [1.0, "close_mended"]
        monkeypatch.setattr(outcomes.cleaning, "clean_prices", lambda raw, **names: touched)
        monkeypatch.setattr(outcomes, "_asked", lambda *asked: set())
        verdict = outcomes.judge(history, history.raw)
        assert verdict.outcome is Outcome.WRONG
        assert f"{touched.index[7]:%Y-%m-%d}" in verdict.said

    def test_a_silent_change_is_wrong(self, history, monkeypatch):
        right = outcomes.truth(history)
        touched = right.clean.copy()
        touched.iloc[7, touched.columns.get_indexer(["high"])] *= 2
        monkeypatch.setattr(outcomes.cleaning, "clean_prices", lambda raw, **names: touched)
        monkeypatch.setattr(outcomes, "_asked", lambda *asked: set())
        assert outcomes.judge(history, history.raw).outcome is Outcome.WRONG

    def test_a_bar_left_out_without_a_flag_is_missed(self, history):
        verdict = outcomes._compared(
            outcomes.truth(history).clean.drop(history.raw.index[9]), outcomes.truth(history).clean, history.raw
        )
        assert not verdict.is_truth
        assert not verdict.flags


class TestBenchmark:
    @staticmethod
    def run(monkeypatch, *options: str) -> int | str | None:
        monkeypatch.setattr("sys.argv", ["injected_defects", *options])
        with pytest.raises(SystemExit) as ended:
            injected_defects.main()
        return ended.value.code

    def test_what_is_caught_is_counted(self, monkeypatch, capsys):
        names = ("row_repeated", "row_on_no_session")
        assert self.run(monkeypatch, "--cases", "4", "--clean", "1", "--defect", *names) == 0
        lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
        #                                 cases, exactly, otherwise, halted, warned, harmless, missed, wrong
        assert lines["row_repeated"] == ["2", "2", "0", "0", "0", "0", "0", "0"]
        assert lines["row_on_no_session"] == ["2", "0", "0", "2", "0", "0", "0", "0"]
        assert lines["all"] == ["4", "2", "0", "2", "0", "0", "0", "0"]

    def test_what_is_missed_fails_and_is_told_with_its_seed(self, monkeypatch, capsys):
        monkeypatch.setattr(outcomes, "judge", lambda *given, **more: outcomes.Verdict(Outcome.MISSED, "nothing"))
        assert self.run(monkeypatch, "--cases", "2", "--clean", "0", "--seed", "7", "--defect", "row_repeated") == 1
        out = capsys.readouterr().out
        assert "missed  row_repeated --seed 7: " in out
        assert "missed  row_repeated --seed 8: " in out

    def test_one_case_is_shown_in_full(self, monkeypatch, capsys):
        monkeypatch.setattr("sys.argv", ["injected_defects", "--cases", "1", "--seed", "7", "--defect", "row_repeated"])
        injected_defects.main()
        out = capsys.readouterr().out
        assert "injected  row repeated, times" in out
        assert "outcome   repaired exactly: repeated_bar_dropped" in out
