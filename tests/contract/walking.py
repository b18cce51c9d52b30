"""Lists by the page, compared with what Python makes of the same rows."""

from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

import pytest

from application.shared.pages import Page, PageRequest, Position, Sort

T = TypeVar("T")

Pages = Callable[[PageRequest], Awaitable[Page[T]]]

# No language sorts them like this: it is the order of their code points that counts.
NAMES: Final = (
    "10",
    "9",
    "Zebra",
    "_x",
    "apple",
    "apple pie",
    "applé",
    "zebra",
    "Äpfel",
    "ärger",
    "ß",
    "Ω",
    "\uffee wide",  # above the surrogates, which UTF-16 puts before it
    "🍵 tea",
)


async def walk(pages: Pages[T], sort: Sort, *, limit: int) -> list[T]:
    """Everything, page by page, each after the end of the one before."""
    seen: list[T] = []
    after: Position | None = None
    for _ in range(1000):
        page = await pages(PageRequest(sort=sort, limit=limit, after=after))
        seen += page.items
        if page.next is None:
            return seen
        assert len(page.items) == limit
        after = page.next
    pytest.fail("the walk has no end")


def in_order(rows: Sequence[T], sort: Sort, by: Callable[[T], Any]) -> list[T]:
    """What a list has to look like: equals are told apart by their ids."""
    id = attrgetter("id")
    return sorted(rows, key=lambda row: (by(row), id(row)), reverse=sort.descending)


async def each_page_is_right(
    pages: Pages[T], rows: Sequence[T], sort: Sort, by: Callable[[T], Any]
) -> None:
    """Whatever the size of the pages and wherever they begin."""
    expected = in_order(rows, sort, by)
    for limit in (1, 3, len(rows) - 1, len(rows), len(rows) + 1):
        assert await walk(pages, sort, limit=limit) == expected
    for offset in (0, 1, len(rows) - 1, len(rows), len(rows) + 1):
        page = await pages(PageRequest(sort=sort, limit=3, offset=offset))
        assert page.items == expected[offset : offset + 3]
        assert (page.next is None) is (offset + 3 >= len(rows))
        assert page.total is None
    first = await pages(PageRequest(sort=sort, limit=2))
    rest = await pages(PageRequest(sort=sort, limit=2, after=first.next, with_total=True))
    assert rest.items == expected[2:4]
    assert rest.total == len(rows)
