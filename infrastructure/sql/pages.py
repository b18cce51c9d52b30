from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Integer, Select, func, literal_column, select, tuple_
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from application.shared.pages import Page, PageRequest, Position

R = TypeVar("R")
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
    rows.
    """
    column = sorts[request.sort.field]
    rows = cut(following(statement, request, column, id), request)
    return await read(
        engine,
        rows,
        request,
        record=record,
        position=lambda row: Position(row._mapping[column], row._mapping[id]),
        everything=statement,
    )


def following(
    statement: Select[Any],
    request: PageRequest,
    value: ColumnElement[Any],
    id: ColumnElement[Any],
) -> Select[Any]:
    """The rows of the statement in the order of the request, from where it goes on."""
    descending = request.sort.descending
    rows = statement.order_by(*(key.desc() if descending else key for key in (value, id)))
    if request.after:
        place = tuple_(request.after.value, request.after.id, types=[value.type, id.type])
        here = tuple_(value, id)
        rows = rows.where(here < place if descending else here > place)
    return rows


def cut(rows: Select[Any], request: PageRequest) -> Select[Any]:
    """As many as wanted, and one more, to know whether there is a next page."""
    # The limit is written out, because no plan fits every one.
    few = literal_column(str(request.limit + 1), Integer)
    return rows.offset(request.offset if request.offset != 0 else None).limit(few)


async def read(
    engine: AsyncEngine,
    rows: Select[Any],
    request: PageRequest,
    *,
    record: Callable[[AnyRow], T],
    position: Callable[[AnyRow], Position],
    everything: Select[Any],
) -> Page[T]:
    """The page that these rows are; `everything` is counted where the total is asked for."""
    async with engine.connect() as connection:
        total = await connection.scalar(count(everything)) if request.with_total else None
        found: Sequence[AnyRow] = (await connection.execute(rows)).all()
    return shown(found, request, record=record, position=position, total=total)


def shown(
    found: Sequence[R],
    request: PageRequest,
    *,
    record: Callable[[R], T],
    position: Callable[[R], Position],
    total: int | None,
) -> Page[T]:
    """What was found, but for the one more that tells whether there is a next page."""
    part = found[: request.limit]
    more = len(found) > request.limit
    return Page(
        [record(row) for row in part], next=position(part[-1]) if more else None, total=total
    )


def count(statement: Select[Any]) -> Select[int]:
    return select(func.count()).select_from(statement.order_by(None).subquery())
