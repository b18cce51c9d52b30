from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Uuid,
    bindparam,
    delete,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from application.shared.errors import Busy
from application.shared.idempotency import Answer, IdempotencyKeys, KeyInUse, RequestKey
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
_KEEP: Final = (
    update(idempotency_keys)
    .where(*(column == bindparam(f"its_{column.name}") for column in _PRIMARY_KEY))
    .values(
        expires_at=bindparam("until"),
        **{name: bindparam(name) for name in ("request_hash", "status", "headers", "body")},
    )
)


class SqlIdempotencyKeys(IdempotencyKeys):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def claim_all(
        self, keys: Iterable[RequestKey], *, at: datetime
    ) -> Mapping[RequestKey, Answer]:
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
            .on_conflict_do_update(
                index_elements=idempotency_keys.primary_key.columns,
                set_=fresh,
                # Without an answer it was claimed for something that was refused then.
                where=or_(_column.expires_at <= at, _column.request_hash.is_(None)),
            )
            .returning(*_PRIMARY_KEY)
        )
        # In one order, so that nobody waits for somebody who waits for them.
        rows = [{**asdict(key), **fresh} for key in sorted(keys)]
        try:
            claimed = {*map(tuple, await self._session.execute(claim, rows))}
        except Busy as late:
            raise KeyInUse from late
        used = {*map(astuple, keys)} - claimed
        return await self._answers(used) if used else {}

    async def keep_all(self, answers: Mapping[RequestKey, Answer], *, until: datetime) -> None:
        if answers:
            connection = await self._session.connection()
            rows = [_answer_row(key, answer, until) for key, answer in answers.items()]
            await connection.execute(_KEEP, rows)

    async def _answers(self, used: Set[tuple[Any, ...]]) -> Mapping[RequestKey, Answer]:
        statement = select(idempotency_keys).where(tuple_(*_PRIMARY_KEY).in_([*used]))
        return {
            RequestKey(row.caller_id, row.method, row.path, row.key): Answer(
                request_hash=row.request_hash,
                status=row.status,
                headers=tuple((name, value) for name, value in row.headers),
                body=row.body,
            )
            for row in await self._session.execute(statement)
        }

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


def _answer_row(key: RequestKey, answer: Answer, until: datetime) -> Mapping[str, Any]:
    return {
        **{f"its_{name}": value for name, value in asdict(key).items()},
        "until": until,
        "request_hash": answer.request_hash,
        "status": answer.status,
        "headers": [list(header) for header in answer.headers],
        "body": answer.body,
    }
