"""The proof that the verdict is calibrated: its markets are what they say, its figures and its resuming are right."""

import dataclasses
import json
import math
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from benchmarks import simulated_markets, verdict_calibration
from benchmarks.simulated_markets import Case
from stock_assets.core import cleaning, features, modelling

N = 1_000
SHORT = verdict_calibration.Plan(modelling.ModelSettings(threads=1), verdict_calibration.QUICK_SESSIONS, None)


def returns(market: simulated_markets.Market) -> np.ndarray:
    """Total returns from each session's close to the next's."""
    raw = market.raw
    return ((raw["close"] + raw["dividends"]) / raw["close"].shift() - 1).to_numpy()[1:]


# --- Markets -------------------------------------------------------------------------------------------------------


def test_names_tell_kind_form_strength_and_number():
    assert Case("noise", "garch", 7).name == "noise/garch/7"
    assert Case("planted", "momentum", 3, 0.0025).name == "planted/momentum/0.0025/3"


def test_a_case_is_the_same_market_every_time_and_another_case_another():
    one, again, other = (simulated_markets.simulate(Case("noise", "garch", n), N).raw for n in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert one["close"].corr(other["close"]) < 1


@pytest.mark.parametrize("form", [*simulated_markets.NOISE, *simulated_markets.FAINT])
def test_mean_and_chance_of_a_rise_are_as_told(form):
    markets = [simulated_markets.simulate(Case("noise", form, n), N) for n in range(40)]
    off_mean, off_chance = [], []
    for market in markets:
        realised = returns(market)
        off_mean.append((realised - market.truth["mean"]).mean() / realised.std() * math.sqrt(N))
        chance = market.truth["probability_up"]
        off_chance.append(((realised > 0) - chance).mean() / math.sqrt(0.25 / N))
    # Means of 40 standard normal figures: 4 deviations are 0.63.
    assert abs(np.mean(off_mean)) < 0.63
    assert abs(np.mean(off_chance)) < 0.63


@pytest.mark.parametrize("form", set(simulated_markets.NOISE) - {"drift_changes"})
def test_on_noise_mean_and_chance_of_a_rise_never_change(form):
    truth = simulated_markets.simulate(Case("noise", form, 0), N).truth
    assert truth["mean"].nunique() == 1
    assert truth["probability_up"].nunique() == 1
    assert (truth["information"] == 0).all()


@pytest.mark.parametrize("form", ["garch", "volatility_regimes"])
def test_volatility_comes_in_spells_and_tells_nothing_about_the_direction(form):
    after_large, sizes = [], []
    for n in range(40):
        realised = returns(simulated_markets.simulate(Case("noise", form, n), N))
        large = np.abs(realised) > np.median(np.abs(realised))
        up = realised[1:] > 0
        after_large.append((up[large[:-1]].mean() - up[~large[:-1]].mean()) / math.sqrt(1 / N))
        sizes.append(np.corrcoef(np.abs(realised[:-1]), np.abs(realised[1:]))[0, 1])
    assert abs(np.mean(after_large)) < 0.63
    assert np.mean(sizes) > 0.1


@pytest.mark.parametrize("form", simulated_markets.FORMS)
def test_planted_signals_are_in_the_targets_the_model_learns_from(form):
    case = Case("planted", form, 0, 0.08)
    market = simulated_markets.simulate(case, 3_000)
    about = {"ticker": case.ticker, "as_of": simulated_markets.LAST_SESSION}
    clean = cleaning.clean_prices(market.raw, **about)
    assert (clean["repairs"] == "").all()
    table = features.build_features(clean, **about).iloc[:-1]
    explained = np.corrcoef(table["target_return"], market.truth.loc[table.index, "mean"])[0, 1] ** 2
    # 0.08 planted, on some 2,700 rows: deviation of about 0.01; momentum feeds on itself.
    assert 0.04 < explained < 0.25


def test_score_of_a_surprise_by_hand():
    # Five degrees of freedom: g * 6 e / (3 + e^2).
    expected = [0.0, 2 * 6 / 4, -6 * 3 / 12]
    assert simulated_markets.score(np.array([0.0, 1.0, -3.0]), np.array([5.0, 2.0, 1.0])).tolist() == expected


def test_information_is_the_mean_square_of_the_score():
    law = stats.t(5, scale=math.sqrt(3 / 5))
    square = integrate.quad(lambda e: simulated_markets.score(e, 1.0) ** 2 * law.pdf(e), -np.inf, np.inf)[0]
    assert square == pytest.approx(1.25)


def test_the_oracle_is_standard_normal_without_a_signal():
    z = []
    for n in range(150):
        truth = simulated_markets.simulate(Case("planted", "volume_flip", n, 0.0), 400).truth
        z.append(truth["score"].sum() / math.sqrt(truth["information"].sum()))
    assert abs(np.mean(z)) < 4 / math.sqrt(150)
    assert 0.75 < np.std(z) < 1.25


# --- Results -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(0, 10, 0.0, 0.3085), (10, 100, 0.0490, 0.1762), (10, 10, 0.6915, 1.0)]
)
def test_exact_interval_as_in_the_tables(k, n, low, high):
    assert verdict_calibration.exact_interval(k, n) == pytest.approx((low, high), abs=5e-5)


