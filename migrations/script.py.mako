"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
# Of the tables that are there before: the strongest lock on each, if it is more than a writer's.
locks: dict[str, str] = {}
rewrites: tuple[str, ...] = ()  # those whose every row is written anew
expands = False  # whether the version before works with what is there afterwards


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
