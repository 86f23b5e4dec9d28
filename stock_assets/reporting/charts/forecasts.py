"""The forecast, forecasts against outcomes, calibration, and how often the intervals held."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import direction_scores
from stock_assets.reporting import figures, wording
from stock_assets.reporting.charts import axes as shared

FORECAST_SESSIONS = 42


def forecast(clean: pd.DataFrame, prediction: Mapping[str, Any], *, label: str, simulated: bool) -> bytes:
    """The last two months of closes, and the forecast close of the target session with its interval.

    `prediction` is the row of predictions as a mapping, its sessions as ISO text.
    """
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 3.2, (0.3, 2.55), right=0.38)
        last = clean["close"].tail(FORECAST_SESSIONS)
        # Sessions are spaced evenly: on a calendar the one-session forecast would hide behind a weekend's gap.
        places = np.arange(len(last), dtype="float64")
        target = places[-1] + 1.5
        axes.plot(places, last.to_numpy(), color=figures.INK, label="Close")
        axes.plot(places[-1], last.iloc[-1], "o", markersize=4, color=figures.INK)
        low, high = prediction["interval_low"], prediction["interval_high"]
        level = wording.short_percent(prediction["interval_level"])
        axes.plot(
            [target, target], [low, high],
            color=figures.BLUE, linewidth=7, alpha=0.3, solid_capstyle="butt", label=f"{level} interval",
        )  # fmt: skip
        axes.plot(
            target, prediction["naive_close"], "D", markersize=7, color="none", markeredgecolor=figures.ORANGE,
            markeredgewidth=1.6, label="Naive", linestyle="none",
        )  # fmt: skip
        axes.plot(
            target, prediction["predicted_close"], "o", markersize=5, color=figures.BLUE,
            label="Forecast", linestyle="none",
        )  # fmt: skip
        for value, where in ((low, "top"), (high, "bottom")):
            axes.annotate(
                wording.price(value), (target, value), xytext=(0, -3 if where == "top" else 3),
                textcoords="offset points", ha="center", va=where, fontsize=8.5, color=figures.BLUE,
            )  # fmt: skip
        shown = np.unique(np.linspace(0, 0.62 * (len(last) - 1), 3).round().astype(int)).tolist()
        axes.set_xticks(
            [*shown, target],
            [*(f"{last.index[place]:%m-%d}" for place in shown), prediction["target_session"]],
        )
        axes.margins(y=0.12)
        axes.set_xlim(-2, target + 3)
        shared.prices(axes)
        shared.title(figure, label, "forecast")
        shared.legend(figure, axes)
        return figures.png(figure, simulated=simulated)


def confusion_matrix(matrix: Sequence[Sequence[int]], *, label: str, simulated: bool) -> bytes:
    """Counts of forecasts by what was said and what happened, each with its share of the row.

    `matrix` is [[true down, false up], [false down, true up]]: rows are what happened, columns what was forecast,
    down first.
    """
    from matplotlib import colors

    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 3.6, (0.3, 3.2), left=0.35, right=0.1)
        counts = np.asarray(matrix, dtype="float64")
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
        shades = colors.LinearSegmentedColormap.from_list("shares", ["white", figures.PALE_BLUE])
        axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="auto")
        for row in range(2):
            for column in range(2):
                axes.text(
                    column, row - 0.06, wording.count(counts[row, column]),
                    ha="center", va="center", fontsize=17, fontweight="bold",
                )  # fmt: skip
                if totals[row, 0] > 0:
                    axes.text(
                        column, row + 0.16, f"{wording.percent(shares[row, column])} of these sessions",
                        ha="center", va="center", fontsize=8.5,
                    )  # fmt: skip
        axes.set_xticks([0, 1], ["Forecast down", "Forecast up"], color=figures.INK)
        axes.set_yticks([0, 1], ["Went down", "Went up"], rotation=90, va="center", color=figures.INK)
        axes.tick_params(length=0, pad=6)
        axes.grid(visible=False)
        axes.axhline(0.5, color="white", linewidth=3)
        axes.axvline(0.5, color="white", linewidth=3)
        for spine in axes.spines.values():
            spine.set_visible(False)
        shared.title(figure, label, "forecast and outcome")
        return figures.png(figure, simulated=simulated)


def calibration_bins(backtest: pd.DataFrame, *, raw: bool = False) -> pd.DataFrame:
    """`direction_scores.calibration_bins` of the forecasts, or `raw`: as they were before calibration."""
    before = backtest.assign(probability_up=backtest["raw_probability_up"]) if raw else backtest
    return direction_scores.calibration_bins(before)


def is_calibrated(backtest: pd.DataFrame) -> bool:
    """Whether any probability was changed after it came from the model."""
    return bool((backtest["probability_up"].to_numpy() != backtest["raw_probability_up"].to_numpy()).any())


def calibration(backtest: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Reliability chart: forecast probability against the share of sessions that rose, with 95 % intervals.

    As they came from the model too, where calibration changed any.
    """
    with figures.style():
        figure, (axes, counts) = figures.new(figures.COLUMN, 3.6, (1.1, 2.9), (0.48, 0.92))
        series = [("probability_up", "Calibrated", figures.BLUE, "o-", calibration_bins(backtest))]
        if is_calibrated(backtest):
            before = calibration_bins(backtest, raw=True)
            series.insert(0, ("raw_probability_up", "Before", figures.ORANGE, "s--", before))
        ends = np.concatenate(
            [part for name, *_, bins in series for part in (backtest[name].to_numpy(), bins["low"], bins["high"])]
        )
        low, high = max(0.0, float(ends.min()) - 0.02), min(1.0, float(ends.max()) + 0.02)
        axes.plot([low, high], [low, high], color=figures.MUTED, linestyle=(0, (2, 2)), linewidth=1, label="Perfect")
        edges = np.linspace(low, high, 41).tolist()
        for name, told, colour, look, bins in series:
            axes.errorbar(
                bins["forecast"].to_numpy(),
                bins["share_up"].to_numpy(),
                yerr=np.vstack([bins["share_up"] - bins["low"], bins["high"] - bins["share_up"]]),
                fmt=look, color=colour, elinewidth=0.9, markersize=3.5, linewidth=0.9, label=f"{told}, 95% interval",
            )  # fmt: skip
            counts.hist(backtest[name].to_numpy(), bins=edges, color=colour, alpha=0.6, histtype="stepfilled")
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_ylabel("Share that rose")
        shared.percents(axes.yaxis)
        shared.percents(axes.xaxis)
        axes.tick_params(labelbottom=False)
        counts.set_xlim(low, high)
        counts.set_ylabel("Sessions")
        counts.set_xlabel("Forecast probability of a rise")
        counts.yaxis.set_major_locator(shared.few(2))
        shared.percents(counts.xaxis)
        shared.title(figure, label, "calibration")
        shared.legend(figure, axes)
        return figures.png(figure, simulated=simulated)


