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
    descending = request.sort.descending

    def place(position: Position) -> tuple[bool, Any, UUID]:
        # What has no value comes last, and is never compared with one.
        return (position.value is None) is not descending, position.value, position.id

    def place_of(record: T) -> tuple[bool, Any, UUID]:
        return place(Position(value(record), id(record)))

    rows = sorted(records, key=place_of, reverse=descending)
    total = len(rows) if request.with_total else None
    if request.after:
        after = place(request.after)
        rows = [
            row for row in rows if (place_of(row) < after if descending else place_of(row) > after)
        ]
    rows = rows[request.offset :]
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(shown, next=Position(*place_of(shown[-1])[1:]) if more else None, total=total)