def test_crossing_is_halfway_in_the_logarithm():
    assert verdict_calibration.crossing([0.01, 0.04], [0.6, 1.0], 0.8) == pytest.approx(0.02)
    assert verdict_calibration.crossing([0.01, 0.04], [0.0, 0.7], 0.8) is None


def test_cases_take_classes_and_strengths_in_turn():
    names = [case.name for case in verdict_calibration.cases(noise=7, faint=1, planted=1, strengths=(0.01,))]
    assert names[0] == "noise/random_walk/0"
    assert names[6:8] == ["noise/random_walk/1", "faint/garch_with_drift/0"]
    assert names[8:] == [f"planted/{form}/0.01/0" for form in simulated_markets.FORMS]
    assert len(verdict_calibration.cases(noise=420, faint=0, planted=0)) == 420


def test_a_ticker_is_judged_as_in_the_graph_and_its_backtest_again_without_a_walk(tmp_path, monkeypatch):
    plan = dataclasses.replace(SHORT, kept=tmp_path)
    case = Case("planted", "reversal", 0, 0.04)
    result = verdict_calibration.judge(case, plan)
    assert json.loads(json.dumps(result)) == result
    # 1,100 bars, 252 to warm up, 752 until 750 targets are known with an embargo of one, the last one's unknown.
    assert result["n"] == 1_100 - 252 - 751 - 1
    # b = 0.204, root = sqrt(1.25 * 96): 0.204 * 10.95 - 1.645 = 0.6, about 0.7 of the normal law below.
    assert result["oracle_power"] == pytest.approx(0.67, abs=0.1)

    def walk_forward(*_, **__):
        raise AssertionError("a kept backtest was computed again")

    monkeypatch.setattr(verdict_calibration.backtesting, "walk_forward", walk_forward)
    assert verdict_calibration.judge(case, plan) == result


def test_a_history_that_is_refused_says_why():
    result = verdict_calibration.judge(Case("noise", "garch", 0), dataclasses.replace(SHORT, n_sessions=400))
    assert "min_train" in result["refused"]


def made_up(case: Case, plan: object = None) -> dict:
    claim = {"statistic": -0.5, "p_value": 0.7, "p_value_holm": 1.0, "better": False}
    result = {
        "case": case.name,
        **dataclasses.asdict(case),
        "n": 1_748,
        "test": "a test",
        "beats_naive": case.strength >= 0.02,
        "suspicious": False,
        "claims": {"direction": claim, "return": claim},
        "best_r2": 0.0,
        "best_brier": 0.0,
    }
    if case.kind == "planted":
        power = {0.01: 0.9, 0.02: 0.95, 0.04: 1.0}[case.strength]
        result |= {"signal_r2": case.strength, "oracle_z": 3.0, "oracle_power": power}
    return result


def test_stopped_runs_go_on_where_they_were(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(verdict_calibration, "judge", lambda case, plan: asked.append(case.name) or made_up(case))
    wanted = verdict_calibration.cases(noise=3, faint=0, planted=0)
    results = tmp_path / "results.jsonl"
    verdict_calibration.run(wanted[:2], SHORT, results, workers=1)
    with results.open("a") as file:
        file.write('{"case": "noise/garch/0", "claims": {"a": {}}')  # killed in the middle of a line
    verdict_calibration.run(wanted, SHORT, results, workers=1)
    verdict_calibration.run(wanted, SHORT, results, workers=1)
    names = [case.name for case in wanted]
    assert asked == names
    assert [result["case"] for result in verdict_calibration.read(results)] == names


def test_settings_and_length_of_history_have_files_of_their_own():
    others = (
        dataclasses.replace(SHORT, n_sessions=1_200),
        dataclasses.replace(SHORT, settings=modelling.ModelSettings(seed=1)),
    )
    assert len({SHORT.fingerprint(), *(other.fingerprint() for other in others)}) == 3
    more_threads = dataclasses.replace(SHORT, settings=modelling.ModelSettings(threads=2))
    assert more_threads.fingerprint() == SHORT.fingerprint()


def test_tables_and_picture_tell_what_was_claimed_and_found(tmp_path, monkeypatch, capsys):
    results = tmp_path / f"results-{SHORT.fingerprint()}.jsonl"
    monkeypatch.setattr(verdict_calibration, "judge", made_up)
    wanted = verdict_calibration.cases(noise=20, faint=2, planted=2, strengths=(0.01, 0.02, 0.04))
    verdict_calibration.run(wanted, SHORT, results, workers=1)
    monkeypatch.setattr(sys, "argv", ["verdict_calibration", "--quick", "--show", "--to", str(tmp_path)])
    verdict_calibration.main()
    said = capsys.readouterr().out
    # Found from 2 % on, where the oracle has its 95 %: 80 % are reached at 0.01 * 2 ** 0.8.
    momentum = next(line.split() for line in said.splitlines() if line.startswith("momentum  ") and "x" in line)
    assert momentum == ["momentum", "2.00%", "100%", "1.74%", "0.9", "x"]
    assert next(line.split()[:5] for line in said.splitlines() if line.startswith("all noise")) == [
        *("all", "noise"),
        *("20", "0", "0.0%"),
    ]
    assert "at most 5% of all noise: kept" in said
    assert (tmp_path / f"verdict-{SHORT.fingerprint()}.png").read_bytes().startswith(b"\x89PNG")
