"""What the lists of products can be narrowed by."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Query, Request

from application.catalog.queries import InCategory, ProductFilter
from application.catalog.search import words_of_query
from domain.catalog.category import CategoryId
from domain.catalog.product import DEAREST, Sku
from domain.shared.errors import DomainError
from domain.shared.money import Currency, Money
from domain.shared.text import SLUG_LENGTH
from domain.shared.text import Slug as SlugText
from interfaces.http.catalog.schemas import SkuText
from interfaces.http.dependencies import shop_of
from interfaces.http.problems import validation_error
from interfaces.http.schemas import QueryBool, Slug, is_uuid

LONGEST_QUERY: Final = 200
MOST_TAGS: Final = 20
MOST_SKUS: Final = 100

IdOrSlug = Annotated[
    str | None,
    Query(
        pattern=r"^([a-z0-9-]+|[0-9A-Fa-f-]{36})$",
        max_length=SLUG_LENGTH,
        description="id or slug",
    ),
]
CategoryOnly = Annotated[QueryBool, Query(description="without the categories below it")]
QueryPrice = Annotated[str | None, Query(max_length=20, examples=["9.99"])]


async def _filter(
    request: Request,
    q: Annotated[
        str | None,
        Query(max_length=LONGEST_QUERY, description="words, or how words begin; all must be found"),
    ] = None,
    tag: Annotated[Sequence[Slug], Query(max_length=MOST_TAGS, description="all of them")] = (),
    min_price: QueryPrice = None,
    max_price: QueryPrice = None,
    in_stock: QueryBool | None = None,
    sku: Annotated[Sequence[SkuText], Query(max_length=MOST_SKUS, description="any of them")] = (),
    is_active: Annotated[QueryBool | None, Query(description="staff: the inactive ones")] = None,
    deleted: Annotated[QueryBool, Query(description="staff: the deleted ones")] = False,
) -> ProductFilter:
    currency = Currency.of(shop_of(request).settings().currency)
    return ProductFilter(
        words=None if q is None else words_of_query(q),
        tags=tuple(map(SlugText, tag)),
        skus=tuple(map(Sku, sku)),
        min_price=_price("min_price", min_price, currency),
        max_price=_price("max_price", max_price, currency),
        in_stock=in_stock,
        is_active=is_active,
        deleted=deleted,
    )


async def _filter_with_category(
    wanted: Annotated[ProductFilter, Depends(_filter)],
    category: IdOrSlug = None,
    category_only: CategoryOnly = False,
) -> ProductFilter:
    if category is None:
        return wanted
    return replace(wanted, category=in_category(category, only=category_only))


def in_category(name: str, *, only: bool) -> InCategory:
    """The category of this id or slug; what looks like an id is one."""
    if is_uuid(name):
        return InCategory(id=CategoryId(UUID(name)), only=only)
    return InCategory(slug=name, only=only)


def _price(name: str, amount: str | None, currency: Currency) -> Money | None:
    """An amount in the shop's currency."""
    if amount is None:
        return None
    try:
        price = Money.parse(amount, currency, field=name)
    except DomainError as error:
        raise validation_error(
            {"in": "query", "name": name, "detail": error.details["reason"]}
        ) from None
    if not 0 <= price.minor <= DEAREST:
        raise validation_error({"in": "query", "name": name, "detail": "is no price"})
    return price


ProductsWanted = Annotated[ProductFilter, Depends(_filter)]
ProductsWantedAnywhere = Annotated[ProductFilter, Depends(_filter_with_category)]
