"""Small pictures for the Dagster UI, one an artefact: a strip of 480 x 140 pixels that says how the numbers came about.

Dagster keeps every one in its event log for good, so each is a PNG of at most 16 colours and `MAX_BYTES`. Pure, like
charts, whose large figures are for readers of the report; palette and type are in figures. With `simulated=True` a
picture carries a watermark. Titles start with `label`, such as "TSLA 2024-03-08".
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stock_assets.core import direction_scores, trading
from stock_assets.core.model_settings import TradingRules
from stock_assets.reporting import figures, wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 480, 140
MAX_BYTES = 6144

LAST_SESSIONS = 252
FORECAST_SESSIONS = 42
FEATURES = 6
LOG_SCALE_FROM = 8.0

_DPI = 100
_WATERMARK = 0.2
_WATERMARK_SIZE = 20
# Colour -> how much of it is left on white: whole for lines, less along their edges and for areas.
_INKS = {
    figures.INK: (1.0, 0.65, 0.35, 0.15, 0.0),
    figures.MUTED: (0.9, 0.5),
    figures.BLUE: (1.0, 0.6, 0.3),
    figures.RED: (1.0, 0.6, 0.36, _WATERMARK),
    figures.ORANGE: (1.0, 0.65),
}
_SMALL = 7.5
# Most points of a line: the strip has fewer pixels.
_POINTS = 253


def closes(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Close of the last 252 sessions of the `clean_prices` table."""
    last = clean["close"].tail(LAST_SESSIONS)

    def draw(axes: "Axes") -> None:
        _line(axes, last, figures.INK)
        _ends(axes, last.to_numpy(), wording.price)
        _sessions(axes, last.index)

    return _strip(draw, f"{label} · close, last {len(last)} sessions: {wording.price(last.iloc[-1])}", simulated)


def drawdown(clean: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Distance of the adjusted close below its highest value so far: adjusted close / running maximum - 1."""
    adjusted = clean["adjusted_close"]
    below = adjusted / adjusted.cummax() - 1

    def draw(axes: "Axes") -> None:
        places, values = _thinned(below)
        axes.fill_between(places, values, 0, color=figures.RED, alpha=_WATERMARK, linewidth=0)
        axes.plot(places, values, color=figures.RED, linewidth=0.8)
        _ends(axes, below.to_numpy(), wording.change)
        _sessions(axes, below.index)

    return _strip(draw, f"{label} · drawdown: now {wording.change(float(below.iloc[-1]))}", simulated)


def equity(backtest: pd.DataFrame, rules: TradingRules, horizon: int, *, label: str, simulated: bool) -> bytes:
    """Growth of one unit of money when the forecasts are followed (`trading.followed`), beside holding throughout."""
    growth = (1 + trading.followed(backtest, rules, horizon)[["strategy", "buy_and_hold"]]).cumprod()
    values = growth.to_numpy()
    followed, held = (f"{wording.ratio(float(value))}×" for value in values[-1])

    def draw(axes: "Axes") -> None:
        _line(axes, growth["buy_and_hold"], figures.ORANGE, f"held {held}")
        _line(axes, growth["strategy"], figures.BLUE, f"forecasts followed {followed}")
        if values.min() > 0 and values.max() / values.min() >= LOG_SCALE_FROM:
            axes.set_yscale("log")
        _ends(axes, values, lambda value: f"{wording.ratio(value)}×")
        _sessions(axes, growth.index)
        _legend(axes)

    return _strip(draw, f"{label} · growth of 1, after costs", simulated)


def calibration(backtest: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Forecast probability of a rise against the share that rose, with 95 % intervals (the report's reliability chart).

    The dashed line is where forecasts would be that are right on average.
    """
    bins = direction_scores.calibration_bins(backtest)
    forecast, share = bins["forecast"].to_numpy(), bins["share_up"].to_numpy()
    low, high = bins["low"].to_numpy(), bins["high"].to_numpy()

    def draw(axes: "Axes") -> None:
        ends = [float(forecast.min()) - 0.005, float(forecast.max()) + 0.005]
        axes.plot(ends, ends, color=figures.MUTED, linestyle=(0, (4, 3)), linewidth=0.8)
        axes.errorbar(forecast, share, yerr=[share - low, high - share], fmt="o", color=figures.BLUE, markersize=3,
                      elinewidth=0.9)  # fmt: skip
        axes.set_xlim(*ends)
        _ends(axes, np.array([min(low.min(), ends[0]), max(high.max(), ends[1])]), wording.percent)
        axes.set_xticks([forecast[0], forecast[-1]] if len(bins) > 1 else [forecast[0]])
        axes.xaxis.set_major_formatter(lambda value, _: f"said {wording.percent(value)}")

    return _strip(draw, f"{label} · share that rose, by forecast probability", simulated)


def forecast(closes: pd.Series, prediction: Mapping[str, Any], *, label: str, simulated: bool) -> bytes:
    """The last 42 closes, and from the last one the cone to the interval of the target session.

    `prediction` is the row of predictions as a mapping.
    """
    last = closes.tail(FORECAST_SESSIONS)
    low, high, predicted = (prediction[name] for name in ("interval_low", "interval_high", "predicted_close"))
    level = wording.short_percent(prediction["interval_level"])

    def draw(axes: "Axes") -> None:
        end = len(last) - 1
        target = end + 0.12 * max(len(last), 10)
        axes.fill_between([end, target], [last.iloc[-1], low], [last.iloc[-1], high], color=figures.BLUE, alpha=0.3,
                          linewidth=0)  # fmt: skip
        axes.plot(np.arange(len(last)), last.to_numpy(), color=figures.INK)
        axes.plot([end, target], [last.iloc[-1], predicted], color=figures.BLUE, linewidth=1)
        axes.plot(target, predicted, "o", color=figures.BLUE, markersize=4)
        for value, where in ((low, "top"), (predicted, "center"), (high, "bottom")):
            axes.annotate(wording.price(value), (target, value), xytext=(6, 0), textcoords="offset points",
                          va=where, fontsize=_SMALL, color=figures.BLUE)  # fmt: skip
        _ends(axes, np.append(last.to_numpy(), [low, high]), wording.price)
        axes.set_xlim(-0.5, target * 1.13 + 1)
        axes.set_xticks([0, end], [f"{last.index[place]:%Y-%m-%d}" for place in (0, end)])

    told = f"{label} · forecast {wording.price(predicted)}, {level} interval"
    return _strip(draw, f"{told}; chance of a rise {wording.percent(prediction['probability_up'])}", simulated)


def importance(
    means: Mapping[str, float],
    deviations: Mapping[str, float] | None = None,
    *,
    label: str,
    measure: str,
    simulated: bool,
) -> bytes:
    """The six features that count most, as bars; `deviations` as whiskers where they are known.

    `measure`: what the bars measure, in a few words. Equal features are in the order of their names.
    """
    most = sorted(means, key=lambda name: (-means[name], name))[:FEATURES]

    def draw(axes: "Axes") -> None:
        places = np.arange(len(most))[::-1]
        values = [means[name] for name in most]
        spread = None if deviations is None else [deviations[name] for name in most]
        axes.barh(places, values, xerr=spread, color=figures.BLUE, height=0.6, ecolor=figures.MUTED,
                  error_kw={"elinewidth": 0.9})  # fmt: skip
        axes.axvline(0, color=figures.MUTED, linewidth=0.8)
        axes.set_yticks(places, most, color=figures.INK)
        axes.grid(visible=False)
        axes.xaxis.set_major_locator(_three_ticks())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}".replace("-", "−"))

    return _strip(draw, f"{label} · {measure}", simulated, left=130)


