"""A person's Markdown as blocks of styled text. No paper, no fonts and no HTML here.

Nothing is left out: raw HTML, pictures, unknown markup and what nests too deep stay as the text that was typed. Nothing
is fetched either. Every rule that takes more than a moment on hostile text is off, or has a limit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

DEEPEST = 16
"""How many quotes and lists may stand within one another (a list counts twice); what is deeper is shown as typed."""

MOST_BRACKETS = 400
"""A paragraph with more opening brackets has no links: each is compared with all that follow."""

# The reader takes NUL for a fault and trims other controls; these 32 code points are set aside for private use.
_CONTROLS = {code: 0xFDD0 + code for code in range(32) if chr(code) not in "\t\n\r"}
_BACK = {stand_in: code for code, stand_in in _CONTROLS.items()}


@dataclass(frozen=True)
class Span:
    """A stretch of text in one style. A line break is "\\n"."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False


Spans = tuple[Span, ...]


@dataclass(frozen=True)
class Block:
    """A paragraph, a heading of `level` 1 to 6, code, a rule across the page, or the `rows` of a table, heads first.

    `lists` and `quotes` say how many it stands in; `marker` is the bullet or number of the item that it begins.
    """

    kind: Literal["paragraph", "heading", "code", "rule", "table"]
    spans: Spans = ()
    level: int = 0
    lists: int = 0
    quotes: int = 0
    marker: str = ""
    rows: tuple[tuple[Spans, ...], ...] = ()

    @property
    def text(self) -> str:
        """All of its text without the styles, cells after one another."""
        return "".join(
            span.text for spans in (self.spans, *(cell for row in self.rows for cell in row)) for span in spans
        )


def read(markdown: str) -> list[Block]:
    """The blocks of a text in CommonMark with tables; any text is one."""
    tokens = _reader().parse(markdown.translate(_CONTROLS))
    return list(_Blocks().of(tokens))


@dataclass
class _Blocks:
    """Where in the text we are while its tokens go by."""

    quotes: int = 0
    level: int = 0
    marker: str = ""
    numbers: list[int | None] = field(default_factory=list)  # the next number of each list we are in; None: bullets
    rows: list[list[Spans]] = field(default_factory=list)
    in_table: bool = False

    def of(self, tokens: Sequence["Token"]) -> Iterator[Block]:
        for token in tokens:
            match token.type:
                case "blockquote_open":
                    self.quotes += 1
                case "blockquote_close":
                    self.quotes -= 1
                case "bullet_list_open":
                    self.numbers.append(None)
                case "ordered_list_open":
                    self.numbers.append(int(token.attrs.get("start", 1)))
                case "bullet_list_close" | "ordered_list_close":
                    self.numbers.pop()
                case "list_item_open":
                    self._next_item()
                case "list_item_close":
                    if self.marker:  # an item without anything in it
                        yield self._block("paragraph")
                case "heading_open":
                    self.level = int(token.tag[1:])
                case "heading_close":
                    self.level = 0
                case "table_open":
                    self.in_table = True
                case "tr_open":
                    self.rows.append([])
                case "table_close":
                    rows, self.rows, self.in_table = tuple(map(tuple, self.rows)), [], False
                    yield self._block("table", rows=rows)
                case "inline" if self.in_table:
                    self.rows[-1].append(_spans(token))
                case "inline":
                    yield self._block("heading" if self.level else "paragraph", _spans(token), level=self.level)
                case "fence" | "code_block":
                    yield self._block("code", (Span(token.content.removesuffix("\n").translate(_BACK), code=True),))
                case "hr":
                    yield self._block("rule")

    def _next_item(self) -> None:
        number = self.numbers[-1]
        self.marker = "•" if number is None else f"{number}."
        if number is not None:
            self.numbers[-1] = number + 1

    def _block(
        self, kind: Literal["paragraph", "heading", "code", "rule", "table"], spans: Spans = (), **more
    ) -> Block:
        marker, self.marker = self.marker, ""
        return Block(kind, spans, lists=len(self.numbers), quotes=self.quotes, marker=marker, **more)


def _spans(inline: "Token") -> Spans:
    """The styled text of a paragraph; a link is followed by its address."""
    spans: list[Span] = []
    bold = italic = 0
    link, linked_from = None, 0
    for token in inline.children or ():
        text, code = token.content, False
        match token.type:
            case "strong_open" | "strong_close":
                bold += token.nesting
            case "em_open" | "em_close":
                italic += token.nesting
            case "softbreak":
                text = " "
            case "hardbreak":
                text = "\n"
            case "code_inline":
                code = True
            case "link_open":
                link, linked_from = token, len(spans)
                if spans and spans[-1].text.endswith("!"):  # a picture, which is not loaded
                    spans[-1] = Span(spans[-1].text[:-1], spans[-1].bold, spans[-1].italic)
                    text = "picture: "
            case "link_close" if link is not None:
                text = _address(link, "".join(span.text for span in spans[linked_from:]))
        if text:
            spans.append(Span(text.translate(_BACK), bold > 0, italic > 0, code))
    return tuple(spans)


def _address(link: "Token", shown: str) -> str:
    href, title = str(link.attrs.get("href", "")), str(link.attrs.get("title", ""))
    told = [href] if href and href not in (shown, f"mailto:{shown}") else []
    told += [f"“{title}”"] if title else []
    return f" ({', '.join(told)})" if told else ""


def _reader() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    class Reader(MarkdownIt):
        """Addresses stay as they were typed."""

        def normalizeLink(self, url: str) -> str:
            return url

        def normalizeLinkText(self, link: str) -> str:
            return link

    reader = Reader("commonmark", {"html": False, "maxNesting": 4 * DEEPEST}).enable("table")
    # Definitions of links would vanish from the page; pictures within pictures take a level of recursion each.
    reader.disable(["reference", "image"])
    reader.block.ruler.before("table", "too_deep", _too_deep)
    reader.inline.ruler.before("link", "too_many_brackets", _too_many_brackets)
    return reader


def _too_deep(state: "StateBlock", line: int, end: int, _silent: bool) -> bool:
    """A rule of the reader: all that is left of a list or quote of the deepest kind is code."""
    if state.level < DEEPEST:
        return False
    stop = line + 1
    while stop < end and (state.isEmpty(stop) or state.sCount[stop] >= state.blkIndent):
        stop += 1
    token = state.push("code_block", "code", 0)
    token.content = state.getLines(line, stop, state.blkIndent, False)
    state.line = stop
    return True


def _too_many_brackets(state: "StateInline", silent: bool) -> bool:
    """A rule of the reader: in a paragraph full of brackets they are brackets."""
    if state.src[state.pos] != "[" or state.src.count("[") <= MOST_BRACKETS:
        return False
    if not silent:
        state.pending += "["
    state.pos += 1
    return True
