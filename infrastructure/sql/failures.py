"""What a database error means to the application: one function, for every driver."""

import asyncio
import sqlite3
from functools import cache
from typing import Any, Final

import asyncpg
from sqlalchemy import Index, UniqueConstraint, exc

from application.shared.errors import (
    Busy,
    Deadlock,
    Demoted,
    InUse,
    Overloaded,
    SerializationFailure,
    StorageFailure,
    Unavailable,
)
from domain.shared.errors import DomainError
from infrastructure.sql.schema import VIOLATIONS, metadata

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE: Final[dict[str, type[StorageFailure]]] = {
    "40001": SerializationFailure,
    "40P01": Deadlock,
    "25006": Demoted,  # it is a standby, and cannot write
    "55P03": Busy,  # lock_timeout
    "57014": Unavailable,  # statement_timeout
    "53000": Unavailable,  # resources
    "53100": Unavailable,  # disk full
    "53200": Unavailable,  # out of memory
    "53300": Overloaded,  # too many connections
    "57P01": Unavailable,
    "57P02": Unavailable,
    "57P03": Unavailable,
    "57P05": Unavailable,
    "25P03": Unavailable,  # idle_in_transaction_session_timeout
    "58030": Unavailable,  # I/O error
}
_AWAY: Final = (OSError, asyncio.TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_FOREIGN_KEY: Final = ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY")


def meaning(error: BaseException) -> DomainError | StorageFailure | None:
    """What the error stands for, or None if it is a defect of ours."""
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return Unavailable("the connection was lost")
        return meaning(error.driver_exception)
    if isinstance(error, sqlite3.Error):
        return _meaning_of_sqlite(error)
    if isinstance(error, asyncpg.PostgresError):
        return _meaning_of_postgresql(error)
    if isinstance(error, _AWAY):
        return Unavailable("the database is away")
    return None


def _meaning_of_postgresql(error: Any) -> DomainError | StorageFailure | None:
    state: str = error.sqlstate
    if state in _BY_SQLSTATE:
        return _BY_SQLSTATE[state](state)
    if state == "23505":
        violation = VIOLATIONS.get(error.constraint_name)
        return violation() if violation else None
    if state in _FOREIGN_KEY:
        return InUse()
    if state.startswith("08"):
        return Unavailable(state)
    return None


def _meaning_of_sqlite(error: sqlite3.Error) -> DomainError | StorageFailure | None:
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy(name)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return Unavailable(name)
    if str(error).startswith("no such savepoint"):
        # It has given up the whole transaction, and what came now would be kept at once.
        return Unavailable("the transaction was given up")
    if name in _FOREIGN_KEY:
        return InUse()
    columns = str(error).removeprefix("UNIQUE constraint failed: ")
    violation = VIOLATIONS.get(_constraints_by_columns().get(columns, ""))
    return violation() if violation else None


@cache
def _constraints_by_columns() -> dict[str, str]:
    """SQLite does not name the constraint that failed, it names the columns."""
    return {
        ", ".join(f"{table.name}.{column.name}" for column in constraint.columns): str(
            constraint.name
        )
        for table in metadata.sorted_tables
        for constraint in (*table.constraints, *table.indexes)
        if isinstance(constraint, UniqueConstraint | Index)
    }