def _strip(draw: Any, title: str, simulated: bool, *, left: int = 58) -> bytes:
    """A figure of one panel on which `draw` has drawn, as PNG. `left`: pixels kept for the labels of the y axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with figures.style():
        figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((left / WIDTH, 20 / HEIGHT, 1 - (left + 10) / WIDTH, (HEIGHT - 46) / HEIGHT))
        axes.tick_params(labelsize=_SMALL, length=0, pad=3)
        draw(axes)
        figure.text(8 / WIDTH, 1 - 6 / HEIGHT, title, va="top", fontsize=8, fontweight="bold")
        if simulated:
            figure.text(
                0.5, 0.47, figures.WATERMARK, ha="center", va="center", antialiased=False, zorder=10,
                fontsize=_WATERMARK_SIZE, fontweight="bold", color=figures.RED, alpha=_WATERMARK,
            )  # fmt: skip
        canvas.draw()
        return _png(np.asarray(canvas.buffer_rgba())[:, :, :3])


def _png(pixels: np.ndarray) -> bytes:
    """Pixels (height, width, 3) as a PNG of the 16 colours of `_palette`: a third of the bytes of full colour."""
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette())
    # No dithering: it would neither look good nor compress.
    few = Image.fromarray(np.ascontiguousarray(pixels)).quantize(palette=palette, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _palette() -> list[int]:
    """Red, green and blue of each colour, one after the other: the inks, and each on white as faint as it is used."""
    mixed = [(ink, strength) for ink, strengths in _INKS.items() for strength in strengths]
    return [round(255 - strength * (255 - int(ink[at : at + 2], 16))) for ink, strength in mixed for at in (1, 3, 5)]


def _line(axes: "Axes", values: pd.Series, colour: str, label: str = "") -> None:
    places, thinned = _thinned(values)
    axes.plot(places, thinned, color=colour, linewidth=1.1, label=label)


def _thinned(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of a long line, every n-th from the last one back."""
    step = -(-len(values) // _POINTS)
    places = np.arange(len(values))[::-1][::step][::-1]
    return places, values.to_numpy()[places]


def _ends(axes: "Axes", values: np.ndarray, write: wording.Writer) -> None:
    """The y axis from the lowest to the highest of `values`, with these two written on it."""
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    axes.set_yticks([lowest, highest] if highest > lowest else [lowest])
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: write(value))


def _sessions(axes: "Axes", index: pd.Index) -> None:
    """Sessions evenly spaced, the first, the middle and the last one named in digits."""
    last = len(index) - 1
    places = sorted({0, last // 2, last})
    axes.set_xlim(-0.01 * last - 0.5, 1.01 * last + 0.5)
    axes.set_xticks(places, [f"{index[place]:%Y-%m-%d}" for place in places])
    for text, place in zip(axes.get_xticklabels(), places, strict=True):
        # The outer ones inwards, or they would leave the strip.
        text.set_horizontalalignment("left" if place == 0 else "right" if place == last else "center")


def _legend(axes: "Axes") -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.97), ncols=2, fontsize=_SMALL, borderpad=0, borderaxespad=0,
                handlelength=1.2, handletextpad=0.4, columnspacing=1.2)  # fmt: skip


def _three_ticks() -> Any:
    from matplotlib import ticker

    return ticker.MaxNLocator(3)
