"""Lines of a CSV that may hold anything: read one by one without ever failing, and harmless where they are told again.

A line is what stands between two line breaks (LF, CR LF or CR), also where quotes are left open: one stray quote spoils
its own line and none after it. So no cell reaches over a line break here, as it may in some CSV files.

What the cells mean is for batch.
"""

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

CHUNK = 64 * 1024
"""Bytes that are read at once."""

LONGEST_LINE = 64 * 1024
"""Bytes in UTF-8. Of a longer line the rest is skipped, so that memory stays flat."""

_DELIMITERS = ",;\t"
_SHOWN_CHARACTERS = 60
# What a spreadsheet takes for the beginning of a formula; the wide ones too, where Chinese or Japanese is written.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_QUOTED = frozenset('",;\t\r\n')
_ESCAPED = frozenset('",;\\')


class Readable(Protocol):
    """Bytes from a file, a request, a pipe: at most `size`, none at the end."""

    def read(self, size: int, /) -> bytes: ...


class Line(NamedTuple):
    """One line: its cells, or why there are none. A blank line has the cells `()`."""

    number: int
    """From 1, as editors count."""

    cells: Sequence[str] | None
    error: str | None


def utf8(stream: Readable) -> Iterator[bytes]:
    """The text of `stream` in chunks: UTF-8 without a byte order mark, every line break one LF.

    UTF-16 is told by its byte order mark; what is not right in it comes out as bytes that are no UTF-8. Anything else
    is passed on as it is.
    """
    start = b""
    while len(start) < len(codecs.BOM_UTF8) and (more := stream.read(CHUNK)):
        start += more
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        chunks = _from_utf16(_chunks(start, stream))
    else:
        chunks = _chunks(start.removeprefix(codecs.BOM_UTF8), stream)
    after_cr = False
    for chunk in chunks:
        text = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r")
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if text:
            yield text


def _chunks(start: bytes, stream: Readable) -> Iterator[bytes]:
    if start:
        yield start
    while chunk := stream.read(CHUNK):
        yield chunk


def _from_utf16(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # A surrogate without its other half is passed through, and is no UTF-8 then: its line is bad, and no other.
    decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
    for chunk in chunks:
        if text := decoder.decode(chunk):
            yield text.encode("utf-8", "surrogatepass")
    if decoder.getstate()[0]:
        yield b"\xff"  # half a character at the end


def read(chunks: Iterable[bytes]) -> Iterator[Line]:
    """The lines in `chunks`, which are as `utf8` makes them: first the header, which is the first that is not blank.

    The header's first comma, semicolon or tab outside quotes parts the cells of all lines. A line that is not UTF-8,
    holds a NUL or open quotes, is longer than `LONGEST_LINE` or has another number of cells than the header has an
    error; the others are not affected. Never raises for what a line holds.
    """
    number, delimiter, width = 0, "", 0
    for raws in _raw_lines(chunks):
        for raw in raws:
            number += 1
            text, error = _text(raw)
            if text is not None and not text.strip():
                if delimiter:
                    yield Line(number, (), None)
                continue
            is_header = not delimiter
            delimiter = delimiter or _delimiter(text or "")
            cells = None
            if text is not None:
                cells, error = (text.split(delimiter), None) if '"' not in text else _quoted_cells(text, delimiter)
            if cells is not None:
                if is_header:
                    width = len(cells)
                elif len(cells) != width and width:
                    cells, error = None, _count_error(len(cells), width, text or "")
            yield Line(number, cells, error)


def _raw_lines(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines that end in each chunk. Of one that is too long there is enough to see that it is."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[: LONGEST_LINE + 1]
        yield lines
    if rest:
        yield [rest]


def _text(raw: bytes) -> tuple[str | None, str | None]:
    """The line's text, or what is wrong with it."""
    if len(raw) > LONGEST_LINE:
        start = told(raw.decode("utf-8", "surrogateescape"))
        return None, f"a line of more than {LONGEST_LINE:,} bytes, beginning with {start}; expected a shorter one"
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        came = told(raw.decode("utf-8", "surrogateescape"))
        return (
            None,
            f"byte {error.start + 1} of the line is not UTF-8: came {came}; expected UTF-8, or UTF-16 with a BOM",
        )
    if "\0" in text:
        return None, f"a NUL character: came {told(text)}; expected text"
    return text, None


def _delimiter(header: str) -> str:
    inside = False
    for character in header:
        if character == '"':
            inside = not inside
        elif not inside and character in _DELIMITERS:
            return character
    return ","


def _quoted_cells(text: str, delimiter: str) -> tuple[list[str] | None, str | None]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True)), None
    except csv.Error:
        return None, (
            f"quotes that are not closed, or closed in the middle of a cell: came {told(text)}; expected cells such as "
            '"a ""word""", without line breaks'
        )


def _count_error(came: int, expected: int, text: str) -> str:
    cells = "1 cell" if came == 1 else f"{came:,} cells"
    return f"{cells}: came {told(text)}; expected {expected:,}, as in the header"


def told(text: str) -> str:
    """What somebody sent, for people to see where it can do no harm: in a cell, in a message, on a terminal.

    Control characters, separators, quotes and backslashes become escapes such as `\\x2c`, so that no program takes a
    part of it for a cell of its own, whatever separator it looks for; what a spreadsheet would take for a formula gets
    an apostrophe in front, as is custom. Shortened to 60 characters and "...". A ticker or a date stays as it is.
    """
    text = text.strip()
    shown = text[:_SHOWN_CHARACTERS]
    if not shown.isprintable() or not _ESCAPED.isdisjoint(shown):
        shown = "".join(_escape(one) if one in _ESCAPED or not one.isprintable() else one for one in shown)
    apostrophe = "'" if shown.startswith(_FORMULA) else ""
    return f"{apostrophe}{shown}{'...' if len(text) > _SHOWN_CHARACTERS else ''}"


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # how "surrogateescape" keeps a byte that is no text
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def line(cells: Iterable[str]) -> bytes:
    """One line of CSV (RFC 4180) in UTF-8, LF at its end: commas, and quotes where they are needed."""
    return (",".join(map(_quoted, cells)) + "\n").encode()


def _quoted(cell: str) -> str:
    return cell if _QUOTED.isdisjoint(cell) else '"' + cell.replace('"', '""') + '"'
