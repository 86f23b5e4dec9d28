"""The figures of a report as PNG bytes, one function a figure. How they look is in figures; their words in alt_texts.

Every function takes frames or numbers that the graph has already made and draws them; the only computing here is what
a picture needs and no table shows: moving averages and rolling volatility along the way, bins, the growth of one unit.
Frames are indexed by session. With `simulated=True` the figure carries a watermark. Titles start with `label`, such as
"TSLA 2024-03-08", so that a picture that leaves its page still says what it shows.
"""

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stock_assets.core import direction_scores, metrics, trading
from stock_assets.core.model_settings import TradingRules
from stock_assets.reporting import figures, wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST_SESSIONS = metrics.SESSIONS_PER_YEAR
FORECAST_SESSIONS = 42
LOG_SCALE_FROM = 8.0
TOO_SHORT = "Not defined: history too short"


def price(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Close of the whole history, then the last year with its moving averages over 50 and 200 sessions, and volume.

    The averages are of the close, over as many sessions as their name says; they start where that many exist. Splits
    and dividends are marked on the session they take effect. The history is on a log scale when its highest close is
    at least 8 times its lowest, so that equal percentages are equal heights.
    """
    with figures.style():
        figure, (whole, recent, volume) = figures.new(figures.WIDE, 6.4, (4.75, 6.05), (1.45, 3.8), (0.32, 1.2))
        dates = _dates(clean.index)
        close = clean["close"].to_numpy()

        whole.plot(dates, close, color=figures.INK, linewidth=0.9)
        _title(whole, label, "close, whole history")
        if close.max() / close.min() >= LOG_SCALE_FROM:
            _log_prices(whole, close)
        _prices_axis(whole)
        _time_axis(whole, dates)

        last = clean.tail(LAST_SESSIONS)
        dates = dates[-len(last) :]
        recent.plot(dates, last["close"].to_numpy(), color=figures.INK, label="Close")
        for window, colour in ((50, figures.BLUE), (200, figures.ORANGE)):
            average = np.asarray(clean["close"].rolling(window).mean())[-len(last) :]
            if np.isfinite(average).any():
                recent.plot(dates, average, color=colour, label=f"Average over {window}")
        _title(recent, "", f"Last {len(last)} sessions, with moving averages")
        _prices_axis(recent)
        _mark_events(whole, clean, named=False)
        _mark_events(recent, last, named=True)
        _legend_under_title(recent)
        _time_axis(recent, dates)
        recent.tick_params(labelbottom=False)

        million = last["volume"].to_numpy() / 1e6
        volume.vlines(dates, 0, million, color=figures.MUTED, linewidth=1.4)
        volume.set_ylim(0, max(million.max(), 1e-6) * 1.05)
        volume.set_ylabel("Volume, millions")
        _time_axis(volume, dates)
        volume.set_xlim(recent.get_xlim())
        return figures.png(figure, simulated=simulated)


def returns(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Total return of every session as a line from zero, the best and the worst marked."""
    with figures.style():
        figure, (axes,) = figures.new(figures.WIDE, 2.9, (0.35, 2.5))
        known = clean["total_return"].dropna()
        dates, values = _dates(known.index), known.to_numpy()
        _title(axes, label, "total return of each session")
        if len(values):
            axes.vlines(dates, 0, values, color=figures.BLUE, linewidth=max(0.35, min(2.0, 900 / len(values))))
            for place, offset in ((int(values.argmax()), 7), (int(values.argmin()), -7)):
                axes.annotate(
                    f"{wording.change(float(values[place]))} on {known.index[place]:%Y-%m-%d}",
                    (dates[place], values[place]),
                    xytext=(8 if dates[place] < dates.mean() else -8, offset / 2),
                    textcoords="offset points",
                    ha="left" if dates[place] < dates.mean() else "right",
                    va="center",
                    fontsize=8.5,
                )
                axes.plot(dates[place], values[place], "o", markersize=3.5, color=figures.RED)
            axes.margins(y=0.12)
            _time_axis(axes, dates)
        else:
            _say_too_short(axes)
        axes.axhline(0, color=figures.MUTED, linewidth=0.8)
        _percent_axis(axes.yaxis, signed=True)
        return figures.png(figure, simulated=simulated)


def drawdown(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Distance of the adjusted close below its highest value so far: adjusted close / running maximum - 1."""
    with figures.style():
        figure, (axes,) = figures.new(figures.WIDE, 2.7, (0.35, 2.3))
        dates = _dates(clean.index)
        adjusted = clean["adjusted_close"]
        below = (adjusted / adjusted.cummax() - 1).to_numpy()
        axes.fill_between(dates, below, 0, color=figures.RED, alpha=0.25, linewidth=0)
        axes.plot(dates, below, color=figures.RED, linewidth=0.9)
        worst = int(below.argmin())
        if below[worst] < 0:
            left = dates[worst] < dates.mean()
            axes.plot(dates[worst], below[worst], "o", markersize=3.5, color=figures.INK)
            axes.annotate(
                f"{wording.change(float(below[worst]))} on {clean.index[worst]:%Y-%m-%d}",
                (dates[worst], below[worst]),
                xytext=(8 if left else -8, -1),
                textcoords="offset points",
                ha="left" if left else "right",
                va="center",
                fontsize=8.5,
            )
        _title(axes, label, "drawdown from the highest adjusted close so far")
        axes.set_ylim(min(below[worst] * 1.12, -0.01), 0)
        _percent_axis(axes.yaxis, signed=True)
        _time_axis(axes, dates)
        return figures.png(figure, simulated=simulated)


def volatility(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Standard deviation of total returns over the last 21 and 63 sessions, times sqrt(252)."""
    with figures.style():
        figure, (axes,) = figures.new(figures.WIDE, 2.9, (0.35, 2.3))
        _title(axes, label, "rolling volatility, annualised")
        dates = _dates(clean.index)
        drawn = False
        for window, colour, width in ((21, figures.ORANGE, 0.8), (63, figures.BLUE, 1.4)):
            rolling = (clean["total_return"].rolling(window).std() * math.sqrt(metrics.SESSIONS_PER_YEAR)).to_numpy()
            if np.isfinite(rolling).any():
                axes.plot(dates, rolling, color=colour, linewidth=width, label=f"{window} sessions")
                drawn = True
        if drawn:
            overall = float(np.nanstd(clean["total_return"].to_numpy(), ddof=1)) * math.sqrt(metrics.SESSIONS_PER_YEAR)
            axes.axhline(overall, color=figures.INK, linewidth=0.9, linestyle=(0, (5, 3)), label="Whole history")
            _legend_under_title(axes)
            axes.set_ylim(bottom=0)
            _time_axis(axes, dates)
        else:
            _say_too_short(axes)
        _percent_axis(axes.yaxis)
        return figures.png(figure, simulated=simulated)


def distribution(clean: pd.DataFrame, tails: Mapping[str, float | None], *, label: str, simulated: bool) -> bytes:
    """Histogram of total returns, the normal curve of the same mean and deviation, and the losses in `tails`.

    `tails` has `var_95`, `cvar_95`, `var_99`, `cvar_99` as returns of one session; those that are None are left out.
    """
    with figures.style():
        figure, (axes,) = figures.new(figures.HALF, 3.9, (0.38, 3.5), left=0.62)
        values = clean["total_return"].dropna().to_numpy()
        _title(axes, label, "returns of one session")
        deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        if deviation > 0:
            mean = float(values.mean())
            # Bars to 5 deviations; the few beyond are counted in the outermost ones, or they would squeeze the rest.
            edges = mean + deviation * np.linspace(-5, 5, 81)
            clipped = np.clip(values, edges[0], edges[-1])
            axes.hist(
                clipped, bins=edges.tolist(), color=figures.BLUE, alpha=0.55, label="Sessions", histtype="stepfilled"
            )
            x = np.linspace(edges[0], edges[-1], 241)
            width = edges[1] - edges[0]
            normal = np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
            axes.plot(x, normal * len(values) * width, color=figures.INK, linewidth=1.0, label="Normal curve")
            looks = {
                "var_95": ("VaR 95%", figures.ORANGE, "-"),
                "cvar_95": ("CVaR 95%", figures.ORANGE, "--"),
                "var_99": ("VaR 99%", figures.RED, "-"),
                "cvar_99": ("CVaR 99%", figures.RED, "--"),
            }
            for name, (text, colour, dashes) in looks.items():
                loss = tails[name]
                if loss is not None:
                    told = f"{text}: {wording.fine_change(loss)}"
                    axes.axvline(max(loss, edges[0]), color=colour, linestyle=dashes, linewidth=1.3, label=told)
            axes.legend(loc="upper right", borderaxespad=0.2, handlelength=1.8)
            axes.set_xlim(edges[0], edges[-1])
            axes.set_ylabel("Sessions")
        else:
            _say_too_short(axes)
        _percent_axis(axes.xaxis, signed=True)
        return figures.png(figure, simulated=simulated)


def confusion_matrix(matrix: Sequence[Sequence[int]], *, label: str, simulated: bool) -> bytes:
    """Counts of forecasts by what was said and what happened, each with its share of the row.

    `matrix` is [[true down, false up], [false down, true up]]: rows are what happened, columns what was forecast,
    down first.
    """
    with figures.style():
        figure, (axes,) = figures.new(figures.HALF, 4.2, (0.42, 3.8), left=0.42, right=0.15)
        counts = np.asarray(matrix, dtype="float64")
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row in range(2):
            for column in range(2):
                colour = "white" if shares[row, column] > 0.55 else figures.INK
                axes.text(
                    column, row - 0.06, wording.count(counts[row, column]),
                    ha="center", va="center", fontsize=17, fontweight="bold", color=colour,
                )  # fmt: skip
                if totals[row, 0] > 0:
                    axes.text(
                        column, row + 0.16, f"{wording.percent(shares[row, column])} of these sessions",
                        ha="center", va="center", fontsize=8.5, color=colour,
                    )  # fmt: skip
        axes.set_xticks([0, 1], ["Forecast down", "Forecast up"], color=figures.INK)
        axes.set_yticks([0, 1], ["Went down", "Went up"], rotation=90, va="center", color=figures.INK)
        axes.tick_params(length=0, pad=6)
        axes.grid(visible=False)
        axes.axhline(0.5, color="white", linewidth=3)
        axes.axvline(0.5, color="white", linewidth=3)
        for spine in axes.spines.values():
            spine.set_visible(False)
        _title(axes, label, "forecast against outcome")
        return figures.png(figure, simulated=simulated)


def calibration(backtest: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Reliability chart: forecast probability against the share of sessions that rose, with 95 % intervals."""
    with figures.style():
        figure, (axes, counts) = figures.new(figures.HALF, 4.2, (1.3, 3.6), (0.52, 1.1))
        bins = direction_scores.calibration_bins(backtest)
        probability = backtest["probability_up"].to_numpy()
        ends = np.concatenate([probability, bins["low"].to_numpy(), bins["high"].to_numpy()])
        low, high = max(0.0, float(ends.min()) - 0.02), min(1.0, float(ends.max()) + 0.02)
        axes.plot([low, high], [low, high], color=figures.MUTED, linestyle=(0, (5, 3)), linewidth=1, label="Perfect")
        axes.errorbar(
            bins["forecast"].to_numpy(),
            bins["share_up"].to_numpy(),
            yerr=np.vstack([bins["share_up"] - bins["low"], bins["high"] - bins["share_up"]]),
            fmt="o-",
            color=figures.BLUE,
            ecolor=figures.BLUE,
            elinewidth=1,
            markersize=4.5,
            linewidth=1,
            label="Forecasts, with 95% interval",
        )
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_ylabel("Share that rose")
        _percent_axis(axes.yaxis)
        _percent_axis(axes.xaxis)
        axes.tick_params(labelbottom=False)
        counts.hist(probability, bins=np.linspace(low, high, 41).tolist(), color=figures.MUTED, histtype="stepfilled")
        counts.set_xlim(low, high)
        counts.set_ylabel("Sessions")
        counts.set_xlabel("Forecast probability of a rise")
        counts.yaxis.set_major_locator(_few_ticks(2))
        _percent_axis(counts.xaxis)
        _title(axes, label, "calibration")
        _legend_under_title(axes)
        return figures.png(figure, simulated=simulated)


def growth(
    backtest: pd.DataFrame, *, horizon: int, cost_bps: float, execution: str = "close", short: bool = False
) -> pd.DataFrame:
    """What one unit of money became, either way, by the rules that evaluation scores (`trading.followed`).

    Columns `strategy` (long while the probability of a rise is above one half, else in cash or short) and
    `buy_and_hold`, indexed by the target session of each forecast; it starts with 1 on the session of the first one.
    Only every `horizon`-th forecast is traded; `cost_bps` is paid on everything bought or sold.
    """
    rules = TradingRules(cost_bps=cost_bps, execution=execution, short=short)
    money = trading.followed(backtest, rules, horizon)
    start = pd.DataFrame({"strategy": 1.0, "buy_and_hold": 1.0}, index=money.index[:1])
    after = pd.DataFrame(
        {name: (1 + money[name]).cumprod().to_numpy() for name in start.columns},
        index=pd.DatetimeIndex(backtest.loc[money.index, "target_session"]),
    )
    return pd.concat([start, after]).rename_axis("session")


def equity(growth: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Growth of one unit of money: `growth` has columns `strategy` and `buy_and_hold`, indexed by session."""
    with figures.style():
        figure, (axes,) = figures.new(figures.WIDE, 3.3, (0.35, 2.7))
        dates = _dates(growth.index)
        values = growth[["strategy", "buy_and_hold"]].to_numpy()
        axes.axhline(1, color=figures.MUTED, linewidth=0.8)
        axes.plot(
            dates, values[:, 1], color=figures.ORANGE, label=f"Buy and hold: {wording.ratio(float(values[-1, 1]))}"
        )
        axes.plot(
            dates, values[:, 0], color=figures.BLUE, label=f"Forecasts followed: {wording.ratio(float(values[-1, 0]))}"
        )
        if values.max() / values.min() >= LOG_SCALE_FROM:
            _log_prices(axes, values)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.4g}×")
        _title(axes, label, "growth of 1, out of sample, after costs")
        _legend_under_title(axes)
        _time_axis(axes, dates)
        return figures.png(figure, simulated=simulated)


def forecast(clean: pd.DataFrame, prediction: Mapping[str, Any], *, label: str, simulated: bool) -> bytes:
    """The last two months of closes, and the forecast close of the target session with its interval.

    `prediction` is the row of predictions as a mapping, its sessions as ISO text.
    """
    with figures.style():
        figure, (axes,) = figures.new(figures.HALF, 3.5, (0.35, 2.9), right=0.42)
        last = clean["close"].tail(FORECAST_SESSIONS)
        # Sessions are spaced evenly: on a calendar the one-session forecast would hide behind a weekend's gap.
        places = np.arange(len(last), dtype="float64")
        target = places[-1] + 1.5
        axes.plot(places, last.to_numpy(), color=figures.INK, label="Close")
        axes.plot(places[-1], last.iloc[-1], "o", markersize=4, color=figures.INK)
        low, high = prediction["interval_low"], prediction["interval_high"]
        level = f"{100 * prediction['interval_level']:.3g}%"
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
            [*(f"{last.index[place]:%Y-%m-%d}" for place in shown), prediction["target_session"]],
        )
        axes.margins(y=0.12)
        axes.set_xlim(-2, target + 3)
        _prices_axis(axes)
        _title(axes, label, "forecast")
        _legend_under_title(axes)
        return figures.png(figure, simulated=simulated)


def _title(axes: "Axes", label: str, text: str) -> None:
    axes.set_title(f"{label} · {text}" if label else text)


def _legend_under_title(axes: "Axes") -> None:
    """The legend as one row between title and axes, where it can hide nothing."""
    axes.set_title(axes.get_title(loc="left"), pad=24)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=6, borderpad=0.3, borderaxespad=0.1,
        handlelength=1.4, handletextpad=0.5, columnspacing=1.4,
    )  # fmt: skip


