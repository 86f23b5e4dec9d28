"""A person's Markdown: what each kind of markup becomes, that nothing is lost, and that nothing takes long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.reporting import narrative
from stock_assets.reporting.narrative import Block, Span


def only(markdown: str) -> Block:
    [block] = narrative.read(markdown)
    return block


def test_emphasis_and_code() -> None:
    assert only("plain **bold *both*** `code`").spans == (
        Span("plain "),
        Span("bold ", bold=True),
        Span("both", bold=True, italic=True),
        Span(" "),
        Span("code", code=True),
    )


def test_headings_know_their_level() -> None:
    assert [(block.kind, block.level, block.text) for block in narrative.read("# One\n\ntext\n\n### Three")] == [
        ("heading", 1, "One"),
        ("paragraph", 0, "text"),
        ("heading", 3, "Three"),
    ]


def test_lists_are_numbered_from_where_they_start_and_nest() -> None:
    blocks = narrative.read("3. three\n4. four\n   - inner\n\n     more\n")
    assert [(block.marker, block.lists, block.text) for block in blocks] == [
        ("3.", 1, "three"),
        ("4.", 1, "four"),
        ("•", 2, "inner"),
        ("", 2, "more"),
    ]


def test_an_empty_item_keeps_its_bullet() -> None:
    assert [(block.marker, block.text) for block in narrative.read("-\n- b")] == [("•", ""), ("•", "b")]


def test_quotes_hold_lists() -> None:
    [block] = narrative.read("> > - a")
    assert (block.quotes, block.lists, block.marker) == (2, 1, "•")


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("see [the plan](https://a.b/c)", "see the plan (https://a.b/c)"),
        ('see [the plan](https://a.b/c "draft")', "see the plan (https://a.b/c, “draft”)"),
        ("<https://a.b>", "https://a.b"),  # the address is shown already
        ("<me@a.b>", "me@a.b"),
        ("[x](https://ä.b/ü)", "x (https://ä.b/ü)"),  # as it was typed
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),  # no link at all
        ("[text][1]\n\n[1]: https://a.b", "[text][1]"),
    ],
)
def test_links_are_text_with_their_address(markdown: str, text: str) -> None:
    assert narrative.read(markdown)[0].text == text


def test_definitions_of_links_do_not_vanish() -> None:
    assert only("[note]: Earnings").text == "[note]: Earnings"


def test_pictures_are_told_and_not_loaded() -> None:
    assert only("as in ![the chart](/etc/passwd)").text == "as in picture: the chart (/etc/passwd)"


@pytest.mark.parametrize("markup", ["<script>alert('x')</script>", "<b>bold</b>", "<!-- hidden -->", "a <br> b"])
def test_html_is_text(markup: str) -> None:
    assert only(markup).text == markup


def test_code_keeps_its_lines_and_spaces() -> None:
    assert only("```python\nif x:\n    y()\n\nz\n```") == Block("code", (Span("if x:\n    y()\n\nz", code=True),))


def test_a_table_is_rows_of_cells_heads_first() -> None:
    block = only("| a | b |\n|---|---|\n| c | **d** |")
    assert block.kind == "table"
    assert block.rows == (((Span("a"),), (Span("b"),)), ((Span("c"),), (Span("d", bold=True),)))


def test_breaks() -> None:
    assert only("one\ntwo  \nthree").text == "one two\nthree"


def test_controls_arrive_as_they_were() -> None:
    """NUL would be replaced, and a unit separator at the end be trimmed."""
    assert only("a\0b\x1f").text == "a\0b\x1f"
    assert only("```\n\0\n```").text == "\0"


@pytest.mark.parametrize("marker", [">", "- ", "1. ", "> - "])
def test_what_nests_too_deep_is_shown_as_typed(marker: str) -> None:
    block = narrative.read(marker * 10_000 + "end")[-1]
    assert block.kind == "code"
    assert block.quotes + 2 * block.lists <= narrative.DEEPEST + 1
    assert block.text.endswith(f"{marker}{marker}end")


def test_what_follows_something_too_deep_is_read_as_usual() -> None:
    deep = "\n".join("  " * depth + "- item" for depth in range(30))
    blocks = narrative.read(f"{deep}\n\n# After")
    assert (blocks[-1].kind, blocks[-1].text) == ("heading", "After")
    assert "".join(block.text for block in blocks).count("item") == 30


BOMBS = {
    "quotes": ">" * 10_000 + "a",
    "lists": "- " * 10_000 + "a",
    "stairs": "\n".join("  " * depth + "- a" for depth in range(300)),
    "brackets": "[" * 25_000 + "]" * 25_000,
    "links": "[a](" * 12_000,
    "pictures": "![" * 20_000,
    "starred links": "*[a" * 12_000,
    "emphasis": "a**b" * 12_000,
    "ticks": "".join("`" * n + " " for n in range(300)),
    "columns": "|a" * 8_000 + "\n" + "|-" * 8_000 + "\n" + "|b" * 8_000,
    "rows": "|a|b|\n|-|-|\n" + "|c|d|\n" * 5_000,
    "definitions": "[a]: <" * 8_000,
    "angles": "<" * 50_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_markup_takes_long(name: str) -> None:
    started = time.process_time()
    assert narrative.read(BOMBS[name])
    assert time.process_time() - started < 5


WORDS = st.text("abcäöשלוםعربي€𝔘🚀0123456789", min_size=1, max_size=8)


@given(st.lists(WORDS, min_size=1, max_size=12), st.sampled_from(["", "# ", "> ", "- ", "1. ", "> - "]))
def test_words_arrive_in_their_order(words: list[str], markup: str) -> None:
    assert only(markup + " ".join(words)).text == " ".join(words)


@given(st.text(max_size=300))
def test_any_text_is_markdown(text: str) -> None:
    for block in narrative.read(text):
        assert all(isinstance(span, Span) for span in block.spans)


@given(st.text("[]()!<>*_`#-|>&;:\\ \n\tab1.~=\"'", max_size=120))
def test_letters_survive_any_markup(text: str) -> None:
    """Of what is no markup, only what Markdown takes for an address, an entity or the name of a language can change."""
    read = "".join(block.text for block in narrative.read(text))
    if not set(text) & set("`~|&"):
        assert sum(char in "ab" for char in read) >= sum(char in "ab" for char in text)
