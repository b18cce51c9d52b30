from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint, Uuid, insert
from sqlalchemy.ext.asyncio import AsyncSession

from application.shared.outbox import OutboxEntry
from infrastructure.sql.schema import Json, UtcDateTime, metadata, text

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("type", text(100), nullable=False),
    Column("aggregate_id", Uuid, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("payload", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("aggregate_id", "sequence"),
    Index(None, "at", "id"),
)


async def append(session: AsyncSession, entries: Sequence[OutboxEntry]) -> None:
    if entries:
        await session.execute(insert(outbox), [asdict(entry) for entry in entries])
