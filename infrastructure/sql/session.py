from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Delete,
    Select,
    Table,
    any_,
    event,
    inspect,
    literal,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import InstanceState, Session, SessionTransaction
from sqlalchemy.orm.exc import StaleDataError

from application.shared.errors import StaleWrite
from domain.shared.aggregate import Aggregate
from infrastructure.sql.inserting import add_new, drop_new, store_new

T = TypeVar("T")

# Read where SQLite begins; PostgreSQL does not mind.
_WRITES: Final = {"sqlite_begin": "IMMEDIATE"}


class AggregateSession(Session):
    """
    A session that keeps alive every aggregate it has met, so no recorded event is collected, and
    that says StaleWrite whenever it finds that it was overtaken, be it on the way to a query.
    """

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        try:
            store_new(self)
            super().flush(objects)
        except StaleDataError as stale:
            raise StaleWrite from stale


@event.listens_for(AggregateSession, "detached_to_persistent")
@event.listens_for(AggregateSession, "transient_to_pending")
@event.listens_for(AggregateSession, "loaded_as_persistent")
def _hold(session: Session, entity: object) -> None:
    if isinstance(entity, Aggregate):
        session.info.setdefault("aggregates", {})[id(entity)] = entity


def open_session(engine: AsyncEngine) -> AsyncSession:
    return AsyncSession(
        engine,
        expire_on_commit=False,
        sync_session_class=AggregateSession,
        execution_options=_WRITES,
    )


def add_at_once(session: AsyncSession, aggregate: Aggregate) -> None:
    """Add one of a kind that comes in numbers and belongs to nothing that is added as well."""
    add_new(session.sync_session, aggregate)
    _hold(session.sync_session, aggregate)


@event.listens_for(AggregateSession, "after_soft_rollback")
def _drop(session: Session, _: SessionTransaction) -> None:
    drop_new(session)


def aggregates(session: AsyncSession) -> list[Aggregate]:
    return [*session.info.get("aggregates", {}).values()]


def forget(session: AsyncSession) -> None:
    """Let go of everything that was got or added; it has to be flushed."""
    session.expunge_all()
    session.info.pop("aggregates", None)


async def reload_expired(session: AsyncSession) -> None:
    """A rollback expires what it touched, and an async session cannot load lazily."""
    for entity in aggregates(session):
        state = inspect(entity, raiseerr=True)
        if entity in session and state.expired_attributes:
            row = await session.get(type(entity), state.identity, populate_existing=True)
            if row is None:  # it came with what was rolled back
                session.expunge(entity)


async def found(session: AsyncSession, statement: Select[T], *, lock: bool) -> T | None:
    """The one entity that the statement selects, locked and as it is now if `lock` is wanted."""
    return (await session.scalars(locking(statement) if lock else statement)).one_or_none()


def locking(statement: Select[Any]) -> Select[Any]:
    # NO KEY UPDATE, which lets others insert rows that refer to this one.
    return statement.with_for_update(key_share=True).execution_options(populate_existing=True)


def insert_into(session: AsyncSession, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what to do about a conflict."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


async def insert_if_absent(session: AsyncSession, table: Table, row: Mapping[str, Any]) -> None:
    await session.execute(insert_into(session, table).values(**row).on_conflict_do_nothing())


def one_of(session: AsyncSession, column: Column[T], values: Iterable[T]) -> ColumnElement[bool]:
    """Whether it is one of them; to PostgreSQL they are one parameter, however many they are."""
    if session.get_bind().dialect.name == "sqlite":
        return column.in_({*values})
    return column == any_(literal([*{*values}], ARRAY(column.type)))


def changed(session: Session, kind: type[T], *names: str) -> list[T]:
    """What is stored already and of which some of these attributes have changed."""
    return [
        entity
        for entity in session.dirty
        if isinstance(entity, kind)
        and any(_has_changed(inspect(entity, raiseerr=True), name) for name in names)
    ]


def _has_changed(state: InstanceState[Any], name: str) -> bool:
    # What is in there has been set at least, which most has not: its history takes much longer.
    return name in state.committed_state and state.attrs[name].history.has_changes()


async def removed(session: AsyncSession, statement: Delete) -> int:
    """How many rows the statement has removed."""
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    return result.rowcount