def _dates(index: pd.Index) -> np.ndarray:
    """Sessions as matplotlib's day numbers, so that no converter registered elsewhere takes part."""
    from matplotlib import dates

    return np.asarray(dates.date2num(index.to_numpy(dtype="datetime64[ns]")), dtype="float64")


def _time_axis(axes: "Axes", numbers: np.ndarray) -> None:
    from matplotlib import dates

    span = max(numbers[-1] - numbers[0], 1.0)
    axes.set_xlim(numbers[0] - 0.01 * span, numbers[-1] + 0.01 * span)
    axes.xaxis.set_major_locator(dates.AutoDateLocator(tz=datetime.UTC, minticks=4, maxticks=9))
    # Digits only: names of months would follow the machine's language.
    pattern = "%Y" if span > 1500 else "%Y-%m" if span > 120 else "%Y-%m-%d"
    axes.xaxis.set_major_formatter(dates.DateFormatter(pattern, tz=datetime.UTC))


def _prices_axis(axes: "Axes") -> None:
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    axes.set_ylabel("Price")


def _log_prices(axes: "Axes", values: np.ndarray) -> None:
    from matplotlib import ticker

    axes.set_yscale("log")
    decades = math.log10(float(values.max() / values.min()))
    axes.yaxis.set_major_locator(ticker.LogLocator(base=10, subs=(1, 2, 5) if decades < 2.2 else (1, 3)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.annotate(
        "log scale", (0, 1), xycoords="axes fraction", xytext=(5, -4), textcoords="offset points",
        ha="left", va="top", fontsize=8, color=figures.MUTED,
    )  # fmt: skip


def _percent_axis(axis: Any, *, signed: bool = False) -> None:
    from matplotlib import ticker

    def write(value: float, _: int) -> str:
        text = f"{100 * value:+.4g}%" if signed and abs(value) > 1e-12 else f"{100 * abs(value):.4g}%"
        return text.replace("-", "−")

    axis.set_major_locator(ticker.MaxNLocator(6))
    axis.set_major_formatter(write)


def _few_ticks(n: int) -> Any:
    from matplotlib import ticker

    return ticker.MaxNLocator(n, integer=True)


def _mark_events(axes: "Axes", shown: pd.DataFrame, *, named: bool) -> None:
    """Splits as dashed lines with their ratio, dividends as ticks along the lower edge."""
    from matplotlib import transforms

    # x in sessions, y as a share of the axes' height
    across = transforms.blended_transform_factory(axes.transData, axes.transAxes)
    splits = shown[shown["split_ratio"] != 1.0]
    if len(splits):
        dates = _dates(splits.index)
        label = "Split" if named else ""
        axes.vlines(dates, 0, 1, transform=across, color=figures.PURPLE, linestyle="--", linewidth=1, label=label)
        for date, ratio in zip(dates, splits["split_ratio"], strict=True):
            axes.annotate(
                f"{ratio:.4g}:1 ", (date, 0.97), xycoords=across, ha="right", va="top", fontsize=8, color=figures.PURPLE
            )
    dividends = shown[shown["dividend"] > 0]
    if len(dividends):
        dates = _dates(dividends.index)
        axes.plot(
            dates, np.full(len(dates), 0.02), "^", transform=across, color=figures.GREEN,
            markersize=5 if named else 3, label="Dividend" if named else "", linestyle="none",
        )  # fmt: skip


def _say_too_short(axes: "Axes") -> None:
    axes.text(0.5, 0.5, TOO_SHORT, transform=axes.transAxes, ha="center", va="center", color=figures.MUTED)
