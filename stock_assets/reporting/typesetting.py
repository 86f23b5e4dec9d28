"""Text on paper: fonts, which of them has a character, lines of a given width, either direction of writing.

What stands where on a page is for paper. Lengths are millimetres, sizes of type points. fpdf2 is imported inside
functions. A character that no font has is shown by its code point, such as [U+1F680].
"""

import itertools
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stock_assets.reporting.narrative import Span

if TYPE_CHECKING:
    from fpdf import FPDF

POINT = 25.4 / 72
LEADING = 1.45

# Matplotlib brings them along: the same letters as in the figures, free to embed.
_FACES = {
    ("sans", ""): "DejaVuSans.ttf",
    ("sans", "B"): "DejaVuSans-Bold.ttf",
    ("sans", "I"): "DejaVuSans-Oblique.ttf",
    ("sans", "BI"): "DejaVuSans-BoldOblique.ttf",
    ("mono", ""): "DejaVuSansMono.ttf",
}
Face = tuple[str, str]
PLAIN: Face = ("sans", "")

_BREAKS_AFTER = frozenset(" -/–—\u200b\u2002\u2003\u2009")
# No line needs as many; the rules for either direction of writing take a level of recursion a character.
_LONGEST_LINE = 200
_RIGHT_TO_LEFT = frozenset(("R", "AL", "AN"))
# They would turn around what stands beside them, unseen.
_TURNING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp"))


class Glyph(NamedTuple):
    """A character in the face that has it, its width, and whether a line may end after it."""

    char: str
    face: Face
    width: float
    breaks: bool


Line = Sequence[Glyph]


class Typesetter:
    """Sets text in the fonts of one PDF, whose files stay open until it is closed."""

    def __init__(self, pdf: "FPDF") -> None:
        import matplotlib

        self._pdf = pdf
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        for (family, style), name in _FACES.items():
            pdf.add_font(family, style, folder / name)
        self._known: dict[tuple[str, Face], tuple[tuple[str, Face, float], ...]] = {}
        self._fonts: dict[Face, Any] = {face: pdf.fonts["".join(face)] for face in _FACES}
        self._widths: dict[Face, Mapping[int, float]] = {face: font.cw for face, font in self._fonts.items()}
        self._has: dict[Face, Container[int]] = {face: font.cmap for face, font in self._fonts.items()}

    def close(self) -> None:
        """Close the fonts' files; nothing can be set or put out any more."""
        for font in self._fonts.values():
            font.close()

    def lines(self, spans: Sequence[Span], size: float, width: float) -> list[Line]:
        """`spans` broken into lines; a word that is wider than a line is broken where it must."""
        return list(_wrapped(self._glyphs(spans, size), width))

    def width(self, spans: Sequence[Span], size: float) -> float:
        """The width of the longest of its lines, unbroken."""
        lines = itertools.groupby(self._glyphs(spans, size), lambda glyph: glyph.char == "\n")
        return max((sum(glyph.width for glyph in line) for is_break, line in lines if not is_break), default=0.0)

    def draw(self, line: Line, x: float, baseline: float, size: float, *, right_to_left: bool = False) -> None:
        """One line from `x` on, in the colour that is set."""
        for text, face, turned in _runs(line, right_to_left=right_to_left):
            self._pdf.set_font(*face, size)
            if not turned:
                self._pdf.text(x, baseline, text)
                x += self._pdf.get_string_width(text)
                continue
            # Letters of these scripts are joined, and have forms that depend on their neighbours.
            self._pdf.set_text_shaping(True, direction="rtl")
            width = self._pdf.get_string_width(text)
            self._pdf.set_xy(x, baseline - 0.8 * size * POINT)  # where `cell` puts the baseline
            self._pdf.cell(w=width, h=size * POINT, text=text)
            self._pdf.set_text_shaping(False)
            x += width

    def _glyphs(self, spans: Sequence[Span], size: float) -> list[Glyph]:
        found: list[Glyph] = []
        scale = size * POINT / 1000
        for span in spans:
            face = ("mono", "") if span.code else ("sans", "B" * span.bold + "I" * span.italic)
            for char in span.text:
                if char == "\n":
                    found.append(Glyph(char, face, 0.0, False))
                    continue
                shown = self._known.get((char, face)) or self._look_up(char, face)
                *first, last = shown
                found.extend(Glyph(part, which, wide * scale, False) for part, which, wide in first)
                part, which, wide = last
                found.append(Glyph(part, which, wide * scale, bool(first) or char in _BREAKS_AFTER))
        return found

    def _look_up(self, char: str, face: Face) -> tuple[tuple[str, Face, float], ...]:
        """What is shown for `char`: itself in that face or the plain one, or its code point."""
        text, found = char, face
        if char == "\t":
            text = "    " if face[0] == "mono" else " "
        elif char in _TURNING or unicodedata.category(char) in _UNSEEN:
            text = code_point(char)
        elif ord(char) not in self._has[face]:
            found, text = (PLAIN, char) if ord(char) in self._has[PLAIN] else (face, code_point(char))
        shown = tuple((part, found, self._widths[found][ord(part)]) for part in text)
        self._known[char, face] = shown
        return shown


