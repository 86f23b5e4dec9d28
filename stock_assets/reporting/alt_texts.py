"""What each figure shows, in words and numbers, for those who can't see it. No HTML and no drawing here."""

from collections.abc import Sequence

import pandas as pd

from stock_assets.reporting import tables, wording


def price(results: tables.Results, clean: pd.DataFrame) -> str:
    """Range and last close, the averages and the events marked."""
    close = clean["close"].to_numpy()
    lowest, highest = int(close.argmin()), int(close.argmax())
    averages = [
        f"the average over {window} sessions at {wording.price(value)}"
        for window in ("50", "200")
        if (value := results.value(f"metrics.moving_averages.{window}.value")) is not None
    ]
    n_splits = int((clean["split_ratio"].to_numpy() != 1).sum())
    n_dividends = int((clean["dividend"].to_numpy() > 0).sum())
    return (
        f"Close from {clean.index[0]:%Y-%m-%d} to {clean.index[-1]:%Y-%m-%d}: lowest {wording.price(close[lowest])} on "
        f"{clean.index[lowest]:%Y-%m-%d}, highest {wording.price(close[highest])} on "
        f"{clean.index[highest]:%Y-%m-%d}, last {wording.price(results.value('metrics.last_close'))}"
        + (f"; {' and '.join(averages)}" if averages else "")
        + f". Marked: {_counted(n_splits, 'split')} and {_counted(n_dividends, 'dividend')}. "
        f"Below it, the volume of each session."
    )


def returns(results: tables.Results) -> str:
    """The best and the worst session."""
    best, worst = results.value("metrics.best.session"), results.value("metrics.worst.session")
    if best is None:
        return "Total return of each session: not defined, the history is too short."
    return (
        f"Total return of each session: best {wording.fine_change(results.value('metrics.best.return'))} on {best}, "
        f"worst {wording.fine_change(results.value('metrics.worst.return'))} on {worst}."
    )


def drawdown(results: tables.Results) -> str:
    """The deepest and the present drawdown."""
    names = ("current", "max", "max_peak", "max_trough", "max_recovered")
    current, deepest, peak, trough, recovered = (results.value(f"metrics.drawdown.{name}") for name in names)
    told = f"Distance below the highest adjusted close so far: now {wording.change(current)}"
    if deepest == 0:
        return f"{told}, never below it."
    after = f"recovered on {recovered}" if recovered else "not recovered yet"
    return f"{told}, deepest {wording.change(deepest)} from {peak} to {trough}, {after}."


def volatility(results: tables.Results) -> str:
    """The latest value of each line."""
    return (
        "Annualised volatility along the way. Latest: "
        f"{wording.percent(results.value('metrics.annual_volatility.21'))} over 21 sessions, "
        f"{wording.percent(results.value('metrics.annual_volatility.63'))} over 63; "
        f"{wording.percent(results.value('metrics.annual_volatility.all'))} over the whole history."
    )


def distribution(results: tables.Results) -> str:
    """The losses marked, and the shape."""
    losses = ", ".join(
        f"{name} {wording.fine_change(results.value(f'metrics.{key}'))}"
        for key, name in (
            ("var_95", "VaR 95%"),
            ("cvar_95", "CVaR 95%"),
            ("var_99", "VaR 99%"),
            ("cvar_99", "CVaR 99%"),
        )
    )
    return (
        f"Histogram of the returns of one session beside a normal curve. Marked: {losses}. "
        f"Skew {wording.ratio(results.value('metrics.skew'))}, "
        f"excess kurtosis {wording.ratio(results.value('metrics.excess_kurtosis'))}."
    )


def confusion_matrix(matrix: Sequence[Sequence[int]]) -> str:
    """The four counts."""
    (down_down, down_up), (up_down, up_up) = ([wording.count(count) for count in row] for row in matrix)
    return (
        f"Of the sessions that fell or stood still, {down_down} were forecast down and {down_up} up. "
        f"Of those that rose, {up_down} were forecast down and {up_up} up."
    )


def calibration(bins: pd.DataFrame) -> str:
    """The lowest and the highest bin, forecast beside outcome."""
    told = [
        f"{wording.percent(row.forecast)} forecast, {wording.percent(row.share_up)} rose"
        for row in (bins.iloc[0], bins.iloc[-1])
    ]
    inside = int(bins["forecast"].between(bins["low"], bins["high"]).to_numpy().sum())
    return (
        f"Forecast probability of a rise against how often the price rose, in {_counted(len(bins), 'group')}. "
        f"Lowest group: {told[0]}. Highest group: {told[1]}. "
        f"The forecast is within the 95% interval in {inside} of {len(bins)}."
    )


def equity(growth: pd.DataFrame) -> str:
    """What one unit became either way."""
    last = growth.iloc[-1]
    return (
        f"Growth of 1 from {growth.index[0]:%Y-%m-%d} to {growth.index[-1]:%Y-%m-%d}: "
        f"{wording.ratio(float(last['strategy']))} when the forecasts are followed, "
        f"{wording.ratio(float(last['buy_and_hold']))} when held throughout."
    )


def forecast(results: tables.Results) -> str:
    """The forecast, its interval and the naive forecast."""
    row = results.value("prediction")
    predicted, low, high, naive = (
        wording.price(row[name]) for name in ("predicted_close", "interval_low", "interval_high", "naive_close")
    )
    return (
        f"Closes of the last sessions up to {naive}, and for {row['target_session']} the forecast {predicted} with an "
        f"interval from {low} to {high}; the naive forecast is {naive}."
    )


def _counted(n: int, noun: str) -> str:
    return f"{wording.count(n)} {noun}" if n == 1 else f"{wording.count(n)} {noun}s"
