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
from domain.accounts.account import LARGEST_BALANCE, Account, AccountExists
from domain.accounts.transfer import MEMO_LENGTH, REFERENCE_LENGTH, Entry, Transfer
from domain.shared.money import Money
from infrastructure.sql.schema import (
    VIOLATIONS,
    CurrencyCode,
    UtcDateTime,
    aggregate_columns,
    mappers,
    metadata,
    text,
)

accounts = Table(
    "accounts",
    metadata,
    *aggregate_columns(),
    Column("owner_id", ForeignKey("users.id")),
    Column("balance_minor", BigInteger, nullable=False),
    Column("currency", CurrencyCode, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("owner_id", "currency"),
    Index(None, "created_at", "id"),
    Index(None, "currency", "created_at", "id"),
    CheckConstraint(
        f"balance_minor BETWEEN -{LARGEST_BALANCE} AND {LARGEST_BALANCE}", name="balance_in_range"
    ),
    CheckConstraint("owner_id IS NULL OR balance_minor >= 0", name="only_the_house_owes"),
)
# No two NULLs are equal to the constraint above.
Index(
    "uq_accounts_house",
    accounts.c.currency,
    unique=True,
    sqlite_where=accounts.c.owner_id.is_(None),
    postgresql_where=accounts.c.owner_id.is_(None),
)

transfers = Table(
    "transfers",
    metadata,
    *aggregate_columns(),
    Column("memo", text(MEMO_LENGTH)),
    Column("reference", text(REFERENCE_LENGTH)),
    Column("actor_id", ForeignKey("users.id"), index=True),
    Column("created_at", UtcDateTime, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("transfer_id", ForeignKey("transfers.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("balance_after_minor", BigInteger, nullable=False),
    Column("currency", CurrencyCode, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("transfer_id", "position"),
    Index(None, "account_id", "at", "id"),
    CheckConstraint("position IN (1, 2)", name="two_positions"),
    CheckConstraint("amount_minor <> 0", name="amount_not_zero"),
    CheckConstraint(
        f"balance_after_minor BETWEEN -{LARGEST_BALANCE} AND {LARGEST_BALANCE}",
        name="balance_after_in_range",
    ),
)

# Two who need a house account at once open it at once: the one who collides will find the other's.
VIOLATIONS.update(
    {"uq_accounts_owner_id_currency": AccountExists, "uq_accounts_house": NameCollision}
)


def map_accounts() -> None:
    mappers.map_imperatively(
        Account,
        accounts,
        version_id_col=accounts.c.version,
        properties={
            "_balance_minor": accounts.c.balance_minor,
            "_currency": accounts.c.currency,
            "balance": composite(Money, "_balance_minor", "_currency"),
        },
    )
    mappers.map_imperatively(
        Entry,
        entries,
        properties={
            "_amount_minor": entries.c.amount_minor,
            "_balance_after_minor": entries.c.balance_after_minor,
            "_currency": entries.c.currency,
            "amount": composite(Money, "_amount_minor", "_currency"),
            "balance_after": composite(Money, "_balance_after_minor", "_currency"),
        },
    )
    mappers.map_imperatively(
        Transfer,
        transfers,
        version_id_col=transfers.c.version,
        properties={
            "entries": relationship(
                Entry,
                order_by=entries.c.position,
                cascade="all, delete-orphan",
                lazy="selectin",
            ),
        },
    )
