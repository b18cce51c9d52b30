import asyncio
import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from application.shared.errors import StorageFailure
from infrastructure.sql.migrating import Migrations

_SECONDS_KEPT: Final = 1.0
_PATIENCE: Final = 1.0  # seconds
_SILENT: Final = "the database does not answer"


class SchemaReadiness:
    """
    Whether the database answers, with a schema that serves this code; kept for a second.

    The engine is its own: whether others have to wait for a connection says nothing of that.
    """

    def __init__(self, engine: AsyncEngine, migrations: Migrations) -> None:
        self._engine = engine
        self._migrations = migrations
        self._asking: asyncio.Task[str | None] | None = None
        self._answered = float("-inf")

    async def __call__(self) -> str | None:
        """The reason why it is not ready, or None."""
        asking = self._asking
        if asking is None or (asking.done() and time.monotonic() - self._answered > _SECONDS_KEPT):
            asking = self._asking = asyncio.create_task(self._ask())
        # Who does not answer in time is asked no second question before, and may still answer.
        await asyncio.wait((asking,), timeout=_PATIENCE)
        return asking.result() if asking.done() else _SILENT

    async def _ask(self) -> str | None:
        try:
            async with self._engine.connect() as connection:
                return await connection.run_sync(self._migrations.objection_to)
        except StorageFailure:
            return _SILENT
        finally:
            self._answered = time.monotonic()
