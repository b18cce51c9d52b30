import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from application.shared.errors import StorageFailure
from infrastructure.sql.migrating import Migrations

_SECONDS_KEPT: Final = 1.0


class SchemaReadiness:
    """Whether the database answers, with a schema that serves this code; kept for a second."""

    def __init__(self, engine: AsyncEngine, migrations: Migrations) -> None:
        self._engine = engine
        self._migrations = migrations
        self._asked = float("-inf")
        self._answer: str | None = None

    async def __call__(self) -> str | None:
        """The reason why it is not ready, or None."""
        if time.monotonic() - self._asked > _SECONDS_KEPT:
            self._answer = await self._ask()
            self._asked = time.monotonic()
        return self._answer

    async def _ask(self) -> str | None:
        try:
            async with self._engine.connect() as connection:
                return await connection.run_sync(self._migrations.objection_to)
        except StorageFailure:
            return "the database does not answer"
