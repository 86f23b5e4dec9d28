"""A reader of pages for the tests: elements with their attributes and all their text, by the standard library."""

import dataclasses
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br"}


@dataclasses.dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    parents: tuple["Element", ...]
    text: str = ""


class Page(HTMLParser):
    """The elements of a page in the order they start; every tag must be closed in order."""

    def __init__(self, markup: bytes) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(markup.decode())
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def numbers(self) -> list[Element]:
        """Elements that say which result they show."""
        return [element for element in self.elements if "data-key" in element.attributes]
