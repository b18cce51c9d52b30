from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event
from domain.shared.money import Money


@dataclass(frozen=True, kw_only=True)
class CategoryEvent(Event):
    category_id: UUID


@dataclass(frozen=True, kw_only=True)
class CategoryCreated(CategoryEvent):
    name = "category.created"
    parent_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class CategoryChanged(CategoryEvent):
    """`fields` are the names of those that changed."""

    name = "category.changed"
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CategoryDeleted(CategoryEvent):
    name = "category.deleted"


@dataclass(frozen=True, kw_only=True)
class ProductEvent(Event):
    product_id: UUID
    sku: str


@dataclass(frozen=True, kw_only=True)
class ProductCreated(ProductEvent):
    name = "product.created"
    price: Money
    stock: int


@dataclass(frozen=True, kw_only=True)
class ProductChanged(ProductEvent):
    """`fields` are the names of those that changed; `price` is what it now costs."""

    name = "product.changed"
    fields: tuple[str, ...]
    price: Money


@dataclass(frozen=True, kw_only=True)
class ProductDeleted(ProductEvent):
    name = "product.deleted"


@dataclass(frozen=True, kw_only=True)
class ProductRestored(ProductEvent):
    name = "product.restored"


@dataclass(frozen=True, kw_only=True)
class ProductStockAdjusted(ProductEvent):
    """By hand or by an import: what orders take and give back, they tell of themselves."""

    name = "product.stock_adjusted"
    change: int
    stock: int
    cause: str
    reason: str | None
    actor_id: UUID


@dataclass(frozen=True, kw_only=True)
class TagEvent(Event):
    tag_id: UUID
    slug: str


@dataclass(frozen=True, kw_only=True)
class TagCreated(TagEvent):
    name = "tag.created"


@dataclass(frozen=True, kw_only=True)
class TagDeleted(TagEvent):
    name = "tag.deleted"
