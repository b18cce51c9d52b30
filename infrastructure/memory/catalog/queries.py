from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from application.catalog.exchange import ExportedProduct
from application.catalog.queries import (
    RELEVANCE,
    CategoryCount,
    CategoryDetails,
    InCategory,
    Movement,
    ProductDetails,
    ProductFilter,
)
from application.catalog.search import MOST_RANKED, UNRANKED, Rank, Searchable
from application.shared.pages import Page, PageRequest, Sort
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product, ProductId, Sku
from domain.catalog.stock import StockMovement
from domain.shared.text import Slug
from infrastructure.memory.catalog.repositories import path_of
from infrastructure.memory.database import MemoryDatabase
from infrastructure.memory.pages import page

_CATEGORY_SORTS: Final[dict[str, Callable[[CategoryDetails], Any]]] = {
    "name": attrgetter("name"),
    "created_at": attrgetter("created_at"),
}
_PRODUCT_SORTS: Final[dict[str, Callable[[Product], Any]]] = {
    "name": attrgetter("name"),
    "price": attrgetter("price.minor"),
    "created_at": attrgetter("created_at"),
    "updated_at": attrgetter("updated_at"),
    "stock": attrgetter("stock"),
}
_MOVEMENT_SORTS: Final[dict[str, Callable[[StockMovement], Any]]] = {"at": attrgetter("at")}


class MemoryCategoryQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: CategoryId) -> CategoryDetails | None:
        category = self._database.get(Category, id)
        return CategoryDetails.of(category) if category else None

    async def page(self, request: PageRequest) -> Page[CategoryDetails]:
        return page(
            map(CategoryDetails.of, self._database.all(Category)),
            request,
            sorts=_CATEGORY_SORTS,
            id=attrgetter("id"),
        )

    async def tree(self) -> Sequence[CategoryCount]:
        counts = Counter[UUID | None](one.category_id for one in on_sale(self._database))
        categories = sorted(self._database.all(Category), key=attrgetter("name", "id"))
        return [CategoryCount(CategoryDetails.of(one), counts[one.id]) for one in categories]


class MemoryProductQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: ProductId) -> ProductDetails | None:
        product = self._database.get(Product, id)
        return self._details(product) if product else None

    async def by_sku(self, sku: Sku) -> ProductDetails | None:
        return self._one(lambda product: product.sku == sku)

    async def by_slug(self, slug: Slug) -> ProductDetails | None:
        return self._one(lambda product: product.slug == slug)

    async def page(self, request: PageRequest, wanted: ProductFilter) -> Page[ProductDetails]:
        found = [one for one in self._database.all(Product) if self._fits(one, wanted)]
        if request.sort.field == RELEVANCE:
            shown = _ranked_page(found, request, wanted.words or ())
        else:
            shown = page(found, request, sorts=_PRODUCT_SORTS, id=attrgetter("id"))
        return Page([*map(self._details, shown.items)], next=shown.next, total=shown.total)

    async def movements(self, id: ProductId, request: PageRequest) -> Page[Movement]:
        found = [one for one in self._database.movements if one.product_id == id]
        moved = page(found, request, sorts=_MOVEMENT_SORTS, id=attrgetter("id"))
        items = [
            Movement(
                id=one.id,
                product_id=one.product_id,
                change=one.change,
                stock_after=one.stock_after,
                cause=one.because.cause,
                actor_id=one.because.actor_id,
                reason=one.because.reason,
                order_id=one.because.order_id,
                at=one.at,
            )
            for one in moved.items
        ]
        return Page(items, next=moved.next, total=moved.total)

    async def export(self, after: Sku | None, limit: int) -> Sequence[ExportedProduct]:
        live = [product for product in self._database.all(Product) if not product.deleted_at]
        following = [product for product in live if after is None or product.sku > after]
        following.sort(key=attrgetter("sku"))
        return [self._exported(product) for product in following[:limit]]

    def _one(self, wanted: Callable[[Product], bool]) -> ProductDetails | None:
        for product in self._database.all(Product):
            if wanted(product) and not product.deleted_at:
                return self._details(product)
        return None

    def _fits(self, product: Product, wanted: ProductFilter) -> bool:
        price = product.price
        least, most = wanted.min_price, wanted.max_price
        return (
            (product.deleted_at is not None) is wanted.deleted
            and wanted.is_active in (None, product.is_active)
            and wanted.in_stock in (None, product.stock > 0)
            and (not wanted.skus or product.sku in wanted.skus)
            and {*wanted.tags} <= {*product.tags}
            and (least is None or (price.currency == least.currency and price >= least))
            and (most is None or (price.currency == most.currency and price <= most))
            and (wanted.words is None or _score(product, wanted.words) > 0)
            and (wanted.category is None or self._is_in(product.category_id, wanted.category))
        )

    def _is_in(self, id: UUID | None, wanted: InCategory) -> bool:
        category = self._database.get(Category, id)
        if category is None:
            return False
        if category.id == wanted.id if wanted.id else category.slug == wanted.slug:
            return True
        return not wanted.only and self._is_in(category.parent_id, wanted)

    def _details(self, product: Product) -> ProductDetails:
        return ProductDetails.of(product, self._database.get(Category, product.category_id))

    def _exported(self, product: Product) -> ExportedProduct:
        category = self._database.get(Category, product.category_id)
        return ExportedProduct(
            sku=product.sku,
            name=product.name,
            price=product.price,
            stock=product.stock,
            slug=product.slug,
            description=product.description,
            category=path_of(category, partial(self._database.get, Category)) if category else (),
            tags=product.tags,
            is_active=product.is_active,
            metadata=product.metadata,
        )


def on_sale(database: MemoryDatabase) -> list[Product]:
    """Every product that customers see."""
    return [one for one in database.all(Product) if one.is_active and not one.deleted_at]


def _score(product: Product, words: Sequence[str]) -> int:
    found = Searchable.of(name=product.name, sku=product.sku, description=product.description)
    return found.score(words)


def _ranked_page(
    found: Sequence[Product], request: PageRequest, words: Sequence[str]
) -> Page[Product]:
    if request.after is None:
        oldest = sorted(product.id for product in found)[:MOST_RANKED]
        last, after = (oldest[-1] if len(oldest) == MOST_RANKED else None), None
    else:
        rank = Rank.parse(str(request.after.value))
        last, after = rank.last, replace(request.after, value=rank.score)

    def score(product: Product) -> int:
        is_ranked = last is None or product.id <= last
        return -_score(product, words) if is_ranked else UNRANKED

    best_first = replace(request, sort=Sort(RELEVANCE), after=after)
    shown = page(found, best_first, sorts={RELEVANCE: score}, id=attrgetter("id"))
    if shown.next is None:
        return shown
    return replace(
        shown, next=replace(shown.next, value=str(Rank(int(str(shown.next.value)), last)))
    )
