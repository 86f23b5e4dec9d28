"""The picture of a search for settings: what each candidate showed where it was chosen, and what that was worth later.

The search itself lives in core.tuning; how every figure looks in figures.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stock_assets.core import model_settings
from stock_assets.reporting import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.24
_SHOWN = 25
_MILLI = 1_000
_NINETY_FIVE = 1.96
_NAMES = 3.9
_CHARACTERS = 64


def gains(document: Mapping[str, Any], *, label: str, simulated: bool) -> bytes:
    """Gain of every candidate over naive in the earlier part, and of chosen and in force in the later one, as PNG.

    Gain: log loss of naive less that of the candidate, in thousandths, with 95 % intervals; right of the line is better
    than naive. What is far worse is an arrow at the left edge. `document` is that of `core.tuning.search`. Drawn are
    the best 25 candidates, and the one in force.
    """
    shown = [row for n, row in enumerate(document["candidates"]) if n < _SHOWN or row["in_force"]]
    later = document["later"]
    bottom = 1.75
    top = bottom + _ROW * len(shown)
    with figures.style():
        figure, (above, below) = figures.new(
            figures.WIDE, top + 0.45, (bottom, top), (0.5, 0.5 + 2.5 * _ROW), left=_NAMES, right=0.2
        )
        reach = 1.15 * max(_edge(row) for row in (*shown[: (len(shown) + 1) // 2], later["chosen"], later["in_force"]))
        _dots(above, [(_name(row), row, _colour(row)) for row in shown], reach)
        _dots(
            below,
            [("chosen", later["chosen"], figures.BLUE), ("in force", later["in_force"], figures.ORANGE)],
            reach,
        )
        for axes, title in (
            (above, f"{label}: {document['earlier']['n_forecasts']:,} earlier sessions, on which one was chosen"),
            (below, f"The {later['n_forecasts']:,} sessions after, which no choice has seen"),
        ):
            axes.set_title(title, x=(0.15 - _NAMES) / (figures.WIDE - _NAMES - 0.2))
        below.set_xlabel("Log loss below that of naive, thousandths")
        return figures.png(figure, simulated=simulated)


def _edge(scores: Mapping[str, Any]) -> float:
    """How far from the line the interval reaches."""
    return _MILLI * (abs(scores["gain"]) + _NINETY_FIVE * scores["standard_error"]) or 1.0


def _dots(axes: "Axes", lines: Sequence[tuple[str, Mapping[str, Any], str]], reach: float) -> None:
    places = range(len(lines), 0, -1)
    for place, (_, scores, colour) in zip(places, lines, strict=True):
        gain, error = _MILLI * scores["gain"], _MILLI * _NINETY_FIVE * scores["standard_error"]
        if gain < -reach:
            axes.plot(-0.98 * reach, place, "<", color=colour, markersize=4)
            axes.annotate(f"{gain:.1f}", (-0.95 * reach, place), va="center", fontsize=8)
        else:
            axes.errorbar(gain, place, xerr=error, fmt="o", color=colour, markersize=4, linewidth=1.2)
    axes.axvline(0, color=figures.MUTED, linewidth=0.8)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(0.4, len(lines) + 0.6)
    axes.set_yticks(list(places), [name for name, _, _ in lines], fontsize=8)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)


def _colour(row: Mapping[str, Any]) -> str:
    return figures.BLUE if row["chosen"] else figures.ORANGE if row["in_force"] else figures.MUTED


def _name(row: Mapping[str, Any]) -> str:
    """Estimator and what differs from its defaults, as far as there is room."""
    settings = row["configuration"]
    defaults = model_settings.PARAMETERS[settings["estimator"]]
    differing = [
        f"{name} {_short(value)}" for name, value in settings["parameters"].items() if value != defaults[name].default
    ]
    if settings["window"] is not None:
        differing.append(f"window {settings['window']}")
    mark = "chosen: " if row["chosen"] else "in force: " if row["in_force"] else ""
    text = mark + ", ".join([settings["estimator"], *differing])
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _short(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
