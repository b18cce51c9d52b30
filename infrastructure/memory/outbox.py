from datetime import datetime

from infrastructure.memory.database import MemoryDatabase


class MemoryBacklog:
    """Since when the oldest event waits in the outbox."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def __call__(self) -> datetime | None:
        return min((entry.at for entry in self._database.outbox), default=None)
