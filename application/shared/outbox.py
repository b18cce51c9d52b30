from collections.abc import Callable, Mapping, Sequence
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


# Told of what this process has committed, right after. For what is kept in this process only: what
# must not be missed is read from the outbox; so is what was settled or added in bulk before.
Listener = Callable[[Sequence[OutboxEntry]], None]


def nobody(_: Sequence[OutboxEntry]) -> None:
    """Listens to nothing."""
