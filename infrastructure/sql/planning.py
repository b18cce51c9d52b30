"""What a step of the schema's history would do to a database that is in use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alembic.script import Script
from sqlalchemy import Connection

_SIZES: Final = {
    "sqlite": "SELECT 'the file' AS name, page_count * page_size AS size"
    " FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT relname AS name, pg_total_relation_size(oid) AS size FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
}


@dataclass(frozen=True, slots=True)
class Lock:
    """What others are kept from: of a table in PostgreSQL, or of the whole file in SQLite."""

    of: str
    mode: str
    bytes: int | None  # that it takes now, with its indexes; None while it is not there


@dataclass(frozen=True, slots=True)
class PendingStep:
    """
    A revision that the database does not have. `works_before` and `works_after`: whether the
    version that the database was made for, which may be running, works with the schema then.
    """

    revision: str
    title: str
    locks: tuple[Lock, ...]
    rewrites: tuple[str, ...]  # the tables whose every row is written anew
    works_before: bool
    works_after: bool
    sql: str


def sizes(connection: Connection) -> dict[str, int]:
    """How many bytes each table takes, its indexes included; of SQLite, the file."""
    found = connection.exec_driver_sql(_SIZES[connection.dialect.name])
    return {row.name: row.size for row in found}


def locks(step: Script, sizes: Mapping[str, int], *, of_file: bool) -> tuple[Lock, ...]:
    """The locks that the revision declares; SQLite has but one."""
    declared = {"the file": "RESERVED"} if of_file else step.module.locks
    return tuple(Lock(name, mode, sizes.get(name)) for name, mode in sorted(declared.items()))
