from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Uuid,
    and_,
    delete,
    select,
    tuple_,
    update,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from application.shared.errors import Busy
from application.shared.idempotency import Answer, KeyInUse, RequestKey
from infrastructure.sql.schema import Json, UtcDateTime, metadata, text
from infrastructure.sql.session import insert_into, removed

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller_id", Uuid, primary_key=True),
    Column("method", text(10), primary_key=True),
    Column("path", text(500), primary_key=True),
    Column("key", text(255), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("request_hash", LargeBinary),
    Column("status", Integer),
    Column("headers", Json),
    Column("body", LargeBinary),
    Index(None, "expires_at"),
)
_column = idempotency_keys.c
_PRIMARY_KEY: Final = tuple(idempotency_keys.primary_key.columns)


class SqlIdempotencyKeys:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def claim(self, key: RequestKey, *, at: datetime) -> Answer | None:
        # Whoever inserts the row first makes the others wait here for the end of its transaction;
        # a row that has expired is taken over as if it were not there.
        # Whatever else there is to wait for, SQLite's only write lock above all, comes before it.
        await self._session.connection()
        fresh = {
            "expires_at": at,
            "request_hash": None,
            "status": None,
            "headers": None,
            "body": None,
        }
        claim = (
            insert_into(self._session, idempotency_keys)
            .values(**_identity(key), **fresh)
            .on_conflict_do_update(
                index_elements=idempotency_keys.primary_key.columns,
                set_=fresh,
                where=_column.expires_at <= at,
            )
        )
        try:
            claimed: CursorResult[Any] = await self._session.execute(claim)  # type: ignore[assignment]
        except Busy as late:
            raise KeyInUse from late
        if claimed.rowcount:
            return None
        row = (await self._session.execute(select(idempotency_keys).where(_is(key)))).one()
        return Answer(
            request_hash=row.request_hash,
            status=row.status,
            headers=tuple((name, value) for name, value in row.headers),
            body=row.body,
        )

    async def keep(self, key: RequestKey, answer: Answer, *, until: datetime) -> None:
        await self._session.execute(
            update(idempotency_keys)
            .where(_is(key))
            .values(
                expires_at=until,
                request_hash=answer.request_hash,
                status=answer.status,
                headers=[list(header) for header in answer.headers],
                body=answer.body,
            )
        )

    async def purge(self, *, at: datetime, most: int) -> int:
        # Whoever takes an expired key over in this moment keeps it.
        expired = (
            select(*_PRIMARY_KEY)
            .where(_column.expires_at <= at)
            .order_by(_column.expires_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        return await removed(
            self._session, delete(idempotency_keys).where(tuple_(*_PRIMARY_KEY).in_(expired))
        )


def _identity(key: RequestKey) -> dict[str, Any]:
    return {
        "caller_id": key.caller_id,
        "method": key.method,
        "path": key.path,
        "key": key.key,
    }


def _is(key: RequestKey) -> Any:
    return and_(*(_column[name] == value for name, value in _identity(key).items()))
