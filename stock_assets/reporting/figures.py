"""How every figure looks: sizes, colours, type, the watermark, the encoding to PNG. What is drawn is in charts.

Matplotlib is imported inside functions (half a second) and used through its objects: no pyplot, no current figure.
The style starts from matplotlib's own defaults, so that a person's matplotlibrc changes no byte of a report.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 240
"""Pixels an inch in the file: twice those on the page, so that figures are crisp on screens of double density."""

PAGE_DPI = 120
"""Pixels an inch on a page, at full size."""

WIDE = 8.0
COLUMN = 4.6
"""Inches across: 552 pixels on a page. Two stand side by side on a wide screen, and one is still read on a phone."""

COMPRESSION = 6
"""Of zlib's 9. The last tenth of a file's size would take eight times as long: a quarter of a report's whole time."""

COLOURS = 128
"""Colours a file may have. Text and lines on white need no more, and the file is a third of its size."""

# Okabe & Ito (2008): told apart with every common form of colour blindness. https://jfly.uni-koeln.de/color/
BLUE = "#0072B2"
ORANGE = "#E69F00"
RED = "#D55E00"
GREEN = "#009E73"
PURPLE = "#AA4499"
# Half blue and half red: text on them is read with ease (contrast 4.5 and more), on dark pages too.
PALE_BLUE = "#80b9d9"
PALE_RED = "#eaaf80"
INK = "#24292f"
MUTED = "#6b7280"
FAINT = "#d9dde3"

WATERMARK = "SIMULATED PRICES"

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    # A ticker with a dollar sign is a ticker, not a formula.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.3,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw inside this: matplotlib's defaults with this project's style on top, and the caller's own restored after."""
    import matplotlib.style

    with matplotlib.style.context(["default", _STYLE]):
        yield


def new(
    width: float, height: float, *panels: tuple[float, float], left: float = 0.6, right: float = 0.15
) -> "tuple[Figure, list[Axes]]":
    """An empty figure of `width` x `height` inches, and its axes from top to bottom.

    Each of `panels` is an axes' lower and upper edge in inches from the bottom: a layout engine would double the time
    of a page.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    return figure, [
        figure.add_axes((left / width, low / height, 1 - (left + right) / width, (high - low) / height))
        for low, high in panels
    ]


def png(figure: "Figure", *, simulated: bool) -> bytes:
    """The figure as PNG of at most `COLOURS` colours, without metadata; with a watermark when prices are simulated."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    if simulated:
        width, height = figure.get_size_inches()
        figure.text(
            0.5, 0.5, WATERMARK, ha="center", va="center", rotation=18, zorder=10, color=RED, alpha=0.2,
            fontsize=min(34 * width / WIDE + 4, 9 * height), fontweight="bold",
        )  # fmt: skip
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")
    few = pixels.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    written = io.BytesIO()
    few.save(written, "png", compress_level=COMPRESSION)
    return written.getvalue()
