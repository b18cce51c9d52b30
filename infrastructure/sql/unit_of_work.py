import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from application.accounts.ports import Accounts, Transfers
from application.catalog.ports import Categories, Products, Tags
from application.content.ports import Posts
from application.identity.ports import AttemptCounts, Sessions, Users
from application.notifications.ports import Notifications
from application.ordering.ports import Orders, Payments, Refunds
from application.shared.errors import StorageFailure
from application.shared.idempotency import IdempotencyKeys
from application.shared.outbox import Listener, nobody
from infrastructure.event_log import EventLog, Journal
from infrastructure.sql.accounts.repositories import SqlAccounts, SqlTransfers
from infrastructure.sql.catalog.repositories import SqlCategories, SqlProducts, SqlTags
from infrastructure.sql.content.repositories import SqlPosts
from infrastructure.sql.idempotency import SqlIdempotencyKeys
from infrastructure.sql.identity.repositories import SqlAttemptCounts, SqlSessions, SqlUsers
from infrastructure.sql.journal import write_journal
from infrastructure.sql.notifications.repositories import SqlNotifications
from infrastructure.sql.ordering.repositories import SqlOrders, SqlPayments, SqlRefunds
from infrastructure.sql.session import aggregates, forget, open_session, reload_expired


class SqlUnitOfWork:
    def __init__(self, engine: AsyncEngine, listener: Listener = nobody) -> None:
        self._tell = listener
        self._session = session = open_session(engine)
        self._log = EventLog(lambda: aggregates(session))
        self.keys: IdempotencyKeys = SqlIdempotencyKeys(session)
        self.users: Users = SqlUsers(session)
        self.sessions: Sessions = SqlSessions(session)
        self.attempts: AttemptCounts = SqlAttemptCounts(session)
        self.categories: Categories = SqlCategories(session)
        self.tags: Tags = SqlTags(session)
        self.products: Products = SqlProducts(session)
        self.posts: Posts = SqlPosts(session)
        self.accounts: Accounts = SqlAccounts(session)
        self.transfers: Transfers = SqlTransfers(session)
        self.orders: Orders = SqlOrders(session)
        self.payments: Payments = SqlPayments(session)
        self.refunds: Refunds = SqlRefunds(session)
        self.notifications: Notifications = SqlNotifications(session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Shielded: a connection must be back in the pool before anybody else gets it, and without
        # a transaction, even if the caller is cancelled in this very moment.
        await asyncio.shield(self._session.close())

    async def flush(self) -> None:
        await self._session.flush()

    async def settle(self) -> None:
        await self._write()
        forget(self._session)

    async def commit(self) -> None:
        journal = await self._write()
        await self._session.commit()
        self._tell(journal.events)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        await self.flush()
        try:
            with self._log.rewinding():
                async with self._session.begin_nested():
                    yield
                    await self.flush()
        except StorageFailure:
            raise  # there is nothing left of this unit of work to go on with
        except Exception:
            await reload_expired(self._session)
            raise

    async def _write(self) -> Journal:
        await self.flush()
        journal = self._log.drain()
        await write_journal(self._session, journal)
        return journal
