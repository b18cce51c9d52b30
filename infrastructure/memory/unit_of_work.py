from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

from application.accounts.ports import Accounts, Transfers
from application.catalog.ports import Categories, Products, Tags
from application.content.ports import Posts
from application.identity.ports import AttemptCounts, Sessions, Users
from application.notifications.ports import Notifications
from application.ordering.ports import Orders, Payments, Refunds
from application.shared.errors import Busy
from application.shared.idempotency import Answer, IdempotencyKeys, KeyInUse, RequestKey
from application.shared.outbox import Listener, nobody
from infrastructure.event_log import EventLog
from infrastructure.memory import accounts, content, identity, notifications, ordering
from infrastructure.memory.catalog import repositories as catalog
from infrastructure.memory.database import MemoryDatabase, MemorySession, StoredAnswer


def open_shop(*, lock_timeout: float = 2.0) -> MemoryDatabase:
    """An empty shop in this process, with the constraints that the SQL schema declares."""
    return MemoryDatabase(
        [
            *identity.UNIQUES,
            *catalog.UNIQUES,
            *content.UNIQUES,
            *accounts.UNIQUES,
            *ordering.UNIQUES,
        ],
        [
            *identity.REFERENCES,
            *catalog.REFERENCES,
            *content.REFERENCES,
            *accounts.REFERENCES,
            *ordering.REFERENCES,
            *notifications.REFERENCES,
        ],
        lock_timeout=lock_timeout,
    )


class MemoryIdempotencyKeys(IdempotencyKeys):
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def claim_all(
        self, keys: Iterable[RequestKey], *, at: datetime
    ) -> Mapping[RequestKey, Answer]:
        try:
            claimed = {key: await self._session.claim(key) for key in sorted(keys)}
        except Busy as late:
            raise KeyInUse from late
        return {
            key: stored.answer for key, stored in claimed.items() if stored and stored.until > at
        }

    async def keep_all(self, answers: Mapping[RequestKey, Answer], *, until: datetime) -> None:
        for key, answer in answers.items():
            self._session.keep(key, StoredAnswer(answer, until))

    async def purge(self, *, at: datetime, most: int) -> int:
        return await self._session.purge(lambda stored: stored.until <= at, most)


class MemoryUnitOfWork:
    def __init__(self, database: MemoryDatabase, listener: Listener = nobody) -> None:
        self._tell = listener
        self._session = session = MemorySession(database)
        self._log = EventLog(lambda: session.aggregates)
        self.keys: IdempotencyKeys = MemoryIdempotencyKeys(session)
        self.users: Users = identity.MemoryUsers(session)
        self.sessions: Sessions = identity.MemorySessions(session)
        self.attempts: AttemptCounts = identity.MemoryAttemptCounts(session)
        self.categories: Categories = catalog.MemoryCategories(session)
        self.tags: Tags = catalog.MemoryTags(session)
        self.products: Products = catalog.MemoryProducts(session)
        self.posts: Posts = content.MemoryPosts(session)
        self.accounts: Accounts = accounts.MemoryAccounts(session)
        self.transfers: Transfers = accounts.MemoryTransfers(session)
        self.orders: Orders = ordering.MemoryOrders(session)
        self.payments: Payments = ordering.MemoryPayments(session)
        self.refunds: Refunds = ordering.MemoryRefunds(session)
        self.notifications: Notifications = notifications.MemoryNotifications(session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    async def flush(self) -> None:
        await self._session.flush()

    async def settle(self) -> None:
        await self._session.flush()
        self._session.write(self._log.drain())
        self._session.forget()

    async def commit(self) -> None:
        journal = await self._session.commit(self._log.drain)
        self._tell(journal.events)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        await self.flush()
        with self._log.rewinding(), self._session.undoing():
            yield
            await self.flush()
