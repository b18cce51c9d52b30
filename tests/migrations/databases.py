"""Databases to migrate: what their schema is, what is in them, and rows to put there."""

import asyncio
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from uuid import NAMESPACE_OID, uuid5

import sqlalchemy as sa
from alembic.config import Config
from sqlalchemy import Connection, NullPool
from sqlalchemy.dialects.postgresql import BYTEA, TSVECTOR
from sqlalchemy.ext.asyncio import create_async_engine

from infrastructure.sql.migrating import SCRIPTS
from tests.servers import PostgresCluster

T = TypeVar("T")

ROWS: Final = 120  # in every table that is filled
NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
# What a CHECK allows, where not every value of the column's type will do.
CHOICES: Final[dict[tuple[str, str], Sequence[str | int]]] = {
    ("users", "role"): ("customer", "staff", "admin"),
    ("entries", "position"): (1, 2),
    ("payments", "due_back_minor"): (0,),
    ("payments", "method"): ("store_credit",),
    ("payments", "status"): ("pending", "succeeded", "failed"),
    ("refund_parts", "method"): ("store_credit",),
    ("posts", "status"): ("draft", "published", "archived"),  # as one in three has no date
    ("orders", "status"): ("pending", "confirmed", "shipped", "delivered", "cancelled"),
}
# Of SQLite, the tables that are no virtual ones and hold nothing for one either.
PLAIN: Final = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"

# Table -> primary key -> column -> value.
Contents = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


class Database(Protocol):
    @property
    def url(self) -> str: ...

    def schema(self) -> list[str]:
        """Every column, constraint and index in words of SQL that do not depend on its age."""


