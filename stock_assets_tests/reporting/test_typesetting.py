"""Lines of text: where they break, which font shows a character, and in which direction it is written."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.reporting import typesetting
from stock_assets.reporting.narrative import Span

HEBREW, ARABIC = "שלום", "مرحبا"


@pytest.fixture(scope="module")
def typesetter() -> Iterator[typesetting.Typesetter]:
    with contextlib.closing(typesetting.Typesetter(FPDF())) as made:
        yield made


def text(line: typesetting.Line) -> str:
    return "".join(glyph.char for glyph in line)


def lines(typesetter: typesetting.Typesetter, shown: str, width: float, **style: bool) -> list[str]:
    return [text(line) for line in typesetter.lines([Span(shown, **style)], 10.0, width)]


def test_the_width_is_that_of_the_font(typesetter: typesetting.Typesetter) -> None:
    """An m of DejaVu Sans is 974 thousandths of its size, a space 318: at 10 points, 3.5278 mm, that is 4.558 mm."""
    assert typesetter.width([Span("m ")], 10.0) == pytest.approx((0.974 + 0.318) * 10 * 25.4 / 72)


def test_lines_break_at_spaces_and_after_hyphens(typesetter: typesetting.Typesetter) -> None:
    assert lines(typesetter, "alpha beta gamma-delta", 22.0) == ["alpha beta", "gamma-", "delta"]


def test_a_word_wider_than_the_line_is_broken_where_it_must(typesetter: typesetting.Typesetter) -> None:
    found = lines(typesetter, "m" * 50_000, 100.0)  # 29 of them are 99.65 mm
    assert {len(line) for line in found[:-1]} == {29}
    assert sum(map(len, found)) == 50_000


def test_breaks_of_the_text_stay_and_indents_after_them(typesetter: typesetting.Typesetter) -> None:
    assert lines(typesetter, "a\n\n  b\tc", 100.0, code=True) == ["a", "", "  b    c"]


def test_spaces_that_run_over_do_not_fill_pages(typesetter: typesetting.Typesetter) -> None:
    assert lines(typesetter, "a" + " " * 50_000 + "b", 100.0) == ["a", "b"]


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("\0", "[U+0000]"),
        ("\x7f", "[U+007F]"),
        ("\u202e", "[U+202E]"),  # would turn around what follows
        ("\u2028", "[U+2028]"),
        ("\ud800", "[U+D800]"),
        ("🚀", "[U+1F680]"),
        ("中", "[U+4E2D]"),
        ("😀", "😀"),  # DejaVu has a few
        ("≈", "≈"),
        ("\t", " "),
    ],
)
def test_what_no_font_has_is_shown_by_its_code_point(typesetter: typesetting.Typesetter, char: str, shown: str) -> None:
    assert lines(typesetter, f"a{char}b", 100.0) == [f"a{shown}b"]


def test_a_face_without_a_character_borrows_it(typesetter: typesetting.Typesetter) -> None:
    """DejaVu Sans Oblique has no Arabic, DejaVu Sans does."""
    [line] = typesetter.lines([Span(f"a{ARABIC[0]}", italic=True)], 10.0, 100.0)
    assert [glyph.face for glyph in line] == [("sans", "I"), ("sans", "")]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("abc", False),
        (HEBREW, True),
        (ARABIC, True),
        (f"12 {HEBREW} abc", True),
        (f"abc {HEBREW}", False),
        ("12", False),
    ],
)
def test_the_first_letter_decides_the_direction(shown: str, expected: bool) -> None:
    assert typesetting.is_right_to_left([Span(shown)]) == expected


def drawn(typesetter: typesetting.Typesetter, shown: str) -> list[tuple[str, bool]]:
    [line] = typesetter.lines([Span(shown)], 10.0, 150.0)
    turned = typesetting.is_right_to_left([Span(shown)])
    return [(part, is_turned) for part, _, is_turned in typesetting._runs(line, right_to_left=turned)]


def test_runs_stand_as_they_are_read(typesetter: typesetting.Typesetter) -> None:
    """From left to right on the paper. The text of a turned run is in reading order: shaping turns it."""
    assert drawn(typesetter, "only latin, 12") == [("only latin, 12", False)]
    assert drawn(typesetter, f"say {HEBREW} now") == [("say ", False), (HEBREW, True), (" now", False)]
    # A Hebrew sentence runs from the right; a number and a Latin word in it stay readable.
    assert drawn(typesetter, f"{HEBREW} 123 abc") == [("abc", False), (" ", True), ("123", False), (f"{HEBREW} ", True)]


ANY: Callable[[], st.SearchStrategy[str]] = lambda: st.text(st.characters(exclude_characters="\n"), max_size=80)  # noqa: E731


@given(ANY(), st.floats(5.0, 120.0))
def test_no_character_is_lost_and_no_line_is_too_wide(
    typesetter: typesetting.Typesetter, shown: str, width: float
) -> None:
    found = typesetter.lines([Span(shown)], 10.0, width)
    whole = "".join(glyph.char for glyph in typesetter.lines([Span(shown)], 10.0, 1e9) for glyph in glyph)
    assert "".join(map(text, found)).replace(" ", "") == whole.replace(" ", "")
    for line in found:
        assert len(line) == 1 or sum(glyph.width for glyph in line) <= width + 1e-6


@given(ANY())
def test_every_character_is_drawn_once(typesetter: typesetting.Typesetter, shown: str) -> None:
    turned = typesetting.is_right_to_left([Span(shown)])
    for line in typesetter.lines([Span(shown)], 10.0, 150.0):
        runs = typesetting._runs(line, right_to_left=turned)
        assert sorted("".join(part for part, _, _ in runs)) == sorted(text(line))
