from typing import Final

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
    and_,
    literal_column,
)
from sqlalchemy.orm import composite, relationship

from application.shared.errors import NameCollision
from domain.catalog.product import PRODUCT_NAME_LENGTH, SKU_LENGTH
from domain.catalog.stock import REASON_LENGTH
from domain.ordering.order import (
    LARGEST_TOTAL,
    NOTE_LENGTH,
    NUMBER_LENGTH,
    TRACKING_NUMBER_LENGTH,
    Order,
    OrderLine,
)
from domain.ordering.payment import (
    FAILURE_LENGTH,
    REFERENCE_LENGTH,
    Payment,
    PaymentMethod,
    PaymentStatus,
)
from domain.ordering.refund import Refund, RefundPart
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
    Column("paid_minor", BigInteger, nullable=False, server_default=literal_column("0")),
    Column("refunded_minor", BigInteger, nullable=False, server_default=literal_column("0")),
    Column("covered_minor", BigInteger, nullable=False, server_default=literal_column("0")),
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
    CheckConstraint("refunded_minor BETWEEN 0 AND paid_minor", name="refunded_was_paid"),
    CheckConstraint("paid_minor - refunded_minor <= total_minor", name="paid_in_range"),
    CheckConstraint("covered_minor BETWEEN 0 AND total_minor", name="covered_in_range"),
)
# Pending orders that nobody has begun to pay for.
UNPAID: Final = and_(
    orders.c.status == literal_column("'pending'"),
    orders.c.covered_minor == literal_column("0"),
    orders.c.total_minor > literal_column("0"),
)
Index(
    "ix_orders_unpaid",
    orders.c.id,
    sqlite_where=UNPAID,
    postgresql_where=UNPAID,
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

payments = Table(
    "payments",
    metadata,
    *aggregate_columns(),
    Column("order_id", ForeignKey("orders.id"), nullable=False),
    Column("method", EnumText(PaymentMethod), nullable=False),
    Column("status", EnumText(PaymentStatus), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("refunded_minor", BigInteger, nullable=False),
    Column("due_back_minor", BigInteger, nullable=False),
    Column("currency", CurrencyCode, nullable=False),
    Column("reference", text(REFERENCE_LENGTH)),
    Column("failure", text(FAILURE_LENGTH)),
    Column("transfer_id", ForeignKey("transfers.id"), index=True),
    Column("actor_id", ForeignKey("users.id"), index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "order_id", "created_at", "id"),
    CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_TOTAL}", name="amount_in_range"),
    CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded_in_range"),
    CheckConstraint(
        "due_back_minor BETWEEN 0 AND amount_minor - refunded_minor", name="due_back_in_range"
    ),
    CheckConstraint("method IN ('store_credit', 'external')", name="method_known"),
    CheckConstraint("status IN ('pending', 'succeeded', 'failed')", name="status_known"),
    CheckConstraint(
        "(transfer_id IS NOT NULL) = (method = 'store_credit')", name="credit_was_transferred"
    ),
)
UNDECIDED: Final = payments.c.status == literal_column("'pending'")
Index(
    "ix_payments_pending",
    payments.c.id,
    sqlite_where=UNDECIDED,
    postgresql_where=UNDECIDED,
)

refunds = Table(
    "refunds",
    metadata,
    *aggregate_columns(),
    Column("order_id", ForeignKey("orders.id"), nullable=False, index=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", CurrencyCode, nullable=False),
    Column("reason", text(REASON_LENGTH), nullable=False),
    Column("actor_id", ForeignKey("users.id"), index=True),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
)

refund_parts = Table(
    "refund_parts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("refund_id", ForeignKey("refunds.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("payment_id", ForeignKey("payments.id"), nullable=False, index=True),
    Column("method", EnumText(PaymentMethod), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", CurrencyCode, nullable=False),
    Column("transfer_id", ForeignKey("transfers.id"), index=True),
    UniqueConstraint("refund_id", "position"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint(
        "(transfer_id IS NOT NULL) = (method = 'store_credit')", name="credit_was_transferred"
    ),
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
            "_paid_minor": orders.c.paid_minor,
            "_refunded_minor": orders.c.refunded_minor,
            "_covered_minor": orders.c.covered_minor,
            "_currency": orders.c.currency,
            "total": composite(Money, "_total_minor", "_currency"),
            "paid": composite(Money, "_paid_minor", "_currency"),
            "refunded": composite(Money, "_refunded_minor", "_currency"),
            "covered": composite(Money, "_covered_minor", "_currency"),
            "lines": relationship(
                OrderLine,
                order_by=order_lines.c.position,
                cascade="all, delete-orphan",
                lazy="selectin",
            ),
        },
    )
    mappers.map_imperatively(
        Payment,
        payments,
        version_id_col=payments.c.version,
        properties={
            "_amount_minor": payments.c.amount_minor,
            "_refunded_minor": payments.c.refunded_minor,
            "_due_back_minor": payments.c.due_back_minor,
            "_currency": payments.c.currency,
            "amount": composite(Money, "_amount_minor", "_currency"),
            "refunded": composite(Money, "_refunded_minor", "_currency"),
            "due_back": composite(Money, "_due_back_minor", "_currency"),
        },
    )
    mappers.map_imperatively(
        RefundPart,
        refund_parts,
        properties={
            "_amount_minor": refund_parts.c.amount_minor,
            "_currency": refund_parts.c.currency,
            "amount": composite(Money, "_amount_minor", "_currency"),
        },
    )
    mappers.map_imperatively(
        Refund,
        refunds,
        version_id_col=refunds.c.version,
        properties={
            "_amount_minor": refunds.c.amount_minor,
            "_currency": refunds.c.currency,
            "amount": composite(Money, "_amount_minor", "_currency"),
            "parts": relationship(
                RefundPart,
                order_by=refund_parts.c.position,
                cascade="all, delete-orphan",
                lazy="selectin",
            ),
        },
    )
