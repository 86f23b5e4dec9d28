"""Is the model better than naive, and is that believable? The sentence people read, and the test behind it.

The statistics themselves live in inference, the losses they are asked about in losses.
"""

from typing import Any

import pandas as pd

from stock_assets.core import inference, losses

LEVEL = 0.05
"""Chance, at most, of claiming skill where there is none."""

SUSPICIOUS_ACCURACY = 0.56
SUSPICIOUS_R2 = 0.01


def judge(backtest: pd.DataFrame, *, horizon: int = 1, suspicious: str | None = None) -> dict[str, Any]:
    """Is the model better than naive? A claim that is false in at most `LEVEL` of the cases where there is no skill.

    Two claims are tested, each by a one-sided Diebold-Mariano test with small-sample correction:
    the probabilities beat the share of rises so far (Brier score), and the expected returns beat the better of zero and
    the mean so far (squared error). Both are proper scores of what the model actually says; accuracy, which throws away
    how sure the model was, is reported but decides nothing. `beats_naive` is true when either p value, after Holm's
    correction for having asked twice, is at most `LEVEL`.

    Returns:
        beats_naive, text (one sentence or two for people), test (level, p_value: the smaller corrected one, and
        per claim: name, loss, against, statistic, p_value, p_value_holm, better).
    """
    brier, brier_naive = losses.brier_losses(backtest)
    squared, squared_naive, naive_name = losses.return_losses(backtest)
    direction = inference.diebold_mariano(brier, brier_naive, horizon=horizon)
    returns = inference.diebold_mariano(squared, squared_naive, horizon=horizon)
    corrected = inference.holm([direction.p_value, returns.p_value])
    claims = [
        {
            "name": name,
            "loss": loss,
            "against": against,
            "statistic": test.statistic,
            "p_value": test.p_value,
            "p_value_holm": p_value,
            "better": p_value <= LEVEL,
        }
        for name, loss, against, test, p_value in (
            ("direction", "brier", "up_share", direction, corrected[0]),
            ("return", "squared_error", naive_name, returns, corrected[1]),
        )
    ]
    better = [str(claim["name"]) for claim in claims if claim["better"]]
    wrong, majority_wrong = losses.direction_losses(backtest)
    text = (
        f"Over {len(backtest):,} sessions the model called the direction right {1 - wrong.mean():.1%} of the time "
        f"(always saying the more frequent direction: {1 - majority_wrong.mean():.1%}); {_conclusion(better)}."
    )
    if suspicious:
        text += f" Too good to be true: {suspicious}."
    return {
        "beats_naive": bool(better),
        "text": text,
        "test": {
            "name": "one-sided Diebold-Mariano (Harvey-Leybourne-Newbold), Holm-corrected over two claims",
            "level": LEVEL,
            "p_value": min(corrected),
            "claims": claims,
        },
    }


def _conclusion(better: list[str]) -> str:
    match better:
        case []:
            return "that is no better than naive"
        case ["direction"]:
            return "its probabilities are better than naive by more than luck explains, its expected returns are not"
        case ["return"]:
            return "its expected returns are better than naive by more than luck explains, its probabilities are not"
        case _:
            return "its probabilities and its expected returns are better than naive by more than luck explains"


def suspicion(accuracy: float, r2_oos: float | None) -> str | None:
    """Why scores are too good for daily prices, or None. Such a result is a leak of the future until proven otherwise.

    Daily direction out of sample is called right 51 to 52 % of the time at best, and the best *monthly* out-of-sample
    R2 of single stocks is about 0.4 % (Gu, Kelly & Xiu 2020, Review of Financial Studies 33).
    """
    found = []
    if accuracy > SUSPICIOUS_ACCURACY:
        found.append(f"an accuracy of {accuracy:.1%} is above {SUSPICIOUS_ACCURACY:.0%}")
    if r2_oos is not None and r2_oos > SUSPICIOUS_R2:
        found.append(f"an out-of-sample R2 of {r2_oos:.2%} is above {SUSPICIOUS_R2:.0%}")
    return f"{' and '.join(found)}, a leak of the future until proven otherwise" if found else None
