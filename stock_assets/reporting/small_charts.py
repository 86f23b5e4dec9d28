"""Small pictures for the Dagster UI, one or two an artefact: strips that say at a glance how the numbers came about.

Dagster shows a text with a picture in it at once as long as it has fewer than 1,000 characters, and behind a link from
there on. No PNG with words on it is that small, so these are SVGs, written out here, each as a data URI of at most
`MAX_CHARACTERS`: long lines take every n-th session, n as small as fits. Dagster keeps every picture for good; at this
size that costs nothing, and drawing them takes no time.

Pure, like charts, whose large figures are for readers of the report; the palette is in figures. Titles start with
`label`, such as "TSLA 2024-03-08"; with `simulated=True` a strip carries a watermark.
"""

import xml.sax.saxutils
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from stock_assets.core import direction_scores, trading
from stock_assets.core.model_settings import TradingRules
from stock_assets.reporting import figures, wording

MAX_CHARACTERS = 960
"""Of a data URI; the rest of the 999 is for the name and the marks of a picture in Markdown."""

LAST_SESSIONS = 252
FORECAST_SESSIONS = 42
FEATURES = 6
LOG_SCALE_FROM = 8.0

_WIDTH, _HEIGHT = 480, 112
# The panel, in pixels from the upper left corner.
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 472, 22, 94
_MOST_POINTS, _FEWEST_POINTS = 130, 10
# What may stand as it is in the address of a picture in Markdown, between < and >; no "&", which begins an entity.
_PLAIN = " '=:/;,.-+()"

_Draw = Callable[[int], list[str]]
"""Elements of a strip whose lines have at most so many points."""


def closes(clean: pd.DataFrame, *, label: str, simulated: bool) -> str:
    """Close of the last 252 sessions of the `clean_prices` table."""
    last = clean["close"].tail(LAST_SESSIONS)
    values = last.to_numpy()

    def draw(points: int) -> list[str]:
        x, y = _across(len(values)), _up(values)
        return [_line(x, y, figures.INK, points), *_levels(values, wording.price), *_sessions(last.index)]

    return _strip(draw, f"{label} close {wording.price(values[-1])}", simulated)


def drawdown(clean: pd.DataFrame, *, label: str, simulated: bool) -> str:
    """Distance of the adjusted close below its highest value so far: adjusted close / running maximum - 1."""
    adjusted = clean["adjusted_close"]
    below = (adjusted / adjusted.cummax() - 1).to_numpy()

    def draw(points: int) -> list[str]:
        # From zero down, so that the area is what is missing.
        x, y = _across(len(below)), _up(np.append(below, 0.0))[:-1]
        area = f"{_path(x, y, points)}V{_TOP}H{_LEFT}z"
        drawn = f"<path d='{area}' fill='{figures.RED}' fill-opacity='.3' stroke='{figures.RED}'/>"
        return [drawn, *_levels(np.append(below, 0.0), wording.change), *_sessions(clean.index)]

    return _strip(draw, f"{label} drawdown {wording.change(float(below[-1]))}", simulated)


