"""tags, stock movements, search, and an index for each order that products are listed in

Revision ID: 0004
Revises: 0003
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from migrations import online

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
locks = {"products": "ACCESS EXCLUSIVE"}
rewrites: tuple[str, ...] = ()
expands = False

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SORTED_BY = ("name", "price_minor", "created_at", "updated_at", "stock")
BATCH = 1_000

products = sa.table(
    "products",
    sa.column("id", sa.Uuid()),
    sa.column("sku", sa.String()),
    sa.column("name", sa.String()),
    sa.column("description", sa.String()),
)


def text(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    for name, columns, condition in _indexes():
        online.create_index(name, "products", columns, where=condition)

    op.create_table(
        "tags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("name", text(100), nullable=False),
        sa.Column("slug", text(200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("slug", name=op.f("uq_tags_slug")),
    )
    op.create_index(op.f("ix_tags_name_id"), "tags", ["name", "id"])

    op.create_table(
        "product_tags",
        sa.Column("slug", text(200), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("slug", "product_id", name=op.f("pk_product_tags")),
        sa.ForeignKeyConstraint(["slug"], ["tags.slug"], name=op.f("fk_product_tags_slug_tags")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_product_tags_product_id_products")
        ),
    )
    op.create_index(op.f("ix_product_tags_product_id"), "product_tags", ["product_id"])

    op.create_table(
        "stock_movements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("stock_after", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("reason", text(500), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
        sa.CheckConstraint("change <> 0", name=op.f("ck_stock_movements_something_moved")),
        sa.CheckConstraint(
            "stock_after BETWEEN 0 AND 2147483647", name=op.f("ck_stock_movements_stock_in_range")
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_stock_movements_product_id_products")
        ),
    )
    op.create_index(
        op.f("ix_stock_movements_product_id_at_id"), "stock_movements", ["product_id", "at", "id"]
    )
    _open_movements()
    if op.get_context().dialect.name == "sqlite":
        _search_in_sqlite()
    else:
        _search_in_postgresql()
    # Plainly, for both databases can add a column without making the table anew; and at the end,
    # for from then on nobody can read the table.
    op.add_column("products", sa.Column("tags", JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_table("product_search")
    op.drop_table("stock_movements")
    op.drop_table("product_tags")
    op.drop_table("tags")
    for name, _, _ in reversed(_indexes()):
        op.drop_index(name, "products")
    op.drop_column("products", "tags")


def _indexes() -> Sequence[tuple[str, list[str], str]]:
    live, deleted = "deleted_at IS NULL", "deleted_at IS NOT NULL"
    return [
        index
        for column in SORTED_BY
        for index in (
            (f"ix_products_is_active_{column}_id", ["is_active", column, "id"], live),
            (
                f"ix_products_category_id_is_active_{column}_id",
                ["category_id", "is_active", column, "id"],
                live,
            ),
            (f"ix_products_deleted_{column}", [column, "id"], deleted),
        )
    ]


def _open_movements() -> None:
    """What is in stock came there once: one movement, so that they add up from the beginning."""
    sqlite = op.get_context().dialect.name == "sqlite"
    nobody = "'00000000000000000000000000000000'" if sqlite else "'" + "0" * 32 + "'::uuid"
    new_id = "lower(hex(randomblob(16)))" if sqlite else "gen_random_uuid()"
    op.execute(
        "INSERT INTO stock_movements"  # noqa: S608 (no value comes from outside)
        " (id, product_id, change, stock_after, cause, actor_id, reason, at)"
        f" SELECT {new_id}, id, stock, stock, 'adjustment', {nobody}, 'opening stock', updated_at"
        " FROM products WHERE stock > 0"
    )


def _search_in_postgresql() -> None:
    op.create_table(
        "product_search",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_product_search")),
    )
    insert = sa.text(
        "INSERT INTO product_search (product_id, words) VALUES (:id, CAST(:words AS tsvector))"
    ).bindparams(sa.bindparam("id", type_=sa.Uuid()))
    _index(insert, lambda row: {"id": row.id, "words": _vector(row)})
    op.create_index(
        op.f("ix_product_search_words"),
        "product_search",
        ["words"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )


def _search_in_sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE product_search"
        " USING fts5(product_id, name, description, tokenize = 'ascii', detail = 'column')"
    )
    insert = sa.text(
        "INSERT INTO product_search (product_id, name, description) VALUES (:id, :name, :text)"
    )
    _index(
        insert,
        lambda row: {
            "id": row.id.hex,
            "name": " ".join(_words(row.name, row.sku)),
            "text": " ".join(_words(row.description)),
        },
    )


def _index(insert: sa.TextClause, values: Any) -> None:
    if op.get_context().as_sql:
        # A script cannot cut the words as the application does.
        op.execute("-- afterwards, or no product is found by its words: tradepost catalog reindex")
        return
    connection = op.get_bind()
    following = sa.select(products).order_by(products.c.id).limit(BATCH)
    rows = connection.execute(following).all()
    while rows:
        connection.execute(insert, [values(row) for row in rows])
        rows = connection.execute(following.where(products.c.id > rows[-1].id)).all()


def _vector(row: Any) -> str:
    weights = dict.fromkeys(_words(row.description), "D")
    for word in _words(row.name, row.sku):
        weights[word] = "A,2D" if word in weights else "A"
    return " ".join(f"'{word}':1{weight}" for word, weight in weights.items())


def _words(*texts: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", " ".join(texts)).casefold()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", folded))
    letters = "".join(
        character if character.isalnum() or unicodedata.category(character)[0] == "M" else " "
        for character in plain
        if not unicodedata.combining(character)
    )
    return list(dict.fromkeys(word[:100] for word in letters.split()))