def coverage(years: pd.DataFrame, level: float, *, label: str, simulated: bool) -> bytes:
    """Share of outcomes inside their interval, year by year with its 95 % interval, beside the level promised.

    `years` as `coverage.by_year` gives them. Where the level promised lies outside, the mark is a red square.
    """
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 3.2, (0.3, 2.55))
        shared.title(figure, label, "outcomes inside the interval")
        promised = f"{wording.short_percent(level)} promised"
        axes.axhline(level, color=figures.INK, linewidth=1, linestyle=(0, (5, 3)), label=promised)
        low, high = years["low"].to_numpy(), years["high"].to_numpy()
        held = (low <= level) & (level <= high)
        looks = ((held, "o", figures.BLUE, "Year, 95% interval"), (~held, "s", figures.RED, "… misses the promise"))
        for rows, mark, colour, told in looks:
            drawn = years.loc[rows]
            if len(drawn):
                axes.errorbar(
                    drawn.index.to_numpy(), drawn["share"].to_numpy(),
                    yerr=np.vstack([drawn["share"] - drawn["low"], drawn["high"] - drawn["share"]]),
                    fmt=mark, color=colour, elinewidth=1.1, markersize=4.5, linewidth=0, label=told,
                )  # fmt: skip
        if years.empty:
            shared.say_too_short(axes, "Not defined: too few forecasts to judge an interval")
        else:
            axes.set_xlim(years.index[0] - 0.6, years.index[-1] + 0.6)
            axes.xaxis.set_major_locator(shared.few(7))
            axes.set_ylim(min(float(low.min()), level) - 0.02, 1.005)
            shared.legend(figure, axes)
        shared.percents(axes.yaxis)
        return figures.png(figure, simulated=simulated)
