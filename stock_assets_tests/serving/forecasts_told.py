"""Made-up forecasts, as they are served. No test lives here."""

import datetime as dt

from stock_assets.serving.forecast import Forecast

FRIDAY = dt.date(2024, 3, 8)
MONDAY = dt.date(2024, 3, 11)
CHECKSUM = "f" * 64


def told(ticker: str = "TSLA", checksum: str = CHECKSUM, **row) -> Forecast:
    """The forecast of Monday that was made after Friday's close of 100."""
    values = {
        "ticker": ticker,
        "as_of": FRIDAY,
        "target_session": MONDAY,
        "probability_up": 0.55,
        "expected_return": 0.01,
        "predicted_close": 101.0,
        "interval_low": 95.0,
        "interval_high": 107.0,
        "interval_level": 0.9,
        "naive_close": 100.0,
        "model_as_of": FRIDAY,
        "beats_naive": False,
        "source": "csv",
    }
    return Forecast(values | row, 1, "No better than naive.", "m" * 64, "d" * 64, checksum, ())
