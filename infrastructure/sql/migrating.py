"""Which revision the schema of a database is at, and how to bring it to another."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    Connection,
    NullPool,
    String,
    column,
    create_engine,
    inspect,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from application.shared.errors import StorageFailure
from infrastructure.sql.full_text import VIRTUAL
from infrastructure.sql.mapping import TABLES
from infrastructure.sql.planning import PendingStep, locks, sizes

T = TypeVar("T")
Report = Callable[[str], object]

SCRIPTS: Final = Path(__file__).parents[2] / "migrations"
CONNECT_WITHIN: Final = 10  # seconds
# Beside the revision: the oldest that a version may need and yet work with this schema.
VERSIONS: Final = table("alembic_version", column("serves_since", String))
SERVES_SINCE_IS_THERE_SINCE: Final = "0010"
_COMPARISON: Final[dict[str, Any]] = {
    "target_metadata": TABLES[0].metadata,
    "compare_type": True,
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
}


# On SQLite.
_VIRTUAL_TABLES: Final = {table.name: table for table in TABLES if VIRTUAL in table.info}


def _is_no_virtual_table(name: str | None, kind: str, _: object) -> bool:
    # SQLite shows a virtual table, and those that it is kept in, among the others.
    return kind != "table" or not str(name).startswith((*_VIRTUAL_TABLES,))


def _is_no_part_of_one(thing: object, name: str | None, kind: str, _: bool, __: object) -> bool:
    table = thing if kind == "table" else getattr(thing, "table", None)
    return table not in _VIRTUAL_TABLES.values()


_WITHOUT_VIRTUAL_TABLES: Final = {
    "include_name": _is_no_virtual_table,
    "include_object": _is_no_part_of_one,
}


# What an upgrade that was broken off may leave on PostgreSQL.
_UNFINISHED: Final = """
    SELECT 'build anew index ' || relname FROM pg_index JOIN pg_class ON oid = indexrelid
    WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'validate constraint ' || conname FROM pg_constraint
    WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
"""


def comparison(dialect: str) -> dict[str, Any]:
    """How the models are compared with a database; Alembic's command line does it the same way."""
    return _COMPARISON if dialect != "sqlite" else {**_COMPARISON, **_WITHOUT_VIRTUAL_TABLES}


