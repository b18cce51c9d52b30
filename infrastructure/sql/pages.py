from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Select, func, select, tuple_
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from application.shared.pages import Page, PageRequest, Position

T = TypeVar("T")

AnyRow = Row[*tuple[Any, ...]]


async def page(
    engine: AsyncEngine,
    statement: Select[Any],
    request: PageRequest,
    *,
    sorts: Mapping[str, Column[Any]],
    id: Column[Any],
    record: Callable[[AnyRow], T],
) -> Page[T]:
    """
    One page of what the statement selects, by keyset.

    `sorts` are the columns that may be sorted by, none of them nullable; `id` decides between equal
    rows. One row more than wanted is read, to know whether there is a next page.
    """
    column = sorts[request.sort.field]
    keys = (column, id)
    rows = statement.order_by(*(key.desc() if request.sort.descending else key for key in keys))
    if request.after:
        place = tuple_(request.after.value, request.after.id, types=[column.type, id.type])
        here = tuple_(*keys)
        rows = rows.where(here < place if request.sort.descending else here > place)
    rows = rows.offset(request.offset or None).limit(request.limit + 1)
    async with engine.connect() as connection:
        total = await connection.scalar(_count(statement)) if request.with_total else None
        read: Sequence[AnyRow] = (await connection.execute(rows)).all()
    shown = read[: request.limit]
    more = len(read) > request.limit
    last = shown[-1]._mapping if more else None
    return Page(
        [record(row) for row in shown],
        next=Position(last[column], last[id]) if last else None,
        total=total,
    )


def _count(statement: Select[Any]) -> Select[int]:
    return select(func.count()).select_from(statement.order_by(None).subquery())
