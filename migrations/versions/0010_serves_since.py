"""which versions can work with the schema

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
locks = {"alembic_version": "ACCESS EXCLUSIVE"}
rewrites: tuple[str, ...] = ()
expands = True


def upgrade() -> None:
    op.add_column("alembic_version", sa.Column("serves_since", sa.String(32)))


def downgrade() -> None:
    op.drop_column("alembic_version", "serves_since")
