"""Which page a box stands on."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.reporting import paper
from stock_assets.reporting.paper import Box


def box(height: float, gap: float = 0.0, *, keep: bool = False) -> Box:
    return Box(height, lambda top: None, gap, keep)


def places(pages: list[paper.Page]) -> list[list[float]]:
    return [[top for top, _ in page] for page in pages]


def test_boxes_follow_one_another_and_gaps_fall_away_on_top() -> None:
    assert places(paper.paginate([box(40), box(30, 10), box(30, 10)], 100)) == [[0, 50], [0]]


def test_a_heading_goes_with_what_it_is_about() -> None:
    assert places(paper.paginate([box(80), box(10, keep=True), box(20)], 100)) == [[0], [0, 10]]


def test_what_holds_together_may_still_be_more_than_a_page() -> None:
    assert places(paper.paginate([box(60, keep=True)] * 3, 100)) == [[0], [0], [0]]


def test_a_box_higher_than_a_page_has_one_of_its_own() -> None:
    assert places(paper.paginate([box(10), box(150), box(10)], 100)) == [[0], [0], [0]]


def test_a_page_is_filled_with_the_first_that_fits() -> None:
    pages = paper.paginate([box(50)], 100)
    high, low, other = box(70), box(40, 5), box(20)
    paper.fill(pages, [high, low, other], 100)
    assert [[found for _, found in page] for page in pages[1:]] == [[high, other]]
    assert pages[0][1] == (55, low)


def test_room_is_used_where_there_is_some() -> None:
    pages = paper.paginate([box(90), box(50)], 100)
    assert paper.fill_up(pages, box(40), 100)
    assert not paper.fill_up(pages, box(40), 100)
    assert places(pages) == [[0], [0, 50]]


BOXES = st.lists(st.builds(box, st.floats(0.1, 120), st.floats(0, 20), keep=st.booleans()), max_size=40)


@given(BOXES)
def test_every_box_is_on_a_page_in_its_order_without_overlap(boxes: list[Box]) -> None:
    pages = paper.paginate(boxes, 100)
    assert [found for page in pages for _, found in page] == boxes
    for page in pages:
        bottoms = [top + found.height for top, found in page]
        assert all(bottom <= top + 1e-9 for bottom, (top, _) in zip(bottoms, page[1:], strict=False))
        assert len(page) <= 1 or bottoms[-1] <= 100 + 1e-9
    assert pages[0] or not boxes


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_paragraphs_do_not_leave_a_line_alone(n: int) -> None:
    from fpdf import FPDF

    with contextlib.closing(paper.Press(FPDF())) as press:
        boxes = press.text("word\n" * n, size=10.0)
    assert len(boxes) == n
    assert [place for place, found in enumerate(boxes) if found.keep] == sorted({0, n - 2} & set(range(n - 1)))
