from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import composite, relationship

from application.shared.errors import NameCollision
from domain.catalog.product import PRODUCT_NAME_LENGTH, SKU_LENGTH
from domain.ordering.order import (
    LARGEST_TOTAL,
    NOTE_LENGTH,
    NUMBER_LENGTH,
    TRACKING_NUMBER_LENGTH,
    Order,
    OrderLine,
)
from domain.ordering.status import OrderStatus
from domain.shared.money import Money
from infrastructure.sql.schema import (
    VIOLATIONS,
    AddressJson,
    CurrencyCode,
    EnumText,
    UtcDateTime,
    aggregate_columns,
    mappers,
    metadata,
    text,
)

orders = Table(
    "orders",
    metadata,
    *aggregate_columns(),
    Column("number", text(NUMBER_LENGTH), nullable=False),
    Column("customer_id", ForeignKey("users.id"), nullable=False),
    Column("status", EnumText(OrderStatus), nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("currency", CurrencyCode, nullable=False),
    Column("shipping_address", AddressJson),
    Column("note", text(NOTE_LENGTH)),
    Column("tracking_number", text(TRACKING_NUMBER_LENGTH)),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("number"),
    Index(None, "customer_id", "placed_at", "id"),
    Index(None, "placed_at", "id"),
    Index(None, "status", "placed_at", "id"),
    Index(None, "total_minor", "id"),
    CheckConstraint(f"total_minor BETWEEN 0 AND {LARGEST_TOTAL}", name="total_in_range"),
    CheckConstraint(
        "status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')",
        name="status_known",
    ),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", ForeignKey("orders.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("product_id", ForeignKey("products.id"), nullable=False, index=True),
    Column("sku", text(SKU_LENGTH), nullable=False),
    Column("name", text(PRODUCT_NAME_LENGTH), nullable=False),
    Column("unit_price_minor", BigInteger, nullable=False),
    Column("currency", CurrencyCode, nullable=False),
    Column("quantity", Integer, nullable=False),
    UniqueConstraint("order_id", "position"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
)

# A number is made at random, so the one who collides just needs another.
VIOLATIONS["uq_orders_number"] = NameCollision


def map_ordering() -> None:
    mappers.map_imperatively(
        OrderLine,
        order_lines,
        properties={
            "_unit_price_minor": order_lines.c.unit_price_minor,
            "_currency": order_lines.c.currency,
            "unit_price": composite(Money, "_unit_price_minor", "_currency"),
        },
    )
    mappers.map_imperatively(
        Order,
        orders,
        version_id_col=orders.c.version,
        properties={
            "_total_minor": orders.c.total_minor,
            "_currency": orders.c.currency,
            "total": composite(Money, "_total_minor", "_currency"),
            "lines": relationship(
                OrderLine,
                order_by=order_lines.c.position,
                cascade="all, delete-orphan",
                lazy="selectin",
            ),
        },
    )
