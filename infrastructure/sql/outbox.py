from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint, Uuid

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


def entry_row(entry: OutboxEntry) -> Mapping[str, Any]:
    return {
        "id": entry.id,
        "type": entry.type,
        "aggregate_id": entry.aggregate_id,
        "sequence": entry.sequence,
        "payload": entry.payload,
        "at": entry.at,
    }
