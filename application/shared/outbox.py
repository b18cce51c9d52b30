from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """An event as it waits to be told: `payload` is JSON, `sequence` its place in the aggregate."""

    id: UUID
    type: str
    aggregate_id: UUID
    sequence: int
    payload: Mapping[str, Any]
    at: datetime
