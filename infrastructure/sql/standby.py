import asyncio
import logging
import time
from typing import Final

import asyncpg
from sqlalchemy import literal_column, select

from application.shared.errors import StorageFailure
from infrastructure.sql.reading import Query, Reader

log = logging.getLogger(__name__)

PATIENCE: Final = 0.25  # seconds, as all times here
PAUSE: Final = 0.002
REST: Final = 1.0

# Positions in the write-ahead log, in bytes. A standby that was promoted has none, as none follows.
_FLUSHED = Query(
    select(literal_column("pg_current_wal_flush_lsn() - pg_lsn '0/0'").label("position"))
)
_REPLAYED = Query(
    select(literal_column("pg_last_wal_replay_lsn() - pg_lsn '0/0'").label("position")).where(
        literal_column("pg_is_in_recovery()")
    )
)


class Standby:
    """
    A copy of the database, fit to be read as long as it has all that was committed before.

    One question at a time is asked for everybody who wants to know. A copy that is away or falls
    behind has a rest, in which nobody waits for it.
    """

    def __init__(self, primary: Reader, copy: Reader) -> None:
        self._primary = primary
        self._copy = copy
        self._running: asyncio.Task[bool] | None = None
        self._next: asyncio.Task[bool] | None = None
        self._comparing: asyncio.Task[str | None] | None = None
        self._resting_until = float("-inf")
        self._reason: str | None = None

    async def has_caught_up(self) -> bool:
        """Whether it has everything that was committed, by whomever, when this was asked."""
        if time.monotonic() < self._resting_until:
            return False
        if self._next is None:
            self._next = asyncio.create_task(self._ask(after=self._running))
        return await asyncio.shield(self._next)

    async def _ask(self, after: asyncio.Task[bool] | None) -> bool:
        if after is not None:
            await asyncio.wait([after])
        # Whoever comes from here on may know of what the answer does not.
        self._running, self._next = self._next, None
        reason = await self._reason_against()
        if reason is not None:
            self._resting_until = time.monotonic() + REST
        if reason is None and self._reason is not None:
            log.info("the standby is read again")
        elif reason != self._reason:
            log.warning("the standby is not read: %s", reason)
        self._reason = reason
        return reason is None

    async def _reason_against(self) -> str | None:
        """Why it is not to be read, or None."""
        # Not cut off when it takes too long: the driver would wait for the server to agree.
        if self._comparing is None or self._comparing.done():
            self._comparing = asyncio.create_task(self._compare())
            await asyncio.wait([self._comparing], timeout=PATIENCE)
        return self._comparing.result() if self._comparing.done() else "it does not answer"

    async def _compare(self) -> str | None:
        deadline = time.monotonic() + PATIENCE
        try:
            [flushed] = await self._primary.rows(_FLUSHED)
            while time.monotonic() < deadline:
                replayed = await self._copy.rows(_REPLAYED)
                if not replayed:
                    return "it was promoted"
                if replayed[0].position >= flushed.position:
                    return None
                await asyncio.sleep(PAUSE)
        except (StorageFailure, asyncpg.PostgresError) as error:
            return str(error)
        return f"it is more than {PATIENCE:g} s behind"
