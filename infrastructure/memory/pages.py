from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from application.shared.pages import Page, PageRequest, Position

T = TypeVar("T")


def page(
    records: Iterable[T],
    request: PageRequest,
    *,
    sorts: Mapping[str, Callable[[T], Any]],
    id: Callable[[T], UUID],
) -> Page[T]:
    """One page of the records, in the order of the request and, among equals, of the ids."""
    value = sorts[request.sort.field]

    def place(record: T) -> tuple[Any, UUID]:
        return value(record), id(record)

    descending = request.sort.descending
    rows = sorted(records, key=place, reverse=descending)
    total = len(rows) if request.with_total else None
    if request.after:
        after = (request.after.value, request.after.id)
        rows = [row for row in rows if (place(row) < after if descending else place(row) > after)]
    rows = rows[request.offset :]
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(shown, next=Position(*place(shown[-1])) if more else None, total=total)
