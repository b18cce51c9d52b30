"""whether what has a tag is on sale; the words of SQLite's search in the order of the products

Revision ID: 0011
Revises: 0010
"""

from alembic import op

from migrations import online

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
locks = {"product_tags": "ACCESS EXCLUSIVE"}
rewrites: tuple[str, ...] = ()
expands = True  # what a version without the column writes only makes the tags' counts wrong

INDEX = "ix_product_tags_slug_on_sale"
COLUMNS = ["slug", "on_sale"]
ROOM = 1 << 20


def upgrade() -> None:
    default = "1" if op.get_context().dialect.name == "sqlite" else "true"
    online.add_column("product_tags", "on_sale", f"BOOLEAN DEFAULT {default} NOT NULL", {})
    online.create_index(INDEX, "product_tags", COLUMNS)
    if op.get_context().dialect.name == "sqlite":
        _put_words_in_order()
    op.execute(
        "UPDATE product_tags SET on_sale = false WHERE product_id IN"
        " (SELECT id FROM products WHERE deleted_at IS NOT NULL OR NOT is_active)"
    )


def downgrade() -> None:
    # The words may stay in order.
    op.drop_index(INDEX, "product_tags")
    op.drop_column("product_tags", "on_sale")


def _put_words_in_order() -> None:
    op.execute(
        "CREATE TEMPORARY TABLE words AS"
        " SELECT product_id, name, description FROM product_search ORDER BY product_id"
    )
    op.execute("DELETE FROM product_search")
    op.execute(
        "INSERT INTO product_search (rowid, product_id, name, description)"  # noqa: S608
        f" SELECT {ROOM} * rowid, product_id, name, description FROM words ORDER BY rowid"
    )
    op.execute("DROP TABLE words")
