"""One page of posts, whatever is asked for, in one statement that does not grow with them."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, Subquery, bindparam, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from application.content.queries import PostDetails, PostFilter
from application.shared.pages import Page, PageRequest, Position
from domain.content.status import PostStatus
from infrastructure.sql.content.mapping import post_tags, posts
from infrastructure.sql.content.search import matches
from infrastructure.sql.pages import AnyRow, cut, following, read

POSTS: Final = select(*(column for column in posts.c if column.name != "sequence"))
_SORTS: Final[dict[str, Column[Any]]] = {
    "published_at": posts.c.published_at,
    "title": posts.c.title,
    "view_count": posts.c.view_count,
}


def record(row: AnyRow) -> PostDetails:
    return PostDetails(**row._mapping)


async def post_page(
    engine: AsyncEngine, request: PageRequest, wanted: PostFilter
) -> Page[PostDetails]:
    """Sorted as PostQueries.page says."""
    if wanted.words == ():
        return Page([], total=0 if request.with_total else None)
    conditions = [*_conditions(wanted, engine.dialect.name)]
    column = _SORTS[request.sort.field]
    if column.nullable and wanted.status is not PostStatus.PUBLISHED:
        rows = _undated_last(request, conditions)
    else:
        matching = POSTS.where(*conditions)
        rows = cut(following(matching, request, column, posts.c.id), request)
    return await read(
        engine,
        rows,
        request,
        record=record,
        position=lambda row: Position(getattr(row, column.name), row.id),
        everything=select(posts.c.id).where(*conditions),
    )


def _conditions(wanted: PostFilter, dialect: str) -> Iterator[ColumnElement[bool]]:
    if wanted.status is not None:
        yield posts.c.status == wanted.status
    if wanted.author_id is not None:
        yield posts.c.author_id == wanted.author_id
    for tag in wanted.tags:
        # Written into the statement, as are words: a tag may be rare or common.
        slug = bindparam(None, tag, post_tags.c.slug.type, literal_execute=True)
        yield posts.c.id.in_(select(post_tags.c.post_id).where(post_tags.c.slug == slug))
    if wanted.words is not None:
        yield posts.c.id.in_(matches(wanted.words, dialect))


def _undated_last(request: PageRequest, conditions: list[ColumnElement[bool]]) -> Select[Any]:
    """
    The page out of the first few that have a date and the first few that have none.

    Both are read along one index, which alone has the NULLs at its end in one direction only.
    """
    descending, after = request.sort.descending, request.after
    date, id = posts.c.published_at, posts.c.id
    matching = select(id, date).where(*conditions)
    # By their date as well, for it is not inferred that an index of both has the ids in order.
    keys = [key.desc() if descending else key for key in (date, id)]
    undated = matching.where(date.is_(None)).order_by(*keys)
    if after is not None and after.value is None:
        undated = undated.where(id < after.id if descending else id > after.id)
        picked = cut(undated, request).subquery()
    else:
        dated = following(matching.where(date.is_not(None)), request, date, id)
        few = request.offset + request.limit + 1
        both = union_all(
            *(select(part.limit(few).subquery()) for part in (dated, undated))
        ).subquery()
        picked = cut(_in_order(select(both), both, descending), request).subquery()
    return _in_order(POSTS.join(picked, picked.c.id == id), picked, descending)


def _in_order(rows: Select[Any], by: Subquery, descending: bool) -> Select[Any]:
    keys = by.c.published_at, by.c.id
    return rows.order_by(
        by.c.published_at.is_(None), *(key.desc() if descending else key for key in keys)
    )
