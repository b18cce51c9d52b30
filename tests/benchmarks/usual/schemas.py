"""Bodies of the same shape as ours, read off the entities by `response_model`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field


class Entity(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Amount(BaseModel):
    amount: str
    currency: str


def amount(minor: int, currency: str) -> Amount:
    return Amount(amount=f"{minor // 100}.{minor % 100:02}", currency=currency)


class CategoryOut(Entity):
    id: UUID
    name: str
    slug: str


class ProductOut(Entity):
    id: UUID
    sku: str
    slug: str
    name: str
    description: str
    price_minor: int = Field(exclude=True)
    price_currency: str = Field(exclude=True)
    stock: int
    is_active: bool
    category_id: UUID | None
    category: CategoryOut | None
    tags: list[str]
    metadata: dict[str, Any] = Field(validation_alias="meta")
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def price(self) -> Amount:
        return amount(self.price_minor, self.price_currency)


class ProductList(BaseModel):
    items: list[ProductOut]


class OrderLineOut(Entity):
    id: UUID
    product_id: UUID
    sku: str
    name: str
    unit_price_minor: int = Field(exclude=True)
    currency: str = Field(exclude=True)
    quantity: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def unit_price(self) -> Amount:
        return amount(self.unit_price_minor, self.currency)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def line_total(self) -> Amount:
        return amount(self.unit_price_minor * self.quantity, self.currency)


class OrderOut(Entity):
    id: UUID
    number: str
    status: str
    customer_id: UUID
    total_minor: int = Field(exclude=True)
    paid_minor: int = Field(exclude=True)
    refunded_minor: int = Field(exclude=True)
    currency: str = Field(exclude=True)
    shipping_address: dict[str, Any] | None
    note: str | None
    tracking_number: str | None
    placed_at: datetime
    updated_at: datetime
    version: int
    items: list[OrderLineOut]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> Amount:
        return amount(self.total_minor, self.currency)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def paid(self) -> Amount:
        return amount(self.paid_minor, self.currency)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def refunded(self) -> Amount:
        return amount(self.refunded_minor, self.currency)


class OrderLineIn(BaseModel):
    sku: str = Field(min_length=1, max_length=50)
    quantity: int = Field(ge=1)


class OrderIn(BaseModel):
    items: list[OrderLineIn] = Field(min_length=1)