def equity(backtest: pd.DataFrame, rules: TradingRules, horizon: int, *, label: str, simulated: bool) -> str:
    """Growth of one unit of money when the forecasts are followed (`trading.followed`), beside holding throughout.

    After costs. On a log scale where the highest value is at least 8 times the lowest.
    """
    money = trading.followed(backtest, rules, horizon)
    followed, held = (np.cumprod(1 + money[name].to_numpy()) for name in ("strategy", "buy_and_hold"))
    values = np.concatenate([followed, held])
    # A seller short can lose more than everything.
    logarithmic = values.min() > 0 and values.max() / values.min() >= LOG_SCALE_FROM

    def draw(points: int) -> list[str]:
        x, y = _across(len(money)), _up(np.log(values) if logarithmic else values)
        return [
            _line(x, y[len(money) :], figures.ORANGE, points // 2),
            _line(x, y[: len(money)], figures.BLUE, points // 2),
            *_levels(values, wording.ratio),
            *_sessions(money.index),
            _text(210, 13, f"followed {wording.ratio(followed[-1])}", figures.BLUE),
            _text(350, 13, f"held {wording.ratio(held[-1])}", figures.ORANGE),
        ]

    return _strip(draw, f"{label} growth of 1", simulated)


def calibration(backtest: pd.DataFrame, *, label: str, simulated: bool) -> str:
    """Forecast probability of a rise against the share that rose, with 95 % intervals (the report's reliability chart).

    The straight line is where forecasts would be that are right on average.
    """
    bins = direction_scores.calibration_bins(backtest)
    said, rose, low, high = (bins[name].to_numpy() for name in ("forecast", "share_up", "low", "high"))
    ends = np.array([said.min() - 0.004, said.max() + 0.004])
    x = _scaled(np.append(said, ends), _LEFT, _RIGHT)[:-2]
    heights = np.concatenate([low, high, ends])

    def draw(_: int) -> list[str]:
        y_low, y_high, y_ends, y_rose = np.split(
            _up(np.concatenate([heights, rose])), np.cumsum([len(low), len(high), 2])
        )
        bars = "".join(f"M{at} {lower}V{upper}" for at, lower, upper in zip(x, y_low, y_high, strict=True))
        dots = "".join(f"M{at} {y}h3" for at, y in zip(x - 1, y_rose, strict=True))
        return [
            f"<path d='M{_LEFT} {y_ends[0]}L{_RIGHT} {y_ends[1]}' stroke='{figures.MUTED}'/>",
            f"<path d='{bars}' stroke='{figures.BLUE}'/>",
            f"<path d='{dots}' stroke='{figures.BLUE}' stroke-width='4'/>",
            *_levels(heights, wording.percent),
            _text(_LEFT, _HEIGHT - 4, f"said {wording.percent(said[0])}"),
            _text(_RIGHT - 62, _HEIGHT - 4, f"said {wording.percent(said[-1])}"),
        ]

    return _strip(draw, f"{label} share that rose, by forecast", simulated)


def forecast(closes: pd.Series, prediction: Mapping[str, Any], *, label: str, simulated: bool) -> str:
    """The last 42 closes, and from the last one the cone to the interval of the target session.

    `prediction` is the row of predictions as a mapping.
    """
    last = closes.tail(FORECAST_SESSIONS)
    low, high, predicted = (prediction[name] for name in ("interval_low", "interval_high", "predicted_close"))
    values = np.concatenate([last.to_numpy(), [low, predicted, high]])
    end, target = _RIGHT - 90, _RIGHT - 52

    def draw(points: int) -> list[str]:
        *y, y_low, y_predicted, y_high = _up(values)
        now = y[-1]
        x = _scaled(np.append(np.arange(len(y)), 0), _LEFT, end)[:-1] if len(y) > 1 else np.array([end])
        # Labels that would cover each other move apart.
        apart = max(11, y_predicted - y_high), max(11, y_low - y_predicted)
        return [
            f"<path d='M{end} {now}L{target} {y_high}V{y_low}z' fill='{figures.BLUE}' opacity='.3'/>",
            f"<path d='M{end} {now}L{target} {y_predicted}h3' stroke='{figures.BLUE}'/>",
            _line(x, np.array(y), figures.INK, points),
            _text(target + 5, y_predicted + 4 - apart[0], wording.price(high)),
            _text(target + 5, y_predicted + 4, wording.price(predicted), figures.BLUE),
            _text(target + 5, y_predicted + 4 + apart[1], wording.price(low)),
            *_levels(values, wording.price),
            _text(_LEFT, _HEIGHT - 4, f"{last.index[0]:%Y-%m-%d}"),
            _text(end - 60, _HEIGHT - 4, f"{last.index[-1]:%Y-%m-%d}"),
        ]

    level = wording.short_percent(prediction["interval_level"])
    return _strip(draw, f"{label} forecast, {level} interval", simulated)


def importance(
    means: Mapping[str, float],
    deviations: Mapping[str, float] | None = None,
    *,
    label: str,
    measure: str,
    simulated: bool,
) -> str:
    """The six features that count most, as bars; `deviations` as whiskers where they are known.

    `measure`: what the bars measure, in a few words. Equal features are in the order of their names.
    """
    most = sorted(means, key=lambda name: (-means[name], name))[:FEATURES]
    value = np.array([means[name] for name in most])
    spread = np.array([0.0 if deviations is None else deviations[name] for name in most])
    zero, *x = _scaled(np.concatenate([[0.0], value, value - spread, value + spread]), 165, _RIGHT)
    bar, lower, upper = np.split(np.array(x), 3)

    def draw(_: int) -> list[str]:
        y = [29 + 15 * place for place in range(len(most))]
        bars = "".join(f"M{zero} {at}H{end}" for at, end in zip(y, bar, strict=True))
        whiskers = "".join(f"M{a} {at}H{b}" for at, a, b in zip(y, lower, upper, strict=True))
        return [
            f"<path d='{bars}' stroke='{figures.BLUE}' stroke-width='9'/>",
            *([f"<path d='{whiskers}' stroke='{figures.INK}'/>"] if spread.any() else []),
            *(_text(4, at + 4, name) for at, name in zip(y, most, strict=True)),
        ]

    return _strip(draw, f"{label} {measure}", simulated)


def _strip(draw: _Draw, title: str, simulated: bool) -> str:
    """The data URI of a strip with the most points a line that fits."""
    mark = (
        f"<text x='110' y='70' font-size='30' fill='{figures.RED}' opacity='.3'>{figures.WATERMARK}</text>"
        if simulated
        else ""
    )
    # White of its own: the UI has a dark theme too.
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}' "
        "style='background:white;font:11px sans-serif'>"
    )

    def with_points(points: int) -> str:
        svg = "".join([head, _text(4, 13, title), *draw(points), mark, "</svg>"])
        return f"data:image/svg+xml,{quote(svg, safe=_PLAIN)}"

    points = _MOST_POINTS
    # What is longer still is shown too, behind a link.
    while len(uri := with_points(points)) > MAX_CHARACTERS and points > _FEWEST_POINTS:
        points -= 5
    return uri


