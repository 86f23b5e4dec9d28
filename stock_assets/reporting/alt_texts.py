"""What each figure shows, in words and numbers, for those who can't see it. No HTML and no drawing here."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stock_assets.reporting import tables, wording
from stock_assets.reporting.charts import forecasts


def price(results: tables.Results, last: pd.DataFrame) -> str:
    """Range and last close of the sessions drawn, the averages and the events marked."""
    averages = [
        f"the average over {window} sessions at {wording.price(value)}"
        for window in ("50", "200")
        if (value := results.value(f"metrics.moving_averages.{window}.value")) is not None
    ]
    return (
        _range_of_closes(last)
        + (f"; {' and '.join(averages)}" if averages else "")
        + f". Marked: {_events(last)}. Below it, the volume of each session."
    )


def history(results: tables.Results, clean: pd.DataFrame) -> str:
    """Range of the whole history, and the events marked."""
    growth = results.value("metrics.annual_return")
    told = "" if growth is None else f" Total return a year: {wording.change(growth)}."
    return f"{_range_of_closes(clean)}. Marked: {_events(clean)}.{told}"


def _range_of_closes(shown: pd.DataFrame) -> str:
    close = shown["close"].to_numpy()
    lowest, highest = int(close.argmin()), int(close.argmax())
    return (
        f"Close from {shown.index[0]:%Y-%m-%d} to {shown.index[-1]:%Y-%m-%d}: lowest {wording.price(close[lowest])} on "
        f"{shown.index[lowest]:%Y-%m-%d}, highest {wording.price(close[highest])} on "
        f"{shown.index[highest]:%Y-%m-%d}, last {wording.price(close[-1])}"
    )


def _events(shown: pd.DataFrame) -> str:
    n_splits = int((shown["split_ratio"].to_numpy() != 1).sum())
    n_dividends = int((shown["dividend"].to_numpy() > 0).sum())
    return f"{_counted(n_splits, 'split')} and {_counted(n_dividends, 'dividend')}"


def months(years: Sequence[Mapping[str, Any]]) -> str:
    """The best and the worst month and year drawn."""
    of_months = [
        (value, f"{wording.MONTHS[month]} {year['year']}")
        for year in years
        for month, value in enumerate(year["months"])
        if value is not None
    ]
    of_years = [(year["total"], str(year["year"])) for year in years if year["total"] is not None]
    if not of_months:
        return f"Total return of each month of {years[-1]['year']}: not defined, the history is too short."
    told = [
        f"best {name} {when} with {wording.change(value)}"
        if pick is max
        else f"worst {name} {when} with {wording.change(value)}"
        for name, found in (("month", of_months), ("year", of_years))
        for pick in (max, min)
        for value, when in [pick(found)]
    ]
    return (
        f"Total return of each month from {years[-1]['year']} to {years[0]['year']}, coloured by its size: "
        f"{', '.join(told)}. A table with every number follows."
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


def calibration(backtest: pd.DataFrame) -> str:
    """The lowest and the highest group, forecast beside outcome; before calibration too where it changed anything."""
    bins = forecasts.calibration_bins(backtest)
    inside = int(bins["forecast"].between(bins["low"], bins["high"]).to_numpy().sum())
    told = (
        f"Forecast probability of a rise against how often the price rose, in {_counted(len(bins), 'group')}. "
        f"{_lowest_and_highest(bins)} The forecast is within the 95% interval in {inside} of {len(bins)}."
    )
    if not forecasts.is_calibrated(backtest):
        return told
    return f"{told} Before calibration: {_lowest_and_highest(forecasts.calibration_bins(backtest, raw=True))}"


def _lowest_and_highest(bins: pd.DataFrame) -> str:
    low, high = (
        f"{wording.percent(row.forecast)} forecast, {wording.percent(row.share_up)} rose"
        for row in (bins.iloc[0], bins.iloc[-1])
    )
    return f"Lowest group: {low}. Highest group: {high}."


def coverage(years: pd.DataFrame, level: float) -> str:
    """The best and the worst year, and how many are compatible with the level promised."""
    if years.empty:
        return f"Share of outcomes inside the {wording.short_percent(level)} interval: not defined, too few forecasts."
    low, high, share = (years[name].to_numpy() for name in ("low", "high", "share"))
    held = int(((low <= level) & (level <= high)).sum())
    worst, best = int(share.argmin()), int(share.argmax())
    return (
        f"Share of outcomes inside the interval, which promised {wording.short_percent(level)}, in "
        f"{_counted(len(years), 'year')}: lowest {wording.percent(share[worst])} in {years.index[worst]}, highest "
        f"{wording.percent(share[best])} in {years.index[best]}. The promise is within the 95% interval of the share "
        f"in {held} of {len(years)}."
    )


def importance(largest: Sequence[tuple[str, float, float]]) -> str:
    """The three largest, and how many stand clear of zero."""
    named = ", ".join(f"{name.replace('_', ' ')} {wording.fine_score(mean)}" for name, mean, _ in largest[:3])
    clear = sum(mean > 2 * deviation for _, mean, deviation in largest)
    return (
        f"Bars of the {len(largest)} most important features, largest first: {named}. {clear} of {len(largest)} are "
        f"more than two standard deviations above zero. A table with every number follows."
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
