"""a short list of what is to be indexed for searching, instead of none

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
locks = {"product_search": "ACCESS EXCLUSIVE"}
rewrites: tuple[str, ...] = ()
expands = True


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "ALTER INDEX ix_product_search_words"
            " SET (fastupdate = on, gin_pending_list_limit = 64)"  # KiB
        )


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER INDEX ix_product_search_words RESET (gin_pending_list_limit)")
        op.execute("ALTER INDEX ix_product_search_words SET (fastupdate = off)")
