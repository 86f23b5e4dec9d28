"""Lines of a CSV that may hold anything: each comes back once, in its place, and harmless where it is told."""

import codecs
import csv
import io
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.serving import csv_lines
from stock_assets.serving.csv_lines import Line


class Trickle:
    """A stream that gives its bytes in pieces of the sizes asked for by a test, never empty before the end."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._stream, self._sizes = io.BytesIO(data), sizes or [1]
        self._turn = 0

    def read(self, size: int, /) -> bytes:
        self._turn += 1
        return self._stream.read(min(size, self._sizes[self._turn % len(self._sizes)]))


def read(data: bytes, sizes: list[int] | None = None) -> list[Line]:
    return list(csv_lines.read(csv_lines.utf8(Trickle(data, sizes or [1 << 20]))))


def cells(data: bytes) -> list[tuple[str, ...] | None]:
    return [None if line.cells is None else tuple(line.cells) for line in read(data)]


QUESTIONS = "ticker,as_of\nTSLA,2024-03-08\nSTX,\n"


@pytest.mark.parametrize(
    "data",
    [
        QUESTIONS.encode(),
        codecs.BOM_UTF8 + QUESTIONS.encode(),
        QUESTIONS.encode("utf-16"),
        codecs.BOM_UTF16_BE + QUESTIONS.encode("utf-16-be"),
        QUESTIONS.replace("\n", "\r\n").encode(),
        QUESTIONS.replace("\n", "\r").encode(),
        QUESTIONS.replace(",", ";").encode(),
        QUESTIONS.replace(",", "\t").encode(),
        QUESTIONS.rstrip("\n").encode(),
        b'"ticker","as_of"\n"TSLA","2024-03-08"\n"STX",""\n',
        b'ticker, "as_of"\nTSLA, "2024-03-08"\nSTX,\n',
    ],
    ids=["utf8", "bom", "utf16le", "utf16be", "crlf", "cr", "semicolons", "tabs", "no last break", "quotes", "blanks"],
)
@pytest.mark.parametrize("sizes", [[1 << 20], [1], [3, 1, 2]], ids=["at once", "bytes", "pieces"])
def test_the_same_questions_however_they_are_written(data: bytes, sizes: list[int]) -> None:
    came = [[cell.strip() for cell in line.cells or ()] for line in read(data, sizes)]
    assert came == [["ticker", "as_of"], ["TSLA", "2024-03-08"], ["STX", ""]]


def test_numbers_are_those_of_an_editor_and_the_header_is_the_first_line_that_says_something() -> None:
    assert read(b"\r\n  \r\nticker\r\n\r\nTSLA\r\n") == [
        Line(3, ["ticker"], None),
        Line(4, (), None),
        Line(5, ["TSLA"], None),
    ]


@pytest.mark.parametrize("data", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\n\r\n", b" \n"])
def test_nothing_has_no_lines(data: bytes) -> None:
    assert read(data) == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("STÄX,1".encode("latin-1"), r"byte 3 of the line is not UTF-8: came ST\xc4X\x2c1; expected UTF-8, or UTF-16"),
        (b"S\0TX,1", r"a NUL character: came S\x00TX\x2c1; expected text"),
        (b'"STX,1', r"quotes that are not closed, or closed in the middle of a cell: came \x22STX\x2c1; expected"),
        (
            b'"STX"x,1',
            r"quotes that are not closed, or closed in the middle of a cell: came \x22STX\x22x\x2c1; expected",
        ),
        (b"STX", "1 cell: came STX; expected 2, as in the header"),
        (b"STX,1,2", r"3 cells: came STX\x2c1\x2c2; expected 2, as in the header"),
        (b"STX," + b"1" * 70_000, r"a line of more than 65,536 bytes, beginning with STX\x2c1111"),
    ],
    ids=["latin-1", "nul", "open quotes", "quotes inside", "too few", "too many", "too long"],
)
@pytest.mark.parametrize("sizes", [[1 << 20], [7, 40_000]])
def test_a_bad_line_says_why_and_the_others_are_what_they_were(bad: bytes, told: str, sizes: list[int]) -> None:
    header, before, line, after = read(b"ticker,n\nTSLA,1\n" + bad + b"\nAAPL,2\n", sizes)
    assert (header, before, after) == (
        Line(1, ["ticker", "n"], None),
        Line(2, ["TSLA", "1"], None),
        Line(4, ["AAPL", "2"], None),
    )
    assert (line.number, line.cells) == (3, None)
    assert line.error is not None
    assert line.error.startswith(told)


def test_the_longest_line_is_taken_and_one_byte_more_is_not() -> None:
    longest = b"x" * csv_lines.LONGEST_LINE
    assert cells(b"ticker\n" + longest + b"\n" + longest + b"x\n" + longest) == [
        ("ticker",),
        (longest.decode(),),
        None,
        (longest.decode(),),
    ]


def test_half_a_character_in_utf16_spoils_its_line_alone() -> None:
    lone = codecs.BOM_UTF16_LE + "t\n".encode("utf-16-le") + b"\x00\xd8" + "a\nTSLA\n".encode("utf-16-le") + b"a"
    assert cells(lone) == [("t",), None, ("TSLA",), None]


def test_a_separator_inside_quotes_parts_no_cells() -> None:
    assert cells(b'"a,b";ticker\n"x;y";TSLA\n') == [("a,b", "ticker"), ("x;y", "TSLA")]


def test_a_header_that_cannot_be_read_is_told_and_lines_follow() -> None:
    header, line = read(b"tick\xe9r\nTSLA\n")
    assert header.cells is None
    assert line == Line(2, ["TSLA"], None)


# Bytes that files are made of, and what makes them bad.
PIECES = st.sampled_from(
    [
        *(b"TSLA", b"2024-03-08", b",", b";", b"\t", b'"', b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xfe", b"\xc3"),
        *(codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, "ä€😀".encode(), b" ", b"=1+1", b"x" * 70_000),
    ]
)
FILES = st.one_of(
    st.binary(max_size=200),
    st.lists(PIECES, max_size=40).map(b"".join),
    st.text(max_size=80).map(lambda text: text.encode("utf-16", "surrogatepass")),
)
SIZES = st.lists(st.integers(1, 50_000), max_size=5)


@given(FILES, SIZES)
def test_every_line_after_the_header_comes_once_and_in_its_place(data: bytes, sizes: list[int]) -> None:
    lines = read(data, sizes)
    text = b"".join(csv_lines.utf8(io.BytesIO(data)))
    n_lines = text.count(b"\n") + (text != b"" and not text.endswith(b"\n"))
    assert b"\r" not in text
    if lines:
        assert [line.number for line in lines] == list(range(lines[0].number, n_lines + 1))
    else:
        assert not text.strip()
    width = len(lines[0].cells) if lines and lines[0].cells is not None else None
    for line in lines[1:]:
        assert (line.cells is None) == (line.error is not None)
        assert width is None or line.cells is None or len(line.cells) in (0, width)


@given(FILES, SIZES)
def test_how_the_bytes_arrive_makes_no_difference(data: bytes, sizes: list[int]) -> None:
    assert read(data, sizes) == read(data)


CELL = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


@given(st.integers(2, 5).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)))
def test_what_the_csv_module_writes_comes_back(rows: list[list[str]]) -> None:
    header = [f"c{place}" for place in range(len(rows[0]))]
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    came = read(file.getvalue().encode())[1:]
    # Rows of nothing but blanks and quotes are no blank lines: quotes stand there.
    assert [line.cells for line in came] == rows


@given(st.lists(st.text(max_size=20), min_size=2, max_size=5))
def test_what_is_written_the_csv_module_reads(cells: list[str]) -> None:
    text = csv_lines.line(cells).decode()
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [cells]


@pytest.mark.parametrize(
    ("came", "told"),
    [
        (" TSLA ", "TSLA"),
        ("2024-03-08", "2024-03-08"),
        ("^GSPC", "^GSPC"),
        ("Zürich 😀", "Zürich 😀"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1", "'\uff1d1"),  # the wide one, which a Japanese spreadsheet takes for the same
        ("\t=1", "'=1"),
        ("\0=1", r"\x00=1"),
        ("a;=1", r"a\x3b=1"),
        ('a",=1', r"a\x22\x2c=1"),
        ("a\n=1", r"a\x0a=1"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\u202eTSLA", r"\u202eTSLA"),  # would be shown from right to left
        ("\U000e0001", r"\U000e0001"),
        ("\\", r"\x5c"),
        (b"\xc4".decode("utf-8", "surrogateescape"), r"\xc4"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 60 + "..."),
    ],
)
def test_what_came_is_told_so_that_it_does_no_harm(came: str, told: str) -> None:
    assert csv_lines.told(came) == told


@given(st.text(max_size=100))
def test_what_is_told_is_one_cell_and_no_formula_for_whoever_reads_it(text: str) -> None:
    told = csv_lines.told(text)
    assert csv_lines.line([told]) == told.encode() + b"\n"
    assert all(character.isprintable() for character in told)
    assert not set(told) & set('",;\t\r\n')
    assert not told.startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert len(told) <= 10 * 60 + 4


def test_one_line_without_end_takes_no_memory() -> None:
    class Endless:
        left = 64 * 2**20 // csv_lines.CHUNK

        def read(self, size: int, /) -> bytes:
            self.left -= 1
            return b"x" * size if self.left else b""

    tracemalloc.start()
    try:
        [header] = csv_lines.read(csv_lines.utf8(Endless()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert header.cells is None
    assert peak < 2 * 2**20


_MILLION = """
import resource, sys
from stock_assets.serving import csv_lines

class Rows:
    left = {rows}

    def read(self, size, /):
        n = min(self.left, 2000)
        self.left -= n
        return b"TSLA,2024-03-08\\n" * n

n = sum(1 for _ in csv_lines.read(csv_lines.utf8(Rows())))
print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1))
"""


def test_a_million_lines_take_no_more_memory_than_a_thousand() -> None:
    def measured(rows: int) -> tuple[int, int]:
        done = subprocess.run(
            # By way of a shell, since a child is told its parent's peak until it has a higher one of its own.
            ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, _MILLION.format(rows=rows)],
            capture_output=True,
            text=True,
            check=True,
        )
        lines, kilobytes = map(int, done.stdout.split())
        return lines, kilobytes

    (few, base), (many, peak) = measured(1000), measured(1_000_000)
    assert (few, many) == (1000, 1_000_000)
    assert peak - base < 4 * 1024
