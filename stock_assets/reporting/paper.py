"""Boxes on pages of paper: paragraphs, tables, pictures, and which page each stands on. What they say is elsewhere.

A box has a height and can draw itself at a place; pages are filled with boxes before anything is drawn, so that every
page knows how many there are. Lengths are millimetres from the upper left corner of an A4 page.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stock_assets.reporting import figures, tables, typesetting
from stock_assets.reporting.narrative import Block, Span, Spans
from stock_assets.reporting.typesetting import LEADING, POINT

if TYPE_CHECKING:
    from fpdf import FPDF

WIDTH, HEIGHT = 210.0, 297.0
LEFT = 18.0
MEASURE = WIDTH - 2 * LEFT

BODY = 9.5
SMALL = 8.0
_HEADINGS = {1: 14.0, 2: 12.0, 3: 10.5}
_INDENT = 5.5
_MOST_INDENTS = 8
_CODE_GROUND = "#f3f4f6"
_MOST_COLUMNS = 6
_TALLEST_ROW = 60.0


@dataclass(frozen=True)
class Box:
    """Something of a height, drawn with its upper edge at a place.

    `gap` is free space above it, unless it is the first on its page; `keep`: it must not be the last there.
    """

    height: float
    draw: Callable[[float], None]
    gap: float = 0.0
    keep: bool = False


Page = list[tuple[float, Box]]


def paginate(boxes: Sequence[Box], height: float) -> list[Page]:
    """`boxes` in their order on pages of `height`, each with its place; ones that hold together on one page."""
    pages: list[Page] = [[]]
    start = 0
    while start < len(boxes):
        stop = start + 1
        while boxes[stop - 1].keep and stop < len(boxes) and _extent(boxes[start : stop + 1]) <= height:
            stop += 1
        if not _put(pages[-1], boxes[start:stop], height, force=not pages[-1]):
            pages.append([])
            _put(pages[-1], boxes[start:stop], height, force=True)
        start = stop
    return pages


def fill(pages: list[Page], boxes: Sequence[Box], height: float) -> None:
    """Put `boxes` behind what is on the last page: the first of them that fits, or else the first on a new page."""
    left = list(boxes)
    while left:
        fitting = next((box for box in left if _put(pages[-1], [box], height)), None)
        if fitting is None:
            pages.append([])
            fitting = left[0]
            _put(pages[-1], [fitting], height, force=True)
        left.remove(fitting)


def stack(boxes: Sequence[Box], top: float) -> None:
    """Draw boxes below one another."""
    for n, box in enumerate(boxes):
        top += box.gap if n else 0.0
        box.draw(top)
        top += box.height


def fill_up(pages: Sequence[Page], box: Box, height: float) -> bool:
    """Put `box` on the first page that has room below what is on it; False when there is none."""
    return any(_put(page, [box], height) for page in pages)


def beside(left: Box, right: Box) -> Box:
    """Two boxes next to each other as one."""

    def draw(top: float) -> None:
        left.draw(top)
        right.draw(top)

    return Box(max(left.height, right.height), draw, max(left.gap, right.gap))


def _nothing(_top: float) -> None:
    """Draws nothing."""


def _extent(boxes: Sequence[Box]) -> float:
    return sum(box.height + box.gap for box in boxes) - boxes[0].gap


def _put(page: Page, boxes: Sequence[Box], height: float, *, force: bool = False) -> bool:
    bottom = page[-1][0] + page[-1][1].height if page else 0.0
    needed = _extent(boxes) + (boxes[0].gap if page else 0.0)
    if not force and bottom + needed > height:
        return False
    for box in boxes:
        top = bottom + (box.gap if page else 0.0)
        page.append((top, box))
        bottom = top + box.height
    return True


class Press:
    """Makes boxes that draw themselves into one PDF."""

    def __init__(self, pdf: "FPDF") -> None:
        self.pdf = pdf
        self.type = typesetting.Typesetter(pdf)

    def close(self) -> None:
        """Close the fonts' files."""
        self.type.close()

    def text(
        self,
        spans: Spans | str,
        *,
        size: float = BODY,
        x: float = LEFT,
        width: float = MEASURE,
        colour: str = figures.INK,
        gap: float = 0.0,
    ) -> list[Box]:
        """A paragraph, a box a line; its first two lines and its last two stay together."""
        spans = (Span(spans),) if isinstance(spans, str) else spans
        turned = typesetting.is_right_to_left(spans)
        height = size * POINT * LEADING

        def box(line: typesetting.Line) -> Box:
            def draw(top: float) -> None:
                self.pdf.set_text_color(colour)
                start = x + width - sum(glyph.width for glyph in line) if turned else x
                self.type.draw(line, start, top + 0.5 * height + 0.36 * size * POINT, size, right_to_left=turned)

            return Box(height, draw)

        boxes = [box(line) for line in self.type.lines(spans, size, width)]
        if boxes:
            boxes[0] = replace(boxes[0], gap=gap, keep=len(boxes) > 1)
        if len(boxes) > 2:
            boxes[-2] = replace(boxes[-2], keep=True)
        return boxes

    def block(self, block: Block) -> list[Box]:
        """A block of the narrative."""
        indent = _INDENT * min(block.lists, _MOST_INDENTS) + 4.0 * min(block.quotes, _MOST_INDENTS)
        x, width = LEFT + indent, MEASURE - indent
        gap = 1.2 if block.lists else 2.6
        match block.kind:
            case "heading":
                size = _HEADINGS.get(block.level, BODY)
                spans = tuple(replace(span, bold=True) for span in block.spans)
                boxes = self.text(spans, size=size, x=x, width=width, gap=4.2)
                boxes = [replace(box, keep=True) for box in boxes]
            case "code":
                boxes = self._code(block.spans, x, width, gap)
            case "rule":
                boxes = [Box(1.0, lambda top: self.rule(top + 0.5, x, width), gap)]
            case "table":
                boxes = self._rows(block.rows, x, width, gap)
            case "paragraph":
                colour = figures.MUTED if block.quotes else figures.INK
                boxes = self.text(block.spans, x=x, width=width, gap=gap, colour=colour)
        if block.marker:
            boxes = self._marked(block.marker, boxes or [Box(BODY * POINT * LEADING, _nothing, gap)], x)
        if block.quotes:
            boxes = [self._quoted(box, min(block.quotes, _MOST_INDENTS)) for box in boxes]
        return boxes

    def rule(self, y: float, x: float = LEFT, width: float = MEASURE, colour: str = figures.FAINT) -> None:
        """A thin line across."""
        self.pdf.set_draw_color(colour)
        self.pdf.set_line_width(0.25)
        self.pdf.line(x, y, x + width, y)

    def ground(self, colour: str, x: float, y: float, width: float, height: float) -> None:
        """A filled rectangle."""
        self.pdf.set_fill_color(colour)
        self.pdf.rect(x, y, width, height, style="F")

    def picture(self, png: bytes, alt: str, x: float, width: float, caption: str = "", *, gap: float = 4.0) -> Box:
        """A figure `width` wide, with its caption below."""
        pixels = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
        height = width * pixels[1] / pixels[0]
        told = self.text(caption, size=SMALL, x=x, width=width, colour=figures.MUTED)

        def draw(top: float) -> None:
            self.pdf.image(io.BytesIO(png), x=x, y=top, w=width, h=height, alt_text=alt)
            stack(told, top + height + 0.8)

        return Box(height + 0.8 + _extent(told) if told else height, draw, gap)

    def table(self, table: tables.Table, x: float, width: float, *, columns: Sequence[float], gap: float = 4.0) -> Box:
        """A table of numbers; `columns` are the widths of those behind the names, which take the rest."""
        widths = [width - sum(columns), *columns]
        heads = [Span(text, bold=True) for text in (table.first, *table.columns)]
        boxes = self.text((Span(table.caption, bold=True),), size=BODY, x=x, width=width)
        boxes.append(self._row([(head,) for head in heads], widths, x, SMALL, aligned=True))
        boxes[-1] = replace(boxes[-1], gap=0.8)
        for row in table.rows:
            name: Spans = (Span(row.name.text),)
            cells = [_cell(cell) for cell in row.cells]
            boxes.append(self._row([name, *cells], widths, x, SMALL, aligned=True))
        return Box(_extent(boxes), lambda top: stack(boxes, top), gap)

    def _row(self, cells: Sequence[Spans], widths: Sequence[float], x: float, size: float, *, aligned: bool) -> Box:
        """A row with a line below it; with `aligned`, all but the first cell end on the right."""
        pad = 1.4
        parts: list[tuple[float, list[Box]]] = []
        for place, (spans, width) in enumerate(zip(cells, widths, strict=True)):
            free = width - pad
            start = x + sum(widths[:place])
            if aligned and place:
                start += max(width - self.type.width(spans, size), pad)
            parts.append((start, self.text(spans, size=size, x=start, width=free)))
        height = max((_extent(boxes) for _, boxes in parts if boxes), default=size * POINT * LEADING) + 1.2

        def draw(top: float) -> None:
            for _, boxes in parts:
                stack(boxes, top + 0.5)
            self.rule(top + height, x, sum(widths))

        return Box(height, draw)

    def _rows(self, rows: Sequence[Sequence[Spans]], x: float, width: float, gap: float) -> list[Box]:
        """A table of the narrative, heads in bold; one that does not fit is told line by line."""
        rows = [[tuple(replace(span, bold=True) for span in cell) for cell in rows[0]], *rows[1:]]
        n = max(map(len, rows))
        if 0 < n <= _MOST_COLUMNS:
            filled = [[*row, *[()] * (n - len(row))] for row in rows]
            wanted = [max(self.type.width(row[place], SMALL) for row in filled) + 4.0 for place in range(n)]
            least = min(width / n, 18.0)
            scale = min(1.0, (width - n * least) / max(sum(max(want - least, 0.0) for want in wanted), 1.0))
            widths = [least + max(want - least, 0.0) * scale for want in wanted]
            boxes = [self._row(row, widths, x, SMALL, aligned=False) for row in filled]
            if max(box.height for box in boxes) <= _TALLEST_ROW:
                boxes[0] = replace(boxes[0], gap=gap, keep=len(boxes) > 1)
                return boxes
        told: list[Box] = []
        for row in rows:
            cells = [span for cell in row for span in (Span(" | "), *cell)][1:]
            told += self.text(tuple(cells), size=SMALL, x=x, width=width, gap=gap)
        return told

    def _code(self, spans: Spans, x: float, width: float, gap: float) -> list[Box]:
        lines = self.text(spans, size=SMALL, x=x + 2.0, width=width - 4.0, gap=gap)

        def grounded(box: Box) -> Box:
            def draw(top: float) -> None:
                self.ground(_CODE_GROUND, x, top, width, box.height + 0.05)
                box.draw(top)

            return replace(box, draw=draw)

        return [grounded(box) for box in lines]

    def _marked(self, marker: str, boxes: list[Box], x: float) -> list[Box]:
        """The bullet or number of an item left of its first line."""
        first, place = boxes[0], self.type.width((Span(marker),), BODY)
        [label] = self.text(marker, x=x - place - 1.6, width=MEASURE)

        def draw(top: float) -> None:
            label.draw(top + 0.5 * (first.height - label.height))
            first.draw(top)

        return [replace(first, draw=draw), *boxes[1:]]

    def _quoted(self, box: Box, depth: int) -> Box:
        """Bars along the left of a line of a quote, through the gap above it too."""

        def draw(top: float) -> None:
            for n in range(depth):
                self.ground(figures.FAINT, LEFT + 4.0 * n, top, 0.9, box.height)
            box.draw(top)

        return replace(box, draw=draw)


def _cell(cell: tables.Cell) -> Spans:
    text = cell.text if cell.upto is None else f"{cell.text} to {cell.upto.text}"
    return (Span(f"{text} ({cell.note})" if cell.note else text, bold=cell.look == "better"),)