_FAILURES: Final = (
    CommandError,
    SQLAlchemyError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class MigrationFailed(StorageFailure):
    """The schema was left as it was, or at the last step that was reported; one line says why."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A step in the history of the schema. `applied`: the database has it, or a later one."""

    revision: str
    title: str
    applied: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class SchemaCheck:
    """
    What the database is at, and what this code needs. `behind`: an upgrade brings it there.
    `differences` tells what would have to be done to get from the tables to the models; at another
    revision nothing is compared.
    """

    current: str | None
    head: str
    behind: bool = False
    differences: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return self.current == self.head and not self.differences


def oldest_served(history: Iterable[Script]) -> str:
    """What the oldest version needs that works with the schema; the newest revision comes first."""
    for step in history:
        if not step.module.expands:
            break
    return step.revision


def _to_nobody(_: str) -> None:
    """For those who want no report."""


class Migrations:
    """
    The schema of one database, for synchronous callers: inside a running event loop, call these
    methods from another thread. All but `head` raise MigrationFailed.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)

    @cached_property
    def head(self) -> str:
        """The revision that this code needs."""
        head = self._scripts.get_current_head()
        if head is None:
            raise CommandError("there is no revision at all")
        return head

    def upgrade(
        self, revision: str = "head", sql: bool = False, report: Report = _to_nobody
    ) -> None:
        """Bring the schema to `revision`. `report` gets a line per step, or the script if `sql`."""
        self._run(command.upgrade, revision, sql, report)

    def upgrade_file(self, report: Report = _to_nobody) -> None:
        """
        Bring an SQLite file that is behind to the newest revision, all or nothing. If there was
        something in it, it stays as it was in a file beside it, named after its revision.
        """
        current = self.current()
        if not self._is_behind(current):
            return
        if current is not None:
            report(f"kept as it was at {current}: {self._ask(_keep_copy)}")
        self.upgrade(report=report)

    def downgrade(self, revision: str, sql: bool = False, report: Report = _to_nobody) -> None:
        """Bring the schema back to `revision`; `sql` takes a range, `0002:0001`."""
        self._run(command.downgrade, revision, sql, report)

    def current(self) -> str | None:
        """The revision of the database, None before the first; it is not created by asking."""
        return None if self._is_missing_file() else self._ask(_revision)

    def objection(self) -> str | None:
        """Why this version cannot work with the database, None if it can."""
        return self._against(None) if self._is_missing_file() else self._ask(self.objection_to)

    def objection_to(self, connection: Connection) -> str | None:
        """The same, of the database that is connected."""
        there = _revision(connection)
        if there == self.head:
            return None
        if (
            there is not None
            and there not in self._known
            and _serves_since(connection) in self._known
        ):
            return None  # those who brought it further than we know have thought of us
        return self._against(there)

    def _against(self, there: str | None) -> str:
        return f"the schema is at {there or 'nothing'}, this version needs {self.head}"

    def is_behind(self) -> bool:
        """Whether an upgrade would bring the schema to where this code needs it."""
        return self._is_behind(self.current())

    def check(self) -> SchemaCheck:
        """Compare the database with what this code needs."""
        current = self.current()
        if current != self.head:
            return SchemaCheck(current, self.head, behind=self._is_behind(current))
        return SchemaCheck(current, self.head, differences=self._ask(_differences))

    def history(self) -> list[Revision]:
        """Every revision, the oldest first."""
        current = self.current()
        start = current if current in self._known else "base"
        applied = {step.revision for step in self._scripts.iterate_revisions(start, "base")}
        return [
            Revision(
                revision=step.revision,
                title=step.doc,
                applied=step.revision in applied,
                is_current=step.revision == current,
            )
            for step in self._known.values()
        ]

    def plan(self) -> list[PendingStep]:
        """What an upgrade to the newest revision would do."""
        current = self.current()
        if current is not None and current not in self._known:
            raise MigrationFailed(self._against(current))
        pending = [*self._scripts.iterate_revisions("head", current or "base")][::-1]
        known_sizes = {} if self._is_missing_file() else self._ask(sizes)
        works = current is not None
        plan = []
        for step in pending:
            works_before, works = works, works and step.module.expands
            plan.append(
                PendingStep(
                    step.revision,
                    step.doc,
                    locks(step, known_sizes, of_file=self._is_sqlite),
                    step.module.rewrites,
                    works_before,
                    works,
                    self._script_of(step),
                )
            )
        return plan

    def _script_of(self, step: Script) -> str:
        """The SQL of one step, without the settings in front of it."""
        parts: list[str] = []
        start = step.down_revision
        self.upgrade(f"{start}:{step.revision}" if start else step.revision, True, parts.append)
        _, begin, rest = "".join(parts).partition("BEGIN;")
        return (begin + rest).strip()

    def _is_behind(self, current: str | None) -> bool:
        return current != self.head and (current is None or current in self._known)

    @cached_property
    def _known(self) -> dict[str, Script]:
        """The oldest first."""
        newest_first = list(self._scripts.walk_revisions())
        return {step.revision: step for step in reversed(newest_first)}

    @cached_property
    def _scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self._config())

    def _config(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["database_url"] = self._url
        return config

    def _is_missing_file(self) -> bool:
        file = self._url.database or ""
        return self._is_sqlite and not file.startswith("file:") and not Path(file).exists()

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _ask(self, question: Callable[[Connection], T]) -> T:
        with _failures():
            if not self._is_sqlite:
                return asyncio.run(self._ask_server(question))
            engine = create_engine(self._url.set(drivername="sqlite"), poolclass=NullPool)
            with engine.connect() as connection:
                return question(connection)

    async def _ask_server(self, question: Callable[[Connection], T]) -> T:
        engine = create_async_engine(
            self._url, poolclass=NullPool, connect_args={"timeout": CONNECT_WITHIN}
        )
        async with engine.connect() as connection:
            return await connection.run_sync(question)

    def _run(
        self,
        migrate: Callable[[Config, str, bool], None],
        revision: str,
        sql: bool,
        report: Report,
    ) -> None:
        config = self._config()
        config.attributes["report"] = report
        config.output_buffer = script = StringIO()
        with _failures():
            migrate(config, revision, sql)
        if sql:
            report(script.getvalue())


def _revision(connection: Connection) -> str | None:
    heads = MigrationContext.configure(connection).get_current_heads()
    return ", ".join(sorted(heads)) or None


def _keep_copy(connection: Connection) -> Path:
    file = connection.scalar(text("SELECT file FROM pragma_database_list WHERE name = 'main'"))
    copy = Path(f"{file}.{_revision(connection)}")
    unfinished = Path(f"{copy}.{os.getpid()}")
    connection.rollback()
    connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        connection.execute(text("VACUUM INTO :file"), {"file": str(unfinished)})
        return unfinished.replace(copy)
    finally:
        unfinished.unlink(missing_ok=True)


def _serves_since(connection: Connection) -> str | None:
    columns = inspect(connection).get_columns(VERSIONS.name)
    if not any(found["name"] == "serves_since" for found in columns):
        return None
    return connection.scalar(select(VERSIONS.c.serves_since))


def _differences(connection: Connection) -> tuple[str, ...]:
    dialect = connection.dialect.name
    if dialect == "postgresql" and (left := connection.scalars(text(_UNFINISHED)).all()):
        return (*left,)
    options = comparison(dialect)
    context = MigrationContext.configure(connection, opts=options)
    found = compare_metadata(context, options["target_metadata"])
    if dialect == "sqlite":
        there = inspect(connection)
        missing = [name for name in _VIRTUAL_TABLES if not there.has_table(name)]
        found = [*found, *(("add_table", _VIRTUAL_TABLES[name]) for name in missing)]
    # What concerns one column comes as a list of its own.
    flat = (one for some in found for one in (some if isinstance(some, list) else [some]))
    return tuple(_in_words(*difference) for difference in flat)


def _in_words(kind: str, *parts: Any) -> str:
    names = (getattr(part, "name", part) for part in parts if not isinstance(part, dict))
    return " ".join([kind.replace("_", " "), *(str(name) for name in names if name is not None)])


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        reason = error.driver_exception if isinstance(error, DBAPIError) else error
        first, *_ = str(reason).splitlines() or [type(reason).__name__]
        raise MigrationFailed(first) from error
