from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self
from uuid import UUID

from application.shared.pages import Page, PageRequest
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product, ProductId, Sku
from domain.shared.money import Money


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
            metadata=product.metadata,
            created_at=product.created_at,
            updated_at=product.updated_at,
            deleted_at=product.deleted_at,
            version=product.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFilter:
    """Which products: each condition narrows, None and an empty tuple do not."""

    skus: tuple[Sku, ...] = ()
    is_active: bool | None = None
    deleted: bool = False


class CategoryQueries(Protocol):
    async def find(self, id: CategoryId) -> CategoryDetails | None: ...

    async def page(self, request: PageRequest) -> Page[CategoryDetails]:
        """Sorted by `name` or `created_at`."""


class ProductQueries(Protocol):
    async def find(self, id: ProductId) -> ProductDetails | None:
        """The product, deleted or not."""

    async def page(self, request: PageRequest, wanted: ProductFilter) -> Page[ProductDetails]:
        """Sorted by `name`, `price`, `created_at`, `updated_at` or `stock`."""
