"""One page of products, whatever is asked for, in one statement that does not grow with them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, Subquery, case, select, true, union_all

from application.catalog.queries import RELEVANCE, InCategory, ProductDetails, ProductFilter
from application.shared.pages import Page, PageRequest, Position, Sort
from infrastructure.sql.catalog import conditions, records
from infrastructure.sql.catalog.mapping import products
from infrastructure.sql.catalog.narrowing import MANY, MANY_RANKED, narrowest
from infrastructure.sql.catalog.parameters import SORTS, Parameters
from infrastructure.sql.catalog.ranking import ranked, ranked_position
from infrastructure.sql.catalog.search import (
    NOTHING,
    beginnings,
    finds,
    has_words,
    its_words,
    matches,
    score,
)
from infrastructure.sql.catalog.subtrees import subtree
from infrastructure.sql.pages import AnyRow, count, cut, following, shown
from infrastructure.sql.reading import Query, Reader

_STATEMENTS_KEPT: Final = 200
_ANY_ORDER: Final = Sort("")


async def product_page(
    reader: Reader, request: PageRequest, wanted: ProductFilter
) -> Page[ProductDetails]:
    """Sorted as ProductQueries.page says."""
    if wanted.words == ():
        return Page([], total=0 if request.with_total else None)
    parameters = Parameters()
    form, place = parameters.filter(wanted), parameters.page(request)
    total = None
    if request.with_total:
        [row] = await reader.rows(counting(form, reader.dialect), **parameters.values)
        total = row[0]
    return shown(
        await reader.rows(listing(place, form, reader.dialect), **parameters.values),
        request,
        record=records.product,
        position=ranked_position if request.sort.field == RELEVANCE else _by(request.sort),
        total=total,
    )


@lru_cache(_STATEMENTS_KEPT)
def listing(request: PageRequest, wanted: ProductFilter, dialect: str) -> Query:
    """The statement for all requests of this form, with parameters in the place of values."""
    return Query(_rows(request, wanted, dialect), varies=_varies(wanted))


@lru_cache(_STATEMENTS_KEPT)
def counting(wanted: ProductFilter, dialect: str) -> Query:
    fitting = conditions.fitting(wanted, _ANY_ORDER, dialect)
    return Query(count(select(products.c.id).where(*fitting)), varies=_varies(wanted))


def _varies(wanted: ProductFilter) -> bool:
    """Whether the same may be true of a few products or of all."""
    return conditions.is_narrowed(wanted) or bool(wanted.min_price or wanted.max_price)


def _rows(request: PageRequest, wanted: ProductFilter, dialect: str) -> Select[Any]:
    if request.sort.field == RELEVANCE:
        return _best(request, wanted, dialect)
    here = _not_implied(request, wanted)
    if dialect == "sqlite":
        sources = [*conditions.sources(wanted, request.sort)]
        return _either_way(request, here, sources) if sources else _in_order(request, here, dialect)
    if wanted.category and not (wanted.category.only or conditions.is_narrowed(wanted)):
        return _of_each_category(request, here, dialect)
    return _in_order(request, here, dialect)


def _in_order(request: PageRequest, wanted: ProductFilter, dialect: str) -> Select[Any]:
    fitting = conditions.fitting(wanted, request.sort, dialect)
    some = records.product_details().where(*fitting)
    return cut(following(some, request, SORTS[request.sort.field], products.c.id), request)


def _either_way(
    request: PageRequest, wanted: ProductFilter, sources: Sequence[Select[Any]]
) -> Select[Any]:
    """
    The page out of the few products of the narrowest source, if there is such a one; or else along
    the index that is in order, which finds enough of them soon. For SQLite.
    """
    ids, are_few = narrowest(sources, MANY)
    column = SORTS[request.sort.field]
    some: Select[Any] = select(products.c.id, column).where(*conditions.each(wanted))
    some = following(some, request, column, products.c.id)
    in_order = some.where(*conditions.own(wanted, request.sort, "sqlite"))
    in_order = cut(in_order, request).limit(case((are_few, 0), else_=request.limit + 1))
    picked = some.where(*conditions.own(wanted, request.sort, "sqlite", is_aside=True))
    picked = cut(picked.where(products.c.id.in_(ids)), request)
    page = union_all(*(select(rows.subquery()) for rows in (in_order, picked))).subquery()
    return _shown(page, request)


def _of_each_category(request: PageRequest, wanted: ProductFilter, dialect: str) -> Select[Any]:
    """
    The page out of the first few of each category in the subtree, each read along its index.

    A plain IN leaves it to a guess whether to read all of the subtree or all of the shop in order.
    """
    category = subtree(wanted.category or InCategory()).subquery()
    column = SORTS[request.sort.field]
    # What their index holds, and the rest only of those that are shown.
    inside = select(products.c.id, column).where(
        *conditions.own(wanted, request.sort, dialect), products.c.category_id == category.c.id
    )
    few = request.offset + request.limit + 1
    first = following(inside, request, column, products.c.id).limit(few).lateral("first")
    merged = select(first).select_from(category.join(first, true()))
    # `after` has done its part inside.
    beginning = replace(request, after=None)
    page = cut(following(merged, beginning, first.c[column.name], first.c.id), request).subquery()
    return _shown(page, request)


def _shown(page: Subquery, request: PageRequest) -> Select[Any]:
    """The products of these ids, in the same order."""
    beginning = replace(request, after=None)
    shown = records.product_details().join(page, page.c.id == products.c.id)
    return following(shown, beginning, page.c[SORTS[request.sort.field].name], page.c.id)


def _best(request: PageRequest, wanted: ProductFilter, dialect: str) -> Select[Any]:
    words = wanted.words or ()
    others = replace(wanted, words=None)  # the index knows of the words already
    id = products.c.id
    if dialect == "sqlite" and (sources := [*conditions.sources(wanted, request.sort)]):
        ids, are_few = narrowest(sources, MANY_RANKED)
        own = conditions.own(wanted, request.sort, dialect, is_aside=True)
        each = [*own, *conditions.each(others)]
        along = finds(case((are_few, NOTHING), else_=beginnings(words)))
        along = along.join(products, id == along.selected_columns[0])
        # Whose words are looked at one by one.
        picked = its_words(id).join(products, true()).where(has_words(words), id.in_(ids))
        found = [along.where(*each), picked.where(*each)]
    else:
        index = matches(words, dialect)
        fitting = conditions.fitting(others, request.sort, dialect)
        found = [index.join(products, id == index.selected_columns[0]).where(*fitting)]
    best = ranked(found, score(words, dialect), request, dialect).subquery()
    shown = records.product_details().join(best, best.c.product_id == id)
    return shown.add_columns(best.c.score, best.c.last_ranked).order_by(
        best.c.score, best.c.product_id
    )


def _not_implied(request: PageRequest, wanted: ProductFilter) -> ProductFilter:
    """
    Without what is true of everything after the place where the page begins.

    An index is entered at only one bound, which should be that place.
    """
    if request.after is None or request.sort.descending:
        return wanted
    if request.sort.field == "stock" and wanted.in_stock:
        return replace(wanted, in_stock=None)
    return wanted


def _by(sort: Sort) -> Callable[[AnyRow], Position]:
    name = SORTS[sort.field].name
    return lambda row: Position(getattr(row, name), row.id)