def code_point(char: str) -> str:
    """What is shown for a character that no font has: "[U+1F680]"."""
    return f"[U+{ord(char):04X}]"


def is_right_to_left(spans: Sequence[Span]) -> bool:
    """Whether a paragraph is written from the right: its first letter with a direction decides (UAX #9, P2)."""
    for char in itertools.chain.from_iterable(span.text for span in spans):
        direction = unicodedata.bidirectional(char)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def _wrapped(glyphs: Sequence[Glyph], width: float) -> Iterator[Line]:
    line: list[Glyph] = []
    used, last_break, broken = 0.0, 0, False
    for glyph in glyphs:
        if glyph.char == "\n":
            yield _trimmed(line)
            line, used, last_break, broken = [], 0.0, 0, False
            continue
        while line and ((used + glyph.width > width and glyph.char != " ") or len(line) >= _LONGEST_LINE):
            cut = last_break or len(line)
            yield _trimmed(line[:cut])
            line = line[cut:]
            used, last_break, broken = sum(kept.width for kept in line), 0, True
        if broken and not line and glyph.char == " ":
            continue
        line.append(glyph)
        used += glyph.width
        if glyph.breaks:
            last_break = len(line)
    if line:
        yield _trimmed(line)


def _trimmed(line: list[Glyph]) -> list[Glyph]:
    end = len(line)
    while end and line[end - 1].char == " ":
        end -= 1
    return line[:end]


def _runs(line: Line, *, right_to_left: bool) -> Iterator[tuple[str, Face, bool]]:
    """Stretches of one face and direction, from left to right: their text, the face, whether it is turned around."""
    turned = [False] * len(line)
    order: Sequence[int] = range(len(line))
    if any(unicodedata.bidirectional(glyph.char) in _RIGHT_TO_LEFT for glyph in line):
        levels = _levels("".join(glyph.char for glyph in line), right_to_left=right_to_left)
        turned = [level % 2 == 1 for level in levels]
        order = _visual_order(levels)
    pieces = itertools.groupby(order, lambda place: (line[place].face, turned[place]))
    for (face, is_turned), places in pieces:
        # Shaping wants the text as it is read.
        text = "".join(line[place].char for place in (sorted(places) if is_turned else places))
        yield text, face, is_turned


def _levels(text: str, *, right_to_left: bool) -> list[int]:
    """How deep each character of a line is in changes of direction: odd ones are written from the right."""
    from fpdf import bidi
    from fpdf.enums import TextDirection

    base = TextDirection.RTL if right_to_left else TextDirection.LTR
    paragraph = bidi.BidiParagraph(text, base, preserve_bn_chars=True)
    return [char.embedding_level for char in paragraph.get_characters_with_embedding_level()]


def _visual_order(levels: Sequence[int]) -> list[int]:
    """The places of a line's characters from left to right (UAX #9, rule L2)."""
    order = list(range(len(levels)))
    for level in range(max(levels), 0, -1):
        turned = itertools.groupby(order, lambda place: levels[place] >= level)  # noqa: B023  used up within the loop
        order = [place for deep, run in turned for place in (reversed(list(run)) if deep else run)]
    return order
