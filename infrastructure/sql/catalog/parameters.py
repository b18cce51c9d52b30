"""
Requests with parameters in the place of their values.

Those that ask in the same way, if for other things, become equal, and share one statement.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Integer, String, Uuid, bindparam
from sqlalchemy.types import TypeEngine

from application.catalog.queries import RELEVANCE, ProductFilter
from application.catalog.search import Rank
from application.shared.pages import PageRequest, Position
from domain.shared.money import Money
from infrastructure.sql.catalog.mapping import categories, product_tags, products

SORTS: Final = {
    "name": products.c.name,
    "price": products.c.price_minor,
    "created_at": products.c.created_at,
    "updated_at": products.c.updated_at,
    "stock": products.c.stock,
}
_INTEGER, _STRING, _UUID = Integer(), String(), Uuid()


class Parameters:
    """What was taken out of a request, by the names that it goes by in the statement."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def page(self, request: PageRequest) -> PageRequest:
        """Where it begins; how many are wanted stays, for it decides how best to come by them."""
        after = request.after
        return replace(
            request,
            after=after and self._place(after, request.sort.field),
            offset=request.offset and self._taken("offset", request.offset, _INTEGER),
            with_total=False,
        )

    def filter(self, wanted: ProductFilter) -> ProductFilter:
        category = wanted.category
        if category is not None:
            column = "slug" if category.id is None else "id"
            known = self._taken("category", getattr(category, column), categories.c[column].type)
            category = replace(category, **{column: known})
        return replace(
            wanted,
            words=wanted.words and self._each("word", wanted.words, _STRING),
            category=category,
            tags=self._each("tag", wanted.tags, product_tags.c.slug.type),
            skus=self._each("sku", wanted.skus, products.c.sku.type),
            min_price=self._price("min_price", wanted.min_price),
            max_price=self._price("max_price", wanted.max_price),
        )

    def _place(self, after: Position, sort: str) -> Position:
        id = self._taken("after_id", after.id, _UUID)
        if sort != RELEVANCE:
            return Position(self._taken("after", after.value, SORTS[sort].type), id)
        rank = Rank.parse(str(after.value))
        # It is another way to go on where nothing is ranked any more, or everything is.
        score = rank.score and self._taken("after", rank.score, _INTEGER)
        last = rank.last and self._taken("last_ranked", rank.last, _UUID)
        value: Any = Rank(score, last)
        return Position(value, id)

    def _price(self, name: str, price: Money | None) -> Money | None:
        if price is None:
            return None
        return Money(
            self._taken(name, price.minor, products.c.price_minor.type),
            self._taken(f"{name}_currency", price.currency, products.c.price_currency.type),
        )

    def _each(self, name: str, values: Sequence[Any], kind: TypeEngine[Any]) -> tuple[Any, ...]:
        return tuple(self._taken(f"{name}_{n}", value, kind) for n, value in enumerate(values))

    def _taken(self, name: str, value: Any, kind: TypeEngine[Any]) -> Any:
        self.values[name] = value
        return _parameter(name, kind)


@cache
def _parameter(name: str, kind: TypeEngine[Any]) -> BindParameter[Any]:
    """Always the same one, so that requests with it are equal."""
    return bindparam(name, type_=kind)
