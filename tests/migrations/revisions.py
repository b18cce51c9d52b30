"""Revisions for one test, on tables that are not the shop's."""

from pathlib import Path
from textwrap import indent
from typing import Final

PARENT_AND_CHILDREN: Final = """\
op.create_table(
    "parent",
    sa.Column("id", sa.Integer, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("id", name="pk_parent"),
    sa.UniqueConstraint("rank", name="uq_parent_rank"),
    sa.CheckConstraint("rank > 0", name=op.f("ck_parent_rank_positive")),
)
for action in ("CASCADE", "SET NULL"):
    name = f"child_{action[0].lower()}"
    op.create_table(
        name,
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("parent_id", sa.Integer, nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["parent.id"], name=f"fk_{name}_parent_id_parent", ondelete=action
        ),
    )
for number in (1, 2, 3):
    op.execute(f"INSERT INTO parent VALUES ({number}, {number})")
    op.execute(f"INSERT INTO child_c VALUES ({number}, {number})")
    op.execute(f"INSERT INTO child_s VALUES ({number}, {number})")
"""
NEW_COLUMN: Final = """\
with op.batch_alter_table("parent", recreate="always") as parent:
    parent.add_column(sa.Column("name", sa.String(20)))
"""
ORPHANS: Final = 'op.execute("DELETE FROM parent WHERE id = 2")'
NEW_TABLE: Final = 'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))'
FAILURE: Final = 'op.execute("INSERT INTO no_such_table VALUES (1)")'
INDEX: Final = """\
with op.get_context().autocommit_block():
    op.create_index("ix_first_id", "first", ["id"], postgresql_concurrently=True)
"""

_FRAME: Final = '''\
"""{title}"""

import sqlalchemy as sa
from alembic import op

from migrations import online

revision = "{revision}"
down_revision = {previous!r}
expands = True


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
    raise NotImplementedError
'''


def write(folder: Path, *, after: str | None = None, **steps: str) -> Path:
    """The folder, with a revision per step in it: its name, and the body of its upgrade."""
    previous = after
    for revision, upgrade in steps.items():
        text = _FRAME.format(
            title=f"step {revision}",
            revision=revision,
            previous=previous,
            upgrade=indent(upgrade, "    "),
        )
        (folder / f"{revision}.py").write_text(text, encoding="utf-8")
        previous = revision
    return folder