@dataclass(frozen=True, slots=True)
class SqliteFile:
    path: Path

    @property
    def url(self) -> str:
        return f"sqlite+aiosqlite:///{self.path}"

    def schema(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            statements = connection.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
                " AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')"
            ).fetchall()
        return _in_parts(sql for (sql,) in statements)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    cluster: PostgresCluster
    name: str

    @property
    def url(self) -> str:
        return self.cluster.url(self.name)

    def schema(self) -> list[str]:
        dump = self._client("pg_dump", "--schema-only", "--exclude-table=alembic_version")
        lines = (line for line in dump.splitlines() if not line.startswith(("--", "\\")))
        return _in_parts("\n".join(lines).split(";"))

    def execute(self, script: str) -> None:
        """Run the script as an operator would."""
        self._client("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", script=script)

    def _client(self, program: str, *arguments: str, script: str | None = None) -> str:
        where = ["--host", str(self.cluster.socket_folder), "--username", "postgres", self.name]
        ended = subprocess.run(
            [self.cluster.programs / program, *arguments, *where],
            input=script,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def _in_parts(statements: Iterable[str]) -> list[str]:
    """
    The statements, sorted; each CREATE TABLE as one line per column and constraint.

    A column added later stands after the others, in SQLite with its constraints, and SQLite quotes
    names where it renames tables: nothing of that makes a difference.
    """
    parts = []
    for statement in statements:
        words = re.sub(r"\s+", " ", statement.replace('"', "")).strip()
        if table := re.match(r"CREATE TABLE (\S+) ?\((.*)\)", words):
            name, body = table.groups()
            parts += [
                f"{name}: {part.strip()}"
                for definition in _split_at_commas(body)
                for part in re.split(r"(?<=\S) (?=CONSTRAINT )", definition)
            ]
        elif words:
            parts.append(words)
    return sorted(parts)


def _split_at_commas(body: str) -> list[str]:
    """Split what is between the outer parentheses, but not what inner ones hold."""
    parts, depth = [""], 0
    for letter in body:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def alembic(url: str, revisions: Path | None = None) -> Config:
    """What Alembic needs to know, its own folder of revisions unless another is given."""
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", str(SCRIPTS))
    if revisions is not None:
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", str(revisions))
    config.attributes["database_url"] = url
    return config


def within(database: Database, work: Callable[[Connection], T]) -> T:
    """Do the work in a transaction of its own and commit it."""

    async def run() -> T:
        async with create_async_engine(database.url, poolclass=NullPool).begin() as connection:
            return await connection.run_sync(work)

    return asyncio.run(run())


def execute(database: Database, *statements: str) -> None:
    def work(connection: Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    within(database, work)


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    return within(database, lambda c: [tuple(row) for row in c.exec_driver_sql(query)])


def contents(database: Database) -> Contents:
    def read(connection: Connection) -> Contents:
        return {
            table.name: {
                tuple(row[column.name] for column in table.primary_key): dict(row)
                for row in connection.execute(sa.select(table)).mappings()
            }
            for table in _tables(connection)
        }

    return within(database, read)


def tables_of(database: Database) -> list[sa.Table]:
    """What is there to be filled."""
    return within(database, _tables)


def fill(database: Database, *, first: int = 0, tables: Sequence[sa.Table] | None = None) -> None:
    """Put ROWS rows into these tables, or every one that is there, numbered from `first`."""

    def insert(connection: Connection) -> None:
        for table in _tables(connection) if tables is None else tables:
            numbers = range(first, first + ROWS)
            values = [{c.name: _value(c, n, first) for c in table.columns} for n in numbers]
            connection.execute(sa.insert(table), values)

    within(database, insert)


def add(database: Database, table_name: str, number: int, /, **values: Any) -> Any:
    """Add a row, made like those of `fill` but for these values; returns its id."""
    return add_many(database, table_name, [values], first=number)[0]


def add_many(
    database: Database, table_name: str, given: Sequence[Mapping[str, Any]], *, first: int = 0
) -> list[Any]:
    """Add as many rows, each with its own values, all else as `add` does; returns their ids."""

    def insert(connection: Connection) -> list[Any]:
        (table,) = (table for table in _tables(connection) if table.name == table_name)
        made = [
            {c.name: _value(c, number, number) for c in table.columns if c.name not in values}
            | {**values}
            for number, values in enumerate(given, first)
        ]
        connection.execute(sa.insert(table), made)
        return [row["id"] for row in made]

    return within(database, insert)


def plain_tables(connection: Connection) -> set[str]:
    """The names of the tables of ours that are nothing but tables."""
    if connection.dialect.name == "sqlite":
        names = {name for (name,) in connection.exec_driver_sql(PLAIN)}
        names = {name for name in names if not name.startswith("sqlite_")}
    else:
        names = {*sa.inspect(connection).get_table_names()}
    return names - {"alembic_version"}


def _tables(connection: Connection) -> list[sa.Table]:
    """Parents first, as they are at the revision of the database."""
    metadata = sa.MetaData()
    metadata.reflect(connection, only=[*plain_tables(connection)])
    for thing in ("product", "post"):
        name = f"{thing}_search"
        if connection.dialect.name == "sqlite" and sa.inspect(connection).has_table(name):
            # Virtual, and so without types and keys; this is what its rows are told apart by.
            key: sa.Column[str] = sa.Column(
                f"{thing}_id", sa.ForeignKey(f"{thing}s.id"), primary_key=True
            )
            sa.Table(name, metadata, key, autoload_with=connection)
    return metadata.sorted_tables


def _value(column: sa.Column[Any], number: int, first: int) -> Any:
    for key in column.foreign_keys:
        if key.column.table is not column.table:
            return _value(key.column, number, first)
        return None if number == first else _value(key.column, number - 1, first)
    if column.nullable and number % 3 == 0:
        return None
    if choices := CHOICES.get((column.table.name, column.name)):
        return choices[number % len(choices)]
    return _value_of_type(column, number)


def _value_of_type(column: sa.Column[Any], number: int) -> Any:
    id_ = uuid5(NAMESPACE_OID, f"{column.table.name} {number}")
    match column.type:
        case sa.Uuid():
            return id_
        case sa.CHAR(length=32):  # a UUID on SQLite
            return id_.hex
        case sa.String(length=length):
            return f"{number} {column.name}"[:length]
        case sa.Boolean():
            return number % 2 == 0
        case sa.Integer():
            return number + 1
        case sa.DateTime():
            return NOON + timedelta(microseconds=number)
        case sa.JSON():
            return {"number": number}
        case sa.LargeBinary() | BYTEA():
            return bytes([0, number % 256])
        case TSVECTOR():
            return f"'{number}':1"
        case sa.types.NullType():  # a column of a virtual table
            return f"{number} {column.name}"
    raise AssertionError(f"no value is known for {column!r}")
