"""One page of products, whatever is asked for, in one statement that does not grow with them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, any_, bindparam, func, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from application.catalog.queries import RELEVANCE, InCategory, ProductDetails, ProductFilter
from application.shared.pages import Page, PageRequest, Position, Sort
from infrastructure.sql.catalog import records
from infrastructure.sql.catalog.mapping import categories, product_tags, products
from infrastructure.sql.catalog.ranking import ranked, ranked_position
from infrastructure.sql.catalog.search import matches, score
from infrastructure.sql.pages import AnyRow, cut, following, read

_SORTS: Final = {
    "name": products.c.name,
    "price": products.c.price_minor,
    "created_at": products.c.created_at,
    "updated_at": products.c.updated_at,
    "stock": products.c.stock,
}


async def product_page(
    engine: AsyncEngine, request: PageRequest, wanted: ProductFilter
) -> Page[ProductDetails]:
    """Sorted as ProductQueries.page says."""
    if wanted.words == ():
        return Page([], total=0 if request.with_total else None)
    dialect = engine.dialect.name
    here, everywhere = _not_implied(request, wanted), [*_conditions(wanted, request.sort, dialect)]
    position: Callable[[AnyRow], Position]
    if request.sort.field == RELEVANCE:
        rows, position = _best(request, wanted, dialect), ranked_position
    else:
        column = _SORTS[request.sort.field]
        position = _position_by(column)
        if _is_of_each_category(wanted, dialect):
            rows = _of_each_category(request, here, dialect)
        else:
            matching = records.product_details().where(*_conditions(here, request.sort, dialect))
            rows = cut(following(matching, request, column, products.c.id), request)
    return await read(
        engine,
        rows,
        request,
        record=records.product,
        position=position,
        everything=select(products.c.id).where(*everywhere),
    )


def _position_by(column: Column[Any]) -> Callable[[AnyRow], Position]:
    return lambda row: Position(getattr(row, column.name), row.id)


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


def _conditions(wanted: ProductFilter, sort: Sort, dialect: str) -> Iterator[ColumnElement[bool]]:
    yield from _own_conditions(wanted, sort, dialect)
    if wanted.category:
        yield _is_in(wanted.category, dialect)


def _own_conditions(
    wanted: ProductFilter, sort: Sort, dialect: str
) -> Iterator[ColumnElement[bool]]:
    """What is asked of a product itself, whichever its category."""

    def aside(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        # To SQLite any index is as good as another, so it is told which to leave alone.
        return func.likely(condition) if dialect == "sqlite" else condition

    deleted = products.c.deleted_at
    yield deleted.is_not(None) if wanted.deleted else deleted.is_(None)
    if wanted.is_active is not None:
        # Without IS, so that it is an equality to an index.
        is_active: ColumnElement[bool] = products.c.is_active
        is_it = is_active if wanted.is_active else ~is_active
        yield aside(is_it) if _is_narrowed(wanted) else is_it
    if wanted.in_stock is not None:
        has_some = products.c.stock > 0 if wanted.in_stock else products.c.stock == 0
        yield has_some if sort.field == "stock" else aside(has_some)
    if wanted.skus:
        yield products.c.sku.in_(wanted.skus)
    for tag in wanted.tags:
        # Written into the statement, as are words: a tag may be rare or common.
        slug = bindparam(None, tag, product_tags.c.slug.type, literal_execute=True)
        tagged = select(product_tags.c.product_id).where(product_tags.c.slug == slug)
        yield products.c.id.in_(tagged)
    for price in _prices(wanted):
        yield price if sort.field == "price" else aside(price)
    if wanted.words is not None:
        yield products.c.id.in_(matches(wanted.words, dialect))


def _prices(wanted: ProductFilter) -> Iterator[ColumnElement[bool]]:
    minor, currency = products.c.price_minor, products.c.price_currency
    if wanted.min_price:
        yield minor >= wanted.min_price.minor
        yield currency == wanted.min_price.currency
    if wanted.max_price:
        yield minor <= wanted.max_price.minor
        yield currency == wanted.max_price.currency


def _is_in(wanted: InCategory, dialect: str) -> ColumnElement[bool]:
    id = products.c.category_id
    if wanted.only:
        # An equality, so that it is known to be one category.
        return id == _root(wanted).scalar_subquery()
    if dialect == "sqlite":
        return id.in_(_subtree(wanted))
    # As a list, which is made once and which no join is planned around.
    return id == any_(func.array(_subtree(wanted).scalar_subquery()))


def _root(wanted: InCategory) -> Select[Any]:
    is_root = categories.c.id == wanted.id if wanted.id else categories.c.slug == wanted.slug
    return select(categories.c.id).where(is_root)


def _subtree(wanted: InCategory) -> Select[Any]:
    """The ids of a category and of all that are below it."""
    root = _root(wanted)
    here = root.cte("subtree", recursive=True)
    below = select(categories.c.id).join(here, categories.c.parent_id == here.c.id)
    return select(here.union_all(below).c.id)


def _is_of_each_category(wanted: ProductFilter, dialect: str) -> bool:
    """Whether each category has its products at hand in the order wanted."""
    whole = wanted.category is not None and not wanted.category.only
    return whole and not _is_narrowed(wanted) and dialect != "sqlite"


def _is_narrowed(wanted: ProductFilter) -> bool:
    """Whether something is asked for that has an index of its own, and is mostly rare."""
    return bool(wanted.tags or wanted.skus or wanted.words is not None)


def _of_each_category(request: PageRequest, wanted: ProductFilter, dialect: str) -> Select[Any]:
    """
    The page out of the first few of each category in the subtree, each read along its index.

    A plain IN leaves it to a guess whether to read all of the subtree or all of the shop in order.
    """
    subtree = _subtree(wanted.category or InCategory()).subquery()
    column = _SORTS[request.sort.field]
    inside = select(products).where(
        *_own_conditions(wanted, request.sort, dialect), products.c.category_id == subtree.c.id
    )
    few = request.offset + request.limit + 1
    first = following(inside, request, column, products.c.id).limit(few).lateral("first")
    # `after` has done its part inside.
    beginning = replace(request, after=None)
    merged = select(first).select_from(subtree.join(first, true()))
    page = cut(following(merged, beginning, first.c[column.name], first.c.id), request).subquery()
    return following(records.product_details(page), beginning, page.c[column.name], page.c.id)


def _best(request: PageRequest, wanted: ProductFilter, dialect: str) -> Select[Any]:
    words = wanted.words or ()
    index = matches(words, dialect)
    [id] = index.selected_columns
    # The index knows of the words already.
    conditions = _conditions(replace(wanted, words=None), request.sort, dialect)
    found = index.join(products, products.c.id == id).where(*conditions)
    best = ranked(found, score(words, dialect), request).subquery()
    shown = records.product_details().join(best, best.c.product_id == products.c.id)
    return shown.add_columns(best.c.score, best.c.last_ranked).order_by(
        best.c.score, best.c.product_id
    )
