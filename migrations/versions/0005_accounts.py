"""accounts of store credit

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
locks = {"users": "SHARE ROW EXCLUSIVE"}
rewrites: tuple[str, ...] = ()
expands = True

MOMENT = sa.DateTime(timezone=True)


def text(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("owner_id", "currency", name=op.f("uq_accounts_owner_id_currency")),
        sa.CheckConstraint(
            "balance_minor BETWEEN -999999999999999999 AND 999999999999999999",
            name=op.f("ck_accounts_balance_in_range"),
        ),
        sa.CheckConstraint(
            "owner_id IS NULL OR balance_minor >= 0", name=op.f("ck_accounts_only_the_house_owes")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_accounts_owner_id_users")
        ),
    )
    op.create_index(op.f("ix_accounts_created_at_id"), "accounts", ["created_at", "id"])
    op.create_index(
        op.f("ix_accounts_currency_created_at_id"), "accounts", ["currency", "created_at", "id"]
    )
    op.create_index(
        "uq_accounts_house",
        "accounts",
        ["currency"],
        unique=True,
        sqlite_where=sa.text("owner_id IS NULL"),
        postgresql_where=sa.text("owner_id IS NULL"),
    )

    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("memo", text(200), nullable=True),
        sa.Column("reference", text(200), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["users.id"], name=op.f("fk_transfers_actor_id_users")
        ),
    )
    op.create_index(op.f("ix_transfers_actor_id"), "transfers", ["actor_id"])

    op.create_table(
        "entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint(
            "transfer_id", "position", name=op.f("uq_entries_transfer_id_position")
        ),
        sa.CheckConstraint("position IN (1, 2)", name=op.f("ck_entries_two_positions")),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_entries_amount_not_zero")),
        sa.CheckConstraint(
            "balance_after_minor BETWEEN -999999999999999999 AND 999999999999999999",
            name=op.f("ck_entries_balance_after_in_range"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_entries_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_entries_transfer_id_transfers")
        ),
    )
    op.create_index(op.f("ix_entries_account_id_at_id"), "entries", ["account_id", "at", "id"])


def downgrade() -> None:
    op.drop_table("entries")
    op.drop_table("transfers")
    op.drop_table("accounts")
