"""Returns session by session and month by month, drawdown, volatility, and the distribution of returns."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import metrics
from stock_assets.reporting import figures, wording
from stock_assets.reporting.charts import axes as shared

MOST_YEARS = 12
"""Years a map of months can show and still be read on a phone."""

_MONTHS = tuple(name[:3] for name in wording.MONTHS)


def returns(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Total return of every session as a line from zero, the best and the worst marked."""
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 2.9, (0.3, 2.5))
        known = clean["total_return"].dropna()
        dates, values = shared.days(known.index), known.to_numpy()
        shared.title(figure, label, "return of each session")
        if len(values):
            axes.vlines(dates, 0, values, color=figures.BLUE, linewidth=max(0.3, min(2.0, 500 / len(values))))
            for place, lift in ((int(values.argmax()), 3), (int(values.argmin()), -3)):
                told = f"{wording.change(float(values[place]))} on {known.index[place]:%Y-%m-%d}"
                left = dates[place] < dates.mean()
                shared.point_out(axes, dates[place], values[place], told, colour=figures.RED, left=left, lift=lift)
            axes.margins(y=0.12)
            shared.time(axes, dates)
        else:
            shared.say_too_short(axes)
        axes.axhline(0, color=figures.MUTED, linewidth=0.8)
        shared.percents(axes.yaxis, signed=True)
        return figures.png(figure, simulated=simulated)


def months(years: Sequence[Mapping[str, Any]], *, label: str, simulated: bool) -> bytes:
    """Total return of each month and each year as a map, the latest year on top; at most the latest 12 years.

    `years` as `monthly.by_year` gives them. The colour is white at zero and strongest at the largest return of a month,
    or where the largest twentieth begin; totals of years carry none, as they would outshine the months.
    """
    from matplotlib import colors

    shown = years[:MOST_YEARS]
    months = np.array([[math.nan if value is None else value for value in year["months"]] for year in shown])
    row = 0.27
    with figures.style():
        height = 0.85 + row * len(shown)
        figure, (axes,) = figures.new(figures.COLUMN, height, (0.1, height - 0.7), left=0.5, right=0.1)
        shared.title(figure, label, "return of each month, %")
        known = np.abs(months[np.isfinite(months)])
        if len(known):
            strongest = max(float(np.quantile(known, 0.95)), 0.01)
            colours = colors.LinearSegmentedColormap.from_list(
                "losses and gains", [figures.PALE_RED, "white", figures.PALE_BLUE]
            )
            axes.imshow(months, cmap=colours, vmin=-strongest, vmax=strongest, aspect="auto")
        else:
            shared.say_too_short(axes)
        for place, year in enumerate(shown):
            for month, value in enumerate(year["months"]):
                axes.text(month, place, _short(value), ha="center", va="center", fontsize=7.5)
            axes.text(12.25, place, _short(year["total"]), ha="center", va="center", fontsize=7.5, fontweight="bold")
        axes.set_xlim(-0.5, 12.9)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xticks([*range(12), 12.25], [*_MONTHS, "Year"], fontsize=8)
        axes.set_yticks(range(len(shown)), [str(year["year"]) for year in shown])
        axes.tick_params(length=0, labeltop=True, labelbottom=False, top=False, bottom=False, pad=2)
        axes.grid(visible=False)
        for edge in np.arange(len(shown) + 1) - 0.5:
            axes.axhline(edge, color="white", linewidth=1.2)
        for edge in np.arange(13) - 0.5:
            axes.axvline(edge, color="white", linewidth=1.2)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return figures.png(figure, simulated=simulated)


def _short(value: float | None) -> str:
    """A return in percent, in as few characters as a cell holds: "+4.2", "−13", nothing when there is none."""
    if value is None:
        return ""
    text = f"{100 * value:+.1f}" if abs(value) < 0.0995 else f"{100 * value:+.0f}"
    return "0.0" if text.strip("+-") == "0.0" else text.replace("-", "−")


def drawdown(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Distance of the adjusted close below its highest value so far: adjusted close / running maximum - 1."""
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 2.9, (0.3, 2.5))
        dates = shared.days(clean.index)
        below = metrics.drawdowns(clean["adjusted_close"])
        axes.fill_between(dates, below, 0, color=figures.RED, alpha=0.25, linewidth=0)
        axes.plot(dates, below, color=figures.RED, linewidth=0.8)
        worst = int(below.argmin())
        if below[worst] < 0:
            told = f"{wording.change(float(below[worst]))} on {clean.index[worst]:%Y-%m-%d}"
            left = dates[worst] < dates.mean()
            shared.point_out(axes, dates[worst], below[worst], told, colour=figures.INK, left=left)
        shared.title(figure, label, "drawdown")
        axes.set_ylim(min(below[worst] * 1.12, -0.01), 0)
        shared.percents(axes.yaxis, signed=True)
        shared.time(axes, dates)
        return figures.png(figure, simulated=simulated)


def volatility(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Standard deviation of total returns over the last 21 and 63 sessions, times sqrt(252)."""
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 2.9, (0.3, 2.25))
        shared.title(figure, label, "volatility, annualised")
        dates = shared.days(clean.index)
        drawn = False
        for window, colour, width in ((21, figures.ORANGE, 0.8), (63, figures.BLUE, 1.3)):
            rolling = (clean["total_return"].rolling(window).std() * math.sqrt(metrics.SESSIONS_PER_YEAR)).to_numpy()
            if np.isfinite(rolling).any():
                axes.plot(dates, rolling, color=colour, linewidth=width, label=f"{window} sessions")
                drawn = True
        if drawn:
            overall = metrics.annual_volatility(clean["total_return"].dropna())
            axes.axhline(overall, color=figures.INK, linewidth=0.9, linestyle=(0, (5, 3)), label="Whole history")
            shared.legend(figure, axes)
            axes.set_ylim(bottom=0)
            shared.time(axes, dates)
        else:
            shared.say_too_short(axes)
        shared.percents(axes.yaxis)
        return figures.png(figure, simulated=simulated)


def distribution(clean: pd.DataFrame, tails: Mapping[str, float | None], *, label: str, simulated: bool) -> bytes:
    """Histogram of total returns, the normal curve of the same mean and deviation, and the losses in `tails`.

    `tails` has `var_95`, `cvar_95`, `var_99`, `cvar_99` as returns of one session; those that are None are left out.
    """
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 3.4, (0.3, 3.0), right=0.28)
        values = clean["total_return"].dropna().to_numpy()
        shared.title(figure, label, "returns of one session")
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
            axes.legend(loc="upper right", borderaxespad=0.0, handlelength=1.5, handletextpad=0.5, labelspacing=0.35)
            axes.set_xlim(edges[0], edges[-1])
            axes.set_ylabel("Sessions")
        else:
            shared.say_too_short(axes)
        shared.percents(axes.xaxis, signed=True)
        return figures.png(figure, simulated=simulated)
