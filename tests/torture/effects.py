"""What is in the database, held against what the clients were told."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.torture.patience import Diary

# The key in each thing that was made (see tests.turmoil.clients.MARK), by what it was posted to.
KEYS: Final = {
    "orders": "SELECT note FROM orders",
    "payments": "SELECT reference FROM payments",
    "refunds": "SELECT reason FROM refunds",
    "transitions": "SELECT payload ->> 'reason' FROM outbox WHERE type IN"
    " ('order.confirmed', 'order.shipped', 'order.delivered', 'order.cancelled')",
    "transfers": "SELECT memo FROM transfers",
    "deposits": "SELECT reference FROM transfers",
    "stock": "SELECT reason FROM stock_movements WHERE cause = 'adjustment'",
}

Effects = Mapping[str, Counter[str]]  # how often each key is found, by what it was posted to


async def effects(url: str) -> Effects:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return {
                where: Counter((await connection.scalars(text(keys))).all())
                for where, keys in KEYS.items()
            }
    finally:
        await engine.dispose()


def lost(diary: Diary, found: Effects) -> list[str]:
    """The keys of what was acknowledged and is not there, or not as it was."""
    return [
        key
        for key, answer in diary.answered.items()
        if key in diary.changed or (answer.is_success and not _count(diary, found, key))
    ]


def doubled(diary: Diary, found: Effects) -> list[str]:
    """The keys that had more than one effect or, where they were refused, one."""
    return [
        key
        for key in diary.sent
        if _count(diary, found, key)
        > (1 if key not in diary.answered or diary.answered[key].is_success else 0)
    ]


def _count(diary: Diary, found: Effects, key: str) -> int:
    return found[diary.sent[key].url.path.rpartition("/")[2]][key]
