"""The tables of the shop as the tutorials map them."""

import os
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

from sqlalchemy import JSON, DateTime, ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# Whether there is a table of notifications yet, for which every order writes a row.
HAS_NOTIFICATIONS: Final = os.environ.get("USUAL_NOTIFICATIONS") == "1"


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
        list[Any]: JSON().with_variant(JSONB(), "postgresql"),
    }


class User(Base):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    role: Mapped[str]
    is_active: Mapped[bool]


class Category(Base):
    __tablename__ = "categories"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str]


class Product(Base):
    __tablename__ = "products"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    version: Mapped[int] = mapped_column(default=1)
    sequence: Mapped[int] = mapped_column(default=0)
    sku: Mapped[str]
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str]
    price_minor: Mapped[int]
    price_currency: Mapped[str]
    stock: Mapped[int]
    is_active: Mapped[bool]
    category_id: Mapped[UUID | None] = mapped_column(ForeignKey("categories.id"))
    tags: Mapped[list[Any]]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    category: Mapped[Category | None] = relationship(lazy="joined")


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    version: Mapped[int] = mapped_column(default=1)
    sequence: Mapped[int] = mapped_column(default=1)
    number: Mapped[str]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(default="pending")
    total_minor: Mapped[int]
    paid_minor: Mapped[int] = mapped_column(default=0)
    refunded_minor: Mapped[int] = mapped_column(default=0)
    covered_minor: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str]
    shipping_address: Mapped[dict[str, Any] | None]
    note: Mapped[str | None]
    tracking_number: Mapped[str | None]
    placed_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    items: Mapped[list["OrderLine"]] = relationship(
        order_by="OrderLine.position", lazy="selectin", cascade="all, delete-orphan"
    )


class OrderLine(Base):
    __tablename__ = "order_lines"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    position: Mapped[int]
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id"))
    sku: Mapped[str]
    name: Mapped[str]
    unit_price_minor: Mapped[int]
    currency: Mapped[str]
    quantity: Mapped[int]


class StockMovement(Base):
    __tablename__ = "stock_movements"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id"))
    change: Mapped[int]
    stock_after: Mapped[int]
    cause: Mapped[str] = mapped_column(default="order")
    actor_id: Mapped[UUID]
    reason: Mapped[str | None]
    order_id: Mapped[UUID | None]
    at: Mapped[datetime] = mapped_column(default=now)


class OutboxEvent(Base):
    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    type: Mapped[str]
    aggregate_id: Mapped[UUID]
    sequence: Mapped[int]
    payload: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(default=now)


class IdempotencyKey(Base):
    __tablename__ = "idempotency_keys"

    caller_id: Mapped[UUID] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    headers: Mapped[list[Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


if HAS_NOTIFICATIONS:

    class Notification(Base):
        __tablename__ = "notifications"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        version: Mapped[int] = mapped_column(default=1)
        sequence: Mapped[int] = mapped_column(default=0)
        user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
        order_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id"))
        message: Mapped[str]
        created_at: Mapped[datetime] = mapped_column(default=now)
        read_at: Mapped[datetime | None]
