"""Is the model better than naive, and is that believable? The sentence people read, and the test behind it.

The statistics themselves live in inference, the losses they are asked about in losses.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stock_assets.core import inference, losses

LEVEL = 0.05
"""Chance, at most, of claiming skill where there is none."""

SUSPICIOUS_ACCURACY = 0.56
SUSPICIOUS_R2 = 0.01

TEST_NAME = (
    "one-sided Clark-West (Harvey-Leybourne-Newbold) and a lower loss, against the harder of two naive forecasts; "
    "Holm-corrected over two claims"
)


class _Claim(NamedTuple):
    """One question, against the naive forecast that was harder to beat."""

    name: str
    loss: str
    against: str
    statistic: float | None
    p_value: float
    gain: float


def judge(
    backtest: pd.DataFrame, *, horizon: int = 1, suspicious: str | None = None, n_trials: int = 1
) -> dict[str, Any]:
    """Is the model better than naive? A claim that is false in at most `LEVEL` of the cases where there is no skill.

    Two claims: the probabilities beat a coin and the share of rises so far (Brier score); the expected returns beat
    zero and the mean so far (squared error). Both losses are proper scores of what the model actually says; accuracy,
    which throws away how sure the model was, is reported but decides nothing.

    A claim holds when two things are true against **each** of its naive forecasts:

    - there is a signal: `inference.clark_west`. The probabilities are those before calibration, as the calibration's
      weights change from refit to refit and only add noise to this question;
    - it pays: the forecasts as they are given, calibrated, lost less on average.

    The p value of a claim is the larger of the two tests', and 1 when it does not pay: an intersection-union test
    (Berger 1982, Technometrics 24), whose level needs no correction for having two opponents, nor for having seen
    afterwards which was the stronger. Then Holm's correction for two claims, and times `n_trials`, as whoever tries
    twenty configurations and keeps the best has asked twenty times (Bonferroni). `beats_naive` is true when either
    corrected p value is at most `LEVEL`.

    Why not Diebold-Mariano, which asks for lower losses directly: on noise it claims skill not in 5 but in less than
    1 % of the cases, since a fitted forecast is expected to lose; and finds real signals half as often. It stays beside
    it in `regression`. The price: where there is a real signal that the forecasts exaggerate so much that they gain
    nothing in the long run, the verdict may still call them better.

    The promise is about one look at one ticker. Of many tickers without a signal, one in twenty may be praised.

    Returns:
        beats_naive, text (one sentence or two for people), test (name, level, n_trials, p_value: the smaller corrected
        one, and per claim: name, loss, against: the naive forecast that was harder to beat, statistic, p_value,
        p_value_holm: corrected for both claims and all trials, gain: mean loss of that naive forecast less the model's,
        better).
    """
    found = [_harder(_direction(backtest, horizon)), _harder(_returns(backtest, horizon))]
    corrected = [min(1.0, n_trials * p_value) for p_value in inference.holm([claim.p_value for claim in found])]
    claims = [
        claim._asdict() | {"p_value_holm": p_value, "better": p_value <= LEVEL}
        for claim, p_value in zip(found, corrected, strict=True)
    ]
    better = [str(claim["name"]) for claim in claims if claim["better"]]
    return {
        "beats_naive": bool(better),
        "text": _text(backtest, horizon, better, suspicious, n_trials),
        "test": {
            "name": TEST_NAME if n_trials == 1 else f"{TEST_NAME} and {n_trials} configurations tried",
            "level": LEVEL,
            "n_trials": n_trials,
            "p_value": min(corrected),
            "claims": claims,
        },
    }


def _direction(backtest: pd.DataFrame, horizon: int) -> list[_Claim]:
    up = backtest["realised_up"].to_numpy(dtype="float64")
    raw, calibrated = backtest["raw_probability_up"].to_numpy(), backtest["probability_up"].to_numpy()
    naive = {"up_share": backtest["up_share"].to_numpy(), "coin": np.full(len(up), 0.5)}
    return _against_each("direction", "brier", naive, signal=raw, given=calibrated, outcome=up, horizon=horizon)


def _returns(backtest: pd.DataFrame, horizon: int) -> list[_Claim]:
    expected, realised = backtest["expected_return"].to_numpy(), backtest["realised_return"].to_numpy()
    naive = {name: losses.naive_return(backtest, name) for name in losses.NAIVE_RETURNS}
    return _against_each(
        "return", "squared_error", naive, signal=expected, given=expected, outcome=realised, horizon=horizon
    )


def _against_each(
    name: str,
    loss: str,
    naive: Mapping[str, np.ndarray],
    *,
    signal: np.ndarray,
    given: np.ndarray,
    outcome: np.ndarray,
    horizon: int,
) -> list[_Claim]:
    claims = []
    for against, forecast in naive.items():
        test = inference.clark_west(signal, forecast, outcome, horizon=horizon)
        naive_loss = (outcome - forecast) ** 2
        gain = float((naive_loss - (outcome - given) ** 2).mean())
        # A forecast calibrated back to the naive one differs from it by rounding errors, which are no gain.
        pays = gain > 1e-12 * float(naive_loss.mean())
        claims.append(_Claim(name, loss, against, test.statistic, test.p_value if pays else 1.0, gain))
    return claims


def _harder(claims: list[_Claim]) -> _Claim:
    """The claim that is harder to make; of two that are as hard, the one with the smaller gain."""
    return max(claims, key=lambda claim: (claim.p_value, -claim.gain))


def _text(backtest: pd.DataFrame, horizon: int, better: list[str], suspicious: str | None, n_trials: int) -> str:
    wrong, majority_wrong = losses.direction_losses(backtest)
    over = (
        f"Over {len(backtest):,} sessions"
        if horizon == 1
        else f"In {len(backtest):,} forecasts {horizon} sessions ahead"
    )
    tried = f", with {n_trials} configurations tried" if n_trials > 1 else ""
    text = (
        f"{over} the model called the direction right {1 - wrong.mean():.1%} of the time "
        f"(always saying the more frequent direction: {1 - majority_wrong.mean():.1%}); {_conclusion(better)}{tried}."
    )
    return f"{text} Too good to be true: {suspicious}." if suspicious else text


def _conclusion(better: list[str]) -> str:
    how = "did better than naive, by a signal that luck hardly explains"
    match better:
        case []:
            return "that is no better than naive"
        case ["direction"]:
            return f"its probabilities {how}; its expected returns did not"
        case ["return"]:
            return f"its expected returns {how}; its probabilities did not"
        case _:
            return f"its probabilities and expected returns {how}"


def suspicion(accuracy: float, r2_oos: float | None, *, horizon: int = 1, majority_accuracy: float = 0.5) -> str | None:
    """Why scores are too good for daily prices, or None. Such a result is a leak of the future until proven otherwise.

    Daily direction out of sample is called right 51 to 52 % of the time at best, and the best *monthly* out-of-sample
    R2 of single stocks is about 0.4 % (Gu, Kelly & Xiu 2020, Review of Financial Studies 33).

    Over h sessions a lasting signal adds up h times and noise sqrt(h) times: the bar for R2 is h times as high, that
    for accuracy sqrt(h) times as far above the more frequent direction, which over longer spans is far from a coin.
    """
    edge = (SUSPICIOUS_ACCURACY - 0.5) * math.sqrt(horizon)
    most_accurate = SUSPICIOUS_ACCURACY if horizon == 1 else max(majority_accuracy, 0.5) + edge
    most_r2 = SUSPICIOUS_R2 * horizon
    found = []
    if accuracy > most_accurate:
        found.append(f"an accuracy of {accuracy:.1%} is above {most_accurate:.0%}")
    if r2_oos is not None and r2_oos > most_r2:
        found.append(f"an out-of-sample R2 of {r2_oos:.2%} is above {most_r2:.0%}")
    return f"{' and '.join(found)}, a leak of the future until proven otherwise" if found else None
