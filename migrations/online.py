"""
Changes to tables that are in use, on PostgreSQL in statements that keep nobody waiting for long.

Each statement is a transaction of its own, and may be done again after a failure; so these come
first in a revision, and what belongs together in one transaction after them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa
from alembic import op

# What waits for a lock makes all who come later wait for it, so it must not wait for long.
LIMITS: Final = {"lock_timeout": "500ms", "statement_timeout": "15min"}


def add_column(table: str, name: str, definition: str, checks: Mapping[str, str]) -> None:
    """Add a column and, by their names, its CHECK constraints; rows are checked without a lock."""
    if op.get_context().dialect.name == "sqlite":
        # In plain words, because Alembic would make the whole table anew.
        inline = (f" CONSTRAINT {key} CHECK ({rule})" for key, rule in checks.items())
        op.execute(f"ALTER TABLE {table} ADD COLUMN {name} {definition}{''.join(inline)}")
        return
    with op.get_context().autocommit_block():
        parts = [f"ADD COLUMN IF NOT EXISTS {name} {definition}"]
        for key, rule in checks.items():
            # It is only dropped where it is made anew, after a failure.
            parts.append(f"-- squawk-ignore ban-drop-constraint\n DROP CONSTRAINT IF EXISTS {key}")
            parts.append(f"ADD CONSTRAINT {key} CHECK ({rule}) NOT VALID")
        clauses = ",\n ".join(parts)
        op.execute(f"ALTER TABLE {table}\n {clauses}")
    with _without_limits():
        for key in checks:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {key}")


def create_index(name: str, table: str, columns: Sequence[str], where: str | None = None) -> None:
    """Create an index while rows are written."""
    condition = None if where is None else sa.text(where)
    if op.get_context().dialect.name == "sqlite":
        op.create_index(name, table, columns, sqlite_where=condition)
        return
    with _without_limits():
        # What failed half-way is an index that is kept up to date and never used.
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            name, table, columns, postgresql_where=condition, postgresql_concurrently=True
        )


@contextmanager
def _without_limits() -> Iterator[None]:
    """Outside of a transaction, for what nobody has to wait for, not even while it waits."""
    with op.get_context().autocommit_block():
        for name in LIMITS:
            op.execute(f"SET {name} = 0")
        yield
        for name, limit in LIMITS.items():
            op.execute(f"SET {name} = '{limit}'")
