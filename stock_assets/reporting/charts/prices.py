"""The close along the whole history, and the last year with moving averages, volume, splits and dividends."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stock_assets.core import metrics
from stock_assets.reporting import figures, wording
from stock_assets.reporting.charts import axes as shared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST_SESSIONS = metrics.SESSIONS_PER_YEAR
AVERAGES = ((50, figures.BLUE), (200, figures.ORANGE))

# Labels of splits closer than this share of the time axis stand in two rows.
_NEAR = 0.1


def price(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Close of the last year with its moving averages over 50 and 200 sessions, splits and dividends; below it, volume.

    The averages are of the close, over as many sessions as their name says; they start where that many exist. Splits
    and dividends are marked on the session they take effect, dividends with their amount in cash a share.
    """
    with figures.style():
        figure, (axes, volume) = figures.new(figures.COLUMN, 4.2, (1.35, 3.42), (0.3, 1.15))
        last = clean.tail(LAST_SESSIONS)
        dates = shared.days(last.index)
        shared.title(figure, label, f"last {len(last)} sessions")
        axes.plot(dates, last["close"].to_numpy(), color=figures.INK, label="Close")
        for window, colour in AVERAGES:
            average = np.asarray(clean["close"].rolling(window).mean())[-len(last) :]
            if np.isfinite(average).any():
                axes.plot(dates, average, color=colour, label=f"Average over {window}")
        shared.prices(axes)
        _mark_splits(axes, last)
        _mark_dividends(axes, last)
        shared.legend(figure, axes, columns=3)
        shared.time(axes, dates)
        axes.tick_params(labelbottom=False)

        million = last["volume"].to_numpy() / 1e6
        volume.fill_between(dates, 0, million, step="mid", color=figures.MUTED, alpha=0.6, linewidth=0)
        volume.set_ylim(0, max(million.max(), 1e-6) * 1.05)
        volume.set_ylabel("Volume, millions")
        volume.yaxis.set_major_locator(shared.few(3))
        shared.time(volume, dates)
        return figures.png(figure, simulated=simulated)


def history(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Close of the whole history with its splits, and the sessions of dividends as ticks along the lower edge.

    On a log scale when the highest close is at least 8 times the lowest, so that equal percentages are equal heights.
    """
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 4.2, (0.3, 3.42))
        dates = shared.days(clean.index)
        close = clean["close"].to_numpy()
        shared.title(figure, label, "close, whole history")
        axes.plot(dates, close, color=figures.INK, linewidth=0.8, label="Close")
        if shared.is_wide(close):
            shared.log(axes, close)
        shared.prices(axes)
        shared.time(axes, dates)
        _mark_splits(axes, clean)
        paid = clean.index[clean["dividend"].to_numpy() > 0]
        if len(paid):
            axes.vlines(
                shared.days(paid), 0, 0.025, transform=axes.get_xaxis_transform(), color=figures.GREEN, linewidth=1,
                label="Dividend",
            )  # fmt: skip
        shared.legend(figure, axes)
        return figures.png(figure, simulated=simulated)


def _mark_splits(axes: "Axes", shown: pd.DataFrame) -> None:
    """Splits as dashed lines, their ratio above the axes; in a second row when the one before is near."""
    ratios = shown["split_ratio"].to_numpy()
    splits = shown.index[ratios != 1.0]
    if splits.empty:
        return
    across = axes.get_xaxis_transform()
    dates = shared.days(splits)
    axes.vlines(dates, 0, 1, transform=across, color=figures.PURPLE, linestyle="--", linewidth=1, label="Split")
    near = _NEAR * max(shared.days(shown.index[-1:])[0] - shared.days(shown.index[:1])[0], 1.0)
    raised, before = False, -np.inf
    for date, ratio in zip(dates, ratios[ratios != 1.0], strict=True):
        raised = date - before < near and not raised
        axes.annotate(
            f"{ratio:.4g}:1", (date, 1.0), xycoords=across, xytext=(0, 11 if raised else 2),
            textcoords="offset points", ha="center", va="bottom", fontsize=8, color=figures.PURPLE,
        )  # fmt: skip
        before = date


def _mark_dividends(axes: "Axes", shown: pd.DataFrame) -> None:
    """Dividends as triangles along the lower edge with their amount, as long as there is room for it."""
    amounts = shown["dividend"].to_numpy()
    paid = shown.index[amounts > 0]
    if paid.empty:
        return
    # Room below the lines, so that nothing runs through the amounts.
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.12 * (high - low), high)
    across = axes.get_xaxis_transform()
    dates = shared.days(paid)
    axes.plot(
        dates, np.full(len(dates), 0.03), "^", transform=across, color=figures.GREEN, markersize=5, label="Dividend",
        linestyle="none",
    )  # fmt: skip
    if len(paid) <= 12:
        for date, amount in zip(dates, amounts[amounts > 0], strict=True):
            axes.annotate(
                wording.price(float(amount)), (date, 0.05), xycoords=across, xytext=(0, 2), textcoords="offset points",
                ha="center", va="bottom", fontsize=8, color=figures.GREEN,
            )  # fmt: skip
