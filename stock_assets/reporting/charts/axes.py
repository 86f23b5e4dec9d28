"""What figures share: titles, legends, axes of time, prices and percent. No figure is drawn here."""

import datetime
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stock_assets.reporting import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOO_SHORT = "Not defined: history too short"
LOG_SCALE_FROM = 8.0
"""Values whose highest is so many times the lowest are drawn on a log scale: equal percentages are equal heights."""

_EDGE = 0.1
_TITLE = 0.12
_LEGEND = 0.34


def title(figure: "Figure", label: str, text: str) -> None:
    """The title, along the left edge of the figure, where the axis' numbers leave its length alone."""
    width, height = figure.get_size_inches()
    shown = f"{label} · {text}" if label else text
    figure.text(_EDGE / width, 1 - _TITLE / height, shown, ha="left", va="top", fontsize=10, fontweight="bold")


def legend(figure: "Figure", *axes: "Axes", columns: int = 4) -> None:
    """The legend as rows between title and axes, where it can hide nothing."""
    width, height = figure.get_size_inches()
    handles, labels = [], []
    for one in axes:
        found = one.get_legend_handles_labels()
        handles += found[0]
        labels += found[1]
    figure.legend(
        handles, labels, loc="upper left", bbox_to_anchor=((_EDGE - 0.05) / width, 1 - _LEGEND / height), ncols=columns,
        borderpad=0.2, borderaxespad=0.0, handlelength=1.4, handletextpad=0.5, columnspacing=1.2, labelspacing=0.3,
    )  # fmt: skip


def days(index: pd.Index) -> np.ndarray:
    """Sessions as matplotlib's day numbers, so that no converter registered elsewhere takes part."""
    from matplotlib import dates

    return np.asarray(dates.date2num(index.to_numpy(dtype="datetime64[ns]")), dtype="float64")


def time(axes: "Axes", numbers: np.ndarray) -> None:
    """Ticks of years, months or days along x, in digits only: names of months would follow the machine's language."""
    from matplotlib import dates

    span = max(numbers[-1] - numbers[0], 1.0)
    axes.set_xlim(numbers[0] - 0.01 * span, numbers[-1] + 0.01 * span)
    axes.xaxis.set_major_locator(dates.AutoDateLocator(tz=datetime.UTC, minticks=3, maxticks=7))
    pattern = "%Y" if span > 1500 else "%Y-%m" if span > 120 else "%Y-%m-%d"
    axes.xaxis.set_major_formatter(dates.DateFormatter(pattern, tz=datetime.UTC))


def prices(axes: "Axes") -> None:
    """Prices along y, as many digits as they need."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")


def is_wide(values: np.ndarray) -> bool:
    """Whether values call for a log scale."""
    return bool(values.max() / values.min() >= LOG_SCALE_FROM)


def log(axes: "Axes", values: np.ndarray) -> None:
    """A log scale along y, and a word that it is one."""
    from matplotlib import ticker

    axes.set_yscale("log")
    decades = math.log10(float(values.max() / values.min()))
    axes.yaxis.set_major_locator(ticker.LogLocator(base=10, subs=(1, 2, 5) if decades < 2.2 else (1, 3)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.annotate(
        "log scale", (0, 1), xycoords="axes fraction", xytext=(5, -3), textcoords="offset points",
        ha="left", va="top", fontsize=8, color=figures.MUTED,
    )  # fmt: skip


def percents(axis: Any, *, signed: bool = False, ticks: int = 6) -> None:
    """Fractions as percent along an axis; `signed` with plus and minus."""
    from matplotlib import ticker

    def write(value: float, _: int) -> str:
        text = f"{100 * value:+.4g}%" if signed and abs(value) > 1e-12 else f"{100 * abs(value):.4g}%"
        return text.replace("-", "−")

    axis.set_major_locator(ticker.MaxNLocator(ticks))
    axis.set_major_formatter(write)


def few(n: int, *, whole: bool = True) -> Any:
    """A locator of at most `n` steps between ticks, at `whole` numbers or any."""
    from matplotlib import ticker

    return ticker.MaxNLocator(n, integer=whole)


def point_out(axes: "Axes", x: float, y: float, text: str, *, colour: str, left: bool, lift: float = 0.0) -> None:
    """A dot at a point and words beside it: to its right when it is in the `left` half, so that they stay inside."""
    axes.plot(x, y, "o", markersize=3.5, color=colour)
    axes.annotate(
        text, (x, y), xytext=(7 if left else -7, lift), textcoords="offset points",
        ha="left" if left else "right", va="center", fontsize=8.5,
    )  # fmt: skip


def say_too_short(axes: "Axes", text: str = TOO_SHORT) -> None:
    """Words in place of what can't be drawn."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=figures.MUTED)
