"""What the tests of figures share: how to draw, what a picture holds, and small backtests."""

import io

import numpy as np
import pandas as pd
from matplotlib import image

LOOK = {"label": "DEMO 2024-03-08", "simulated": False}


def backtest(probability_up: list[float], realised_return: list[float]) -> pd.DataFrame:
    """Forecasts of consecutive weekdays from Monday 2024-03-04 on, not calibrated."""
    sessions = pd.bdate_range("2024-03-04", periods=len(probability_up) + 1, name="session").as_unit("ns")
    return pd.DataFrame(
        {
            "target_session": sessions[1:],
            "raw_probability_up": probability_up,
            "probability_up": probability_up,
            "realised_return": realised_return,
            "realised_up": np.array(realised_return) > 0,
        },
        index=sessions[:-1],
    )


def pixels(png: bytes, colour: str, *, within: float = 0.03) -> int:
    """How many pixels have a colour such as "#0072B2", each of red, green and blue `within` so much."""
    picture = image.imread(io.BytesIO(png))
    wanted = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return int((np.abs(picture[:, :, :3] - wanted) < within).all(axis=2).sum())
