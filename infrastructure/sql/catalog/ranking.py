"""The best of what a query finds, without looking at all of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    cast,
    literal,
    null,
    select,
    union_all,
)

from application.catalog.queries import RELEVANCE
from application.catalog.search import MOST_RANKED, UNRANKED, Rank
from application.shared.pages import PageRequest, Position, Sort
from infrastructure.sql.catalog.mapping import products
from infrastructure.sql.catalog.search import place, place_of
from infrastructure.sql.pages import AnyRow, cut, following


def ranked(
    found: Sequence[Select[Any]], score: ColumnElement[int], request: PageRequest, dialect: str
) -> Select[Any]:
    """
    The `product_id` of each row of the page, with its `score` and the `last_ranked` of all.

    `found` are the ids of all that fit, joined to their products, in one part or in several. The
    page may begin after a position whose value is a Rank.
    """
    here = place(dialect)

    def scored(score: ColumnElement[int], *conditions: ColumnElement[bool]) -> Any:
        parts = [
            part.add_columns(score.label("score"), here.label("place")).where(*conditions)
            for part in found
        ]
        return union_all(*parts) if len(parts) > 1 else parts[0]

    def following_on(last: ColumnElement[Any]) -> Select[Any]:
        beyond = [here > last]
        if dialect != "sqlite":
            # Said of both ids, because it is not inferred from their being the same.
            beyond.append(products.c.id > last)
        rest = scored(literal(UNRANKED), *beyond).order_by("place")
        return select(rest.limit(request.offset + request.limit + 1).subquery())

    after: Any = request.after
    last: ColumnElement[Any]
    if after is None:
        oldest = scored(-score).order_by("place").limit(MOST_RANKED).cte("oldest")
        last, beyond = (
            select(column)
            .order_by(oldest.c.place)
            .offset(MOST_RANKED - 1)
            .limit(1)
            .scalar_subquery()
            for column in (oldest.c.product_id, oldest.c.place)
        )
        best = select(oldest).subquery()
        if request.offset != 0 or request.limit >= MOST_RANKED:
            best = union_all(select(oldest), following_on(beyond)).subquery()
    else:
        rank = after.value
        last = cast(null(), Uuid) if rank.last is None else rank.last
        if rank.last is None:
            best = scored(-score).subquery()
        elif rank.score is UNRANKED:
            best = following_on(place_of(after.id, dialect)).subquery()
        else:
            end = place_of(rank.last, dialect)
            ranked_ones = select(scored(-score, here <= end).subquery())
            best = union_all(ranked_ones, following_on(end)).subquery()
        after = replace(after, value=rank.score)
    ascending = replace(request, sort=Sort(RELEVANCE), after=after)
    rows = select(best, last.label("last_ranked"))
    return cut(following(rows, ascending, best.c.score, best.c.product_id), request)


def ranked_position(row: AnyRow) -> Position:
    return Position(str(Rank(row.score, row.last_ranked)), row.id)
