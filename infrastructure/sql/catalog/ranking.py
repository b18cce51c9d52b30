"""The best of what a query finds, without looking at all of it."""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, Uuid, case, func, literal, select, union_all

from application.catalog.queries import RELEVANCE
from application.catalog.search import MOST_RANKED, UNRANKED, Rank
from application.shared.pages import PageRequest, Position, Sort
from infrastructure.sql.catalog.mapping import products
from infrastructure.sql.pages import AnyRow, cut, following


def ranked(found: Select[Any], score: ColumnElement[int], request: PageRequest) -> Select[Any]:
    """
    The `product_id` of each row of the page, with its `score` and the `last_ranked` of all.

    `found` are the ids of all that fit, joined to their products.
    """
    [id] = found.selected_columns
    scored = found.add_columns((-score).label("score"))
    unranked = found.add_columns(literal(UNRANKED).label("score")).order_by(id)
    unranked = unranked.limit(request.offset + request.limit + 1)

    def following_on(last: ColumnElement[Any]) -> Select[Any]:
        # Said of both ids, because it is not inferred from their being the same.
        rest = unranked.where(id > last, products.c.id > last)
        return select(rest.subquery())

    after = request.after
    last: ColumnElement[Any]
    if after is None:
        oldest = scored.order_by(id).limit(MOST_RANKED).cte("oldest")
        count = select(func.count()).select_from(oldest).scalar_subquery()
        newest = select(oldest.c.product_id).order_by(oldest.c.product_id.desc()).limit(1)
        last = case((count == MOST_RANKED, newest.scalar_subquery()))
        best = union_all(select(oldest), following_on(last)).subquery()
    else:
        rank = Rank.parse(str(after.value))
        last = literal(rank.last, Uuid)
        if rank.last is None:
            best = scored.subquery()
        elif rank.score == UNRANKED:
            best = following_on(literal(after.id, Uuid)).subquery()
        else:
            best = union_all(scored.where(id <= last), following_on(last)).subquery()
        after = replace(after, value=rank.score)
    ascending = replace(request, sort=Sort(RELEVANCE), after=after)
    rows = select(best, last.label("last_ranked"))
    return cut(following(rows, ascending, best.c.score, best.c.product_id), request)


def ranked_position(row: AnyRow) -> Position:
    return Position(str(Rank(row.score, row.last_ranked)), row.id)
