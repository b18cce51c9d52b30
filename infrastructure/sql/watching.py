"""What those see who watch over the database."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from application.shared.errors import StorageFailure
from infrastructure.sql.outbox import outbox
from infrastructure.sql.reading import Connections, Reader

_SECONDS_KEPT: Final = 5.0
_PATIENCE: Final = 1.0  # seconds


def connections_of(engine: AsyncEngine, reader: Reader) -> Mapping[str, Connections]:
    """Those of this process, by what they are for."""
    pool = cast(QueuePool, engine.pool)
    kept = {"work": Connections(pool.size(), pool.checkedin(), pool.checkedout())}
    if reads := reader.connections():
        kept["reads"] = reads
    return kept


class Backlog:
    """Since when the oldest event waits in the outbox, as it was a few seconds ago."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._due = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._oldest: datetime | None = None

    async def __call__(self) -> datetime | None:
        """The moment; None if none waits, or while nobody could be asked."""
        if self._asking is None and time.monotonic() >= self._due:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            # A database that does not answer is no reason to see nothing of all the rest.
            await asyncio.wait({self._asking}, timeout=_PATIENCE)
        return self._oldest

    async def _ask(self) -> None:
        try:
            async with self._engine.connect() as connection:
                self._oldest = await connection.scalar(select(func.min(outbox.c.at)))
        except StorageFailure:
            self._oldest = None
        finally:
            self._due = time.monotonic() + _SECONDS_KEPT
            self._asking = None
