"""What is asked of a product, in the words of each database."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, func, literal_column, select

from application.catalog.queries import RELEVANCE, ProductFilter
from application.shared.pages import Sort
from domain.shared.text import Slug
from infrastructure.sql.catalog.mapping import product_tags, products
from infrastructure.sql.catalog.search import has_words, its_words, matches
from infrastructure.sql.catalog.subtrees import is_in

NONE: Final = literal_column("0", Integer)  # in stock; no parameter, so that plans know of it


def fitting(wanted: ProductFilter, sort: Sort, dialect: str) -> Iterator[ColumnElement[bool]]:
    """Everything, each condition with all the products that it is true of."""
    yield from own(wanted, sort, dialect, is_aside=is_narrowed(wanted))
    for tag in wanted.tags:
        yield products.c.id.in_(tagged(tag))
    if wanted.words is not None:
        yield products.c.id.in_(matches(wanted.words, dialect))
    if wanted.category:
        yield is_in(wanted.category, dialect)


def own(
    wanted: ProductFilter, sort: Sort, dialect: str, *, is_aside: bool = False
) -> Iterator[ColumnElement[bool]]:
    """What is asked of a product itself; `is_aside` where it is found by something else."""
    yield is_deleted(wanted)
    if wanted.is_active is not None:
        yield aside(is_active(wanted), dialect) if is_aside else is_active(wanted)
    if wanted.in_stock is not None:
        has_some = products.c.stock > NONE if wanted.in_stock else products.c.stock == NONE
        yield has_some if sort.field == "stock" else aside(has_some, dialect)
    if wanted.skus:
        yield products.c.sku.in_(wanted.skus)
    for price in _prices(wanted):
        yield price if sort.field == "price" else aside(price, dialect)


def each(wanted: ProductFilter) -> Iterator[ColumnElement[bool]]:
    """What a product is connected with, looked up for each that is looked at; for SQLite."""
    id = products.c.id
    for tag in wanted.tags:
        its_tag = tagged(tag).where(product_tags.c.product_id == id)
        yield its_tag.scalar_subquery().is_not(None)
    if wanted.words is not None:
        yield its_words(id).where(has_words(wanted.words)).scalar_subquery().is_not(None)
    if wanted.category:
        is_inside = is_in(wanted.category, "sqlite")
        yield is_inside if wanted.category.only else aside(is_inside, "sqlite")


def sources(wanted: ProductFilter, sort: Sort) -> Iterator[Select[Any]]:
    """The products of each condition that has an index of its own, other than the sort's."""
    some = select(products.c.id).where(is_deleted(wanted))
    if wanted.skus:
        yield some.where(products.c.sku.in_(wanted.skus))
    if wanted.is_active is not None:
        some = some.where(is_active(wanted))
    for tag in wanted.tags:
        yield tagged(tag)
    if sort.field != RELEVANCE and wanted.words is not None:
        yield matches(wanted.words, "sqlite")
    if wanted.category and (sort.field == RELEVANCE or not wanted.category.only):
        yield some.where(is_in(wanted.category, "sqlite"))
    if sort.field != "stock" and wanted.in_stock is False:
        yield some.where(products.c.stock == NONE)
    if sort.field != "price" and (wanted.min_price or wanted.max_price):
        yield some.where(*_prices(wanted))


def _prices(wanted: ProductFilter) -> Iterator[ColumnElement[bool]]:
    minor, currency = products.c.price_minor, products.c.price_currency
    if wanted.min_price:
        yield minor >= wanted.min_price.minor
        yield currency == wanted.min_price.currency
    if wanted.max_price:
        yield minor <= wanted.max_price.minor
        yield currency == wanted.max_price.currency


def is_narrowed(wanted: ProductFilter) -> bool:
    """Whether something is asked for that has an index of its own, and is mostly rare."""
    return bool(wanted.tags or wanted.skus or wanted.words is not None)


def is_deleted(wanted: ProductFilter) -> ColumnElement[bool]:
    deleted = products.c.deleted_at
    return deleted.is_not(None) if wanted.deleted else deleted.is_(None)


def is_active(wanted: ProductFilter) -> ColumnElement[bool]:
    # Without IS, so that it is an equality to an index.
    return products.c.is_active if wanted.is_active else ~products.c.is_active


def tagged(tag: Slug) -> Select[Any]:
    return select(product_tags.c.product_id).where(product_tags.c.slug == tag)


def aside(condition: ColumnElement[bool], dialect: str) -> ColumnElement[bool]:
    """To SQLite any index is as good as another, so it is told which to leave alone."""
    return func.likely(condition) if dialect == "sqlite" else condition
