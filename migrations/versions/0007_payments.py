"""payments and refunds

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from migrations import online

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
locks = {
    "orders": "ACCESS EXCLUSIVE",
    "transfers": "SHARE ROW EXCLUSIVE",
    "users": "SHARE ROW EXCLUSIVE",
}
rewrites: tuple[str, ...] = ()
expands = True

MOMENT = sa.DateTime(timezone=True)
UNPAID = "status = 'pending' AND covered_minor = 0 AND total_minor > 0"
UNDECIDED = sa.text("status = 'pending'")
# Each with what is checked of it, and of those before it.
AMOUNTS: dict[str, dict[str, str]] = {
    "paid_minor": {},
    "refunded_minor": {
        "refunded_was_paid": "refunded_minor BETWEEN 0 AND paid_minor",
        "paid_in_range": "paid_minor - refunded_minor <= total_minor",
    },
    "covered_minor": {"covered_in_range": "covered_minor BETWEEN 0 AND total_minor"},
}


def text(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    # What a version without these columns places is right as well: unpaid.
    for name, checks in AMOUNTS.items():
        named = {f"ck_orders_{key}": rule for key, rule in checks.items()}
        online.add_column("orders", name, "BIGINT DEFAULT 0 NOT NULL", named)
    online.create_index("ix_orders_unpaid", "orders", ["id"], where=UNPAID)

    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_back_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reference", text(200), nullable=True),
        sa.Column("failure", text(500), nullable=True),
        sa.Column("transfer_id", sa.Uuid(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_payments_order_id_orders")
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_payments_transfer_id_transfers")
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["users.id"], name=op.f("fk_payments_actor_id_users")
        ),
        sa.CheckConstraint(
            "amount_minor BETWEEN 1 AND 999999999999999", name=op.f("ck_payments_amount_in_range")
        ),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND amount_minor", name=op.f("ck_payments_refunded_in_range")
        ),
        sa.CheckConstraint(
            "due_back_minor BETWEEN 0 AND amount_minor - refunded_minor",
            name=op.f("ck_payments_due_back_in_range"),
        ),
        sa.CheckConstraint(
            "method IN ('store_credit', 'external')", name=op.f("ck_payments_method_known")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'succeeded', 'failed')", name=op.f("ck_payments_status_known")
        ),
        sa.CheckConstraint(
            "(transfer_id IS NOT NULL) = (method = 'store_credit')",
            name=op.f("ck_payments_credit_was_transferred"),
        ),
    )
    op.create_index(
        op.f("ix_payments_order_id_created_at_id"), "payments", ["order_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_payments_transfer_id"), "payments", ["transfer_id"])
    op.create_index(op.f("ix_payments_actor_id"), "payments", ["actor_id"])
    op.create_index(
        "ix_payments_pending",
        "payments",
        ["id"],
        sqlite_where=UNDECIDED,
        postgresql_where=UNDECIDED,
    )

    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reason", text(500), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_refunds_order_id_orders")
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_refunds_actor_id_users")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_positive")),
    )
    op.create_index(op.f("ix_refunds_order_id"), "refunds", ["order_id"])
    op.create_index(op.f("ix_refunds_actor_id"), "refunds", ["actor_id"])

    op.create_table(
        "refund_parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_parts")),
        sa.UniqueConstraint(
            "refund_id", "position", name=op.f("uq_refund_parts_refund_id_position")
        ),
        sa.ForeignKeyConstraint(
            ["refund_id"], ["refunds.id"], name=op.f("fk_refund_parts_refund_id_refunds")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_refund_parts_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_refund_parts_transfer_id_transfers")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_parts_amount_positive")),
        sa.CheckConstraint(
            "(transfer_id IS NOT NULL) = (method = 'store_credit')",
            name=op.f("ck_refund_parts_credit_was_transferred"),
        ),
    )
    op.create_index(op.f("ix_refund_parts_payment_id"), "refund_parts", ["payment_id"])
    op.create_index(op.f("ix_refund_parts_transfer_id"), "refund_parts", ["transfer_id"])


def downgrade() -> None:
    op.drop_table("refund_parts")
    op.drop_table("refunds")
    op.drop_table("payments")
    op.drop_index("ix_orders_unpaid", "orders")
    for name in reversed(AMOUNTS):
        op.drop_column("orders", name)
