"""the four categories of a new shop

Revision ID: 0002
Revises: 0001
"""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
locks: dict[str, str] = {}
rewrites: tuple[str, ...] = ()
expands = True

# Fixed, so that to seed again, here or in another shop, is to seed the same: UUIDv7 of that moment.
SEEDED_AT = datetime(2026, 11, 1, tzinfo=UTC)
SEEDS = (
    (UUID("01a19467-e800-7000-8000-000000000001"), "Electronics", "electronics"),
    (UUID("01a19467-e800-7000-8000-000000000002"), "Clothing", "clothing"),
    (UUID("01a19467-e800-7000-8000-000000000003"), "Books", "books"),
    (UUID("01a19467-e800-7000-8000-000000000004"), "Home & Garden", "home-garden"),
)
UNTOUCHED = 1  # the version of a row that nobody has changed since it was inserted

categories = sa.table(
    "categories",
    sa.column("id", sa.Uuid()),
    sa.column("version", sa.Integer()),
    sa.column("sequence", sa.Integer()),
    sa.column("name", sa.String()),
    sa.column("slug", sa.String()),
    sa.column("description", sa.String()),
    sa.column("parent_id", sa.Uuid()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("updated_at", sa.DateTime(timezone=True)),
)
products = sa.table("products", sa.column("category_id", sa.Uuid()))


def upgrade() -> None:
    there = categories.alias("there")
    for id_, name, slug in SEEDS:
        row = {
            "id": id_,
            "version": UNTOUCHED,
            "sequence": 0,
            "name": name,
            "slug": slug,
            "description": "",
            "created_at": SEEDED_AT,
            "updated_at": SEEDED_AT,
        }
        values = [sa.literal(value, categories.c[column].type) for column, value in row.items()]
        taken = sa.exists().where(
            sa.or_(
                there.c.id == id_,
                there.c.slug == slug,
                sa.and_(there.c.name == name, there.c.parent_id.is_(None)),
            )
        )
        op.execute(sa.insert(categories).from_select(list(row), sa.select(*values).where(~taken)))


def downgrade() -> None:
    """Take back those of the four that are still as they were, and to which nothing refers."""
    child = categories.alias("child")
    op.execute(
        sa.delete(categories).where(
            categories.c.id.in_([id_ for id_, _, _ in SEEDS]),
            categories.c.version == UNTOUCHED,
            ~sa.exists().where(child.c.parent_id == categories.c.id),
            ~sa.exists().where(products.c.category_id == categories.c.id),
        )
    )