def _line(x: np.ndarray, y: np.ndarray, colour: str, points: int) -> str:
    return f"<path d='{_path(x, y, points)}' fill='none' stroke='{colour}'/>"


def _path(x: np.ndarray, y: np.ndarray, points: int) -> str:
    """At most so many points, evenly spaced back from the last one, as a move and then steps."""
    step = -(-len(x) // points)
    x, y = x[::-1][::step][::-1], y[::-1][::step][::-1]
    steps = (f"{right} {down}" for right, down in zip(np.diff(x), np.diff(y), strict=True))
    # Only a number without a sign needs a space before it.
    return f"M{x[0]} {y[0]}l{' '.join(steps) or '0 0'}".replace(" -", "-")


def _across(n: int) -> np.ndarray:
    """n places from the left to the right end of the panel; a single one at the right."""
    return np.linspace(_LEFT, _RIGHT, n).round().astype(int) if n > 1 else np.array([_RIGHT])


def _up(values: np.ndarray) -> np.ndarray:
    """Heights, the highest value at the top of the panel."""
    return _scaled(values, _BOTTOM, _TOP)


def _scaled(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Whole pixels: the lowest value at `low`, the highest at `high`; all in the middle where they are equal."""
    spread = values.max() - values.min()
    shares = (values - values.min()) / spread if spread > 0 else np.full(len(values), 0.5)
    return np.rint(low + shares * (high - low)).astype(int)


def _levels(values: np.ndarray, write: wording.Writer) -> list[str]:
    """The highest and the lowest value, beside where they are."""
    return [_text(4, _TOP + 8, write(float(values.max()))), _text(4, _BOTTOM, write(float(values.min())))]


def _sessions(index: pd.Index) -> list[str]:
    """The first and the last session, below the panel."""
    return [_text(_LEFT, _HEIGHT - 4, f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}")]


def _text(x: int, y: int, text: str, colour: str = "") -> str:
    # A true minus sign takes nine characters of an address.
    shown = xml.sax.saxutils.escape(text.replace("−", "-"))
    filled = f" fill='{colour}'" if colour else ""
    return f"<text x='{x}' y='{y}'{filled}>{shown}</text>"
