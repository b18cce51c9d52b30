from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, Self
from uuid import UUID

from application.catalog.exchange import ExportedProduct
from application.shared.pages import Page, PageRequest
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product, ProductId, Sku
from domain.catalog.stock import Cause
from domain.shared.money import Money
from domain.shared.text import Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryDetails:
    id: UUID
    name: str
    slug: str
    description: str
    parent_id: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, category: Category) -> Self:
        return cls(
            id=category.id,
            name=category.name,
            slug=category.slug,
            description=category.description,
            parent_id=category.parent_id,
            created_at=category.created_at,
            updated_at=category.updated_at,
            version=category.version,
        )


@dataclass(frozen=True, slots=True)
class CategoryName:
    id: UUID
    name: str
    slug: str

    @classmethod
    def of(cls, category: Category) -> Self:
        return cls(category.id, category.name, category.slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDetails:
    id: UUID
    sku: str
    slug: str
    name: str
    description: str
    price: Money
    stock: int
    is_active: bool
    category_id: UUID | None
    category: CategoryName | None
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int

    @classmethod
    def of(cls, product: Product, category: Category | None) -> Self:
        """The product with the category that it names."""
        return cls(
            id=product.id,
            sku=product.sku,
            slug=product.slug,
            name=product.name,
            description=product.description,
            price=product.price,
            stock=product.stock,
            is_active=product.is_active,
            category_id=product.category_id,
            category=CategoryName.of(category) if category else None,
            tags=product.tags,
            metadata=product.metadata,
            created_at=product.created_at,
            updated_at=product.updated_at,
            deleted_at=product.deleted_at,
            version=product.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One change of a product's stock."""

    id: UUID
    product_id: UUID
    change: int
    stock_after: int
    cause: Cause
    actor_id: UUID
    reason: str | None
    order_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """A category, and how many products on sale it holds itself."""

    category: CategoryDetails
    product_count: int


@dataclass(frozen=True, slots=True)
class InCategory:
    """A category, by its id or else by its slug, with all below it."""

    id: CategoryId | None = None
    slug: str | None = None
    only: bool = False  # without what is below it


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFilter:
    """
    Which products: each condition narrows, None and an empty tuple do not.

    `words` are those of a query (see application.catalog.search); none at all find nothing. Prices
    are in one currency and leave out what is sold in another.
    """

    words: tuple[str, ...] | None = None
    category: InCategory | None = None
    tags: tuple[Slug, ...] = ()
    skus: tuple[Sku, ...] = ()
    min_price: Money | None = None
    max_price: Money | None = None
    in_stock: bool | None = None
    is_active: bool | None = None
    deleted: bool = False


RELEVANCE: Final = "relevance"  # the sort that only a filter with words has


class CategoryQueries(Protocol):
    async def find(self, id: CategoryId) -> CategoryDetails | None: ...

    async def page(self, request: PageRequest) -> Page[CategoryDetails]:
        """Sorted by `name` or `created_at`."""

    async def tree(self) -> Sequence[CategoryCount]:
        """Every category, by name."""


class ProductQueries(Protocol):
    async def find(self, id: ProductId) -> ProductDetails | None:
        """The product, deleted or not."""

    async def by_sku(self, sku: Sku) -> ProductDetails | None:
        """The one product that has this sku and is not deleted."""

    async def by_slug(self, slug: Slug) -> ProductDetails | None:
        """The one product that has this slug and is not deleted."""

    async def page(self, request: PageRequest, wanted: ProductFilter) -> Page[ProductDetails]:
        """
        Sorted by `name`, `price`, `created_at`, `updated_at` or `stock`; or by `relevance`, where
        there are words: the best first, descending or not.
        """

    async def movements(self, id: ProductId, request: PageRequest) -> Page[Movement]:
        """Sorted by `at`."""

    async def export(self, after: Sku | None, limit: int) -> Sequence[ExportedProduct]:
        """The products that are not deleted, by sku, from the one after this sku on."""
