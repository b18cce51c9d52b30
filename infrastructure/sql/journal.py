from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from infrastructure.event_log import Journal
from infrastructure.sql.catalog.mapping import stock_movements
from infrastructure.sql.catalog.stock import movement_row
from infrastructure.sql.outbox import entry_row, outbox


async def write_journal(session: AsyncSession, journal: Journal) -> None:
    """Store what happened in the transaction in which it happened."""
    if journal.events:
        await session.execute(insert(outbox), [*map(entry_row, journal.events)])
    if journal.movements:
        await session.execute(insert(stock_movements), [*map(movement_row, journal.movements)])
