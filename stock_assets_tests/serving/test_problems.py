"""Problem documents: what is told of a path that is too long to be told."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stock_assets.serving import problems


def instance(path: str) -> str:
    return str(problems.document(404, problems.NO_PATH, "", path)["instance"])


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        (300, "a" * 300),
        (299, "a" * 299),  # cut after %
        (298, "a" * 298),  # cut after %C
        (297, "a" * 297 + "%C3"),
        (296, "a" * 296 + "%C3"),
        (294, "a" * 294 + "%C3%A9"),
    ],
)
def test_a_path_is_never_cut_within_an_escaped_byte(plain: int, told: str) -> None:
    assert instance("a" * plain + "\N{LATIN SMALL LETTER E WITH ACUTE}") == told


@given(st.text(max_size=400))
@example("/report/%")
def test_it_is_a_reference_whatever_was_asked_for(path: str) -> None:
    told = instance(path)
    assert re.fullmatch(r"(?:[A-Za-z0-9_.~/-]|%[0-9A-F]{2})*", told)
    assert len(told) <= problems.LONGEST_INSTANCE
