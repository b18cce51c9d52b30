"""The storages that the contract is about, each behind the same few names."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Final, Protocol, Self

from sqlalchemy import Connection, delete, event, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import AsyncAdaptedQueuePool

from application.accounts.ports import AccountsWork
from application.accounts.queries import AccountQueries, TransferQueries
from application.auditing.queries import AuditQueries
from application.catalog.queries import CategoryQueries, ProductQueries
from application.content.ports import ContentWork
from application.content.queries import PostQueries, TagQueries
from application.identity.queries import SessionQueries, UserQueries
from application.notifications.queries import NotificationQueries
from application.ordering.ports import OrderingWork
from application.ordering.queries import OrderQueries
from application.reporting.queries import Reports
from application.shared.outbox import Listener, OutboxEntry, nobody
from domain.accounts.account import Account
from domain.accounts.transfer import Transfer
from domain.catalog.category import Category
from domain.catalog.product import NewProduct, Product, ProductId
from domain.catalog.tag import Tag
from domain.content.post import Post
from domain.identity.session import Session
from domain.identity.user import User
from domain.notifications.notification import Notification
from domain.ordering.order import Order
from domain.ordering.payment import Payment
from domain.ordering.refund import Refund
from domain.shared.aggregate import Aggregate
from infrastructure.memory.accounts import MemoryAccountQueries, MemoryTransferQueries
from infrastructure.memory.auditing.queries import MemoryAuditQueries
from infrastructure.memory.catalog.queries import MemoryCategoryQueries, MemoryProductQueries
from infrastructure.memory.content import MemoryPostQueries, MemoryTagQueries
from infrastructure.memory.database import MemoryDatabase
from infrastructure.memory.identity import MemorySessionQueries, MemoryUserQueries
from infrastructure.memory.notifications import MemoryNotificationQueries
from infrastructure.memory.ordering import MemoryOrderQueries
from infrastructure.memory.reporting import MemoryReports
from infrastructure.memory.unit_of_work import MemoryUnitOfWork, open_shop
from infrastructure.sql.accounts.queries import SqlAccountQueries, SqlTransferQueries
from infrastructure.sql.auditing.queries import SqlAuditQueries
from infrastructure.sql.catalog.queries import SqlCategoryQueries, SqlProductQueries
from infrastructure.sql.content.queries import SqlPostQueries, SqlTagQueries
from infrastructure.sql.database import Limits, connect
from infrastructure.sql.identity.queries import SqlSessionQueries, SqlUserQueries
from infrastructure.sql.mapping import TABLES
from infrastructure.sql.notifications.queries import SqlNotificationQueries
from infrastructure.sql.ordering.mapping import refunds
from infrastructure.sql.ordering.queries import SqlOrderQueries
from infrastructure.sql.outbox import outbox
from infrastructure.sql.readers import reader_of
from infrastructure.sql.reading import Reader
from infrastructure.sql.reporting.queries import SqlReports
from infrastructure.sql.unit_of_work import SqlUnitOfWork

# As many wait for a connection as a test likes: to be turned away is another test's subject.
PATIENT: Final = Limits(pool_timeout=30.0)
IMPATIENT: Final = Limits(pool_timeout=0.5, lock_timeout=0.1, statement_timeout=0.5)

_BUSY_SESSIONS: Final = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()"
)


class ShopWork(OrderingWork, ContentWork, AccountsWork, Protocol):
    """All that a unit of work of the shop can reach."""


class Backend(ABC):
    """
    A storage that nobody else uses, empty when a test begins.

    `writers_overlap`: whether two units of work can both have written and not yet committed.
    """

    name: ClassVar[str]
    writers_overlap: ClassVar[bool]

    users: UserQueries
    sessions: SessionQueries
    categories: CategoryQueries
    tags: TagQueries
    products: ProductQueries
    posts: PostQueries
    accounts: AccountQueries
    transfers: TransferQueries
    orders: OrderQueries
    reports: Reports
    notifications: NotificationQueries
    audits: AuditQueries

    @abstractmethod
    def begin(self, listener: Listener = nobody) -> ShopWork: ...

    @abstractmethod
    def impatient(self) -> AbstractAsyncContextManager["Backend"]:
        """Such a storage, empty as well, that soon gives up waiting for a lock."""

    @abstractmethod
    async def refunds(self) -> Sequence[Refund]:
        """Every refund that was kept, the oldest first."""

    @abstractmethod
    async def outbox(self) -> list[OutboxEntry]:
        """Every event that was kept, by aggregate and sequence."""

    @abstractmethod
    async def forget_events(self) -> None: ...

    @abstractmethod
    def fail_next_commit(self, error: Exception) -> None:
        """Let the next commit raise this at the last moment, when everything is written."""

    @abstractmethod
    async def left_open(self) -> int:
        """How many units of work still hold something that others may wait for."""

    async def store(self, *aggregates: Aggregate) -> None:
        """Store them in this order."""
        async with self.begin() as work:
            for aggregate in aggregates:
                add(work, aggregate)
                await work.flush()
            await work.commit()

    async def keep(self, *aggregates: Aggregate) -> None:
        """Store them in this order, as if it had happened long ago: nobody hears of it."""
        await self.store(*aggregates)
        await self.forget_events()

    async def stock(self, *products: Product | NewProduct) -> list[int]:
        """How many of each are left, as far as it is committed."""
        found = [await self.products.find(ProductId(product.id)) for product in products]
        return [product.stock for product in found if product]


class MemoryBackend(Backend):
    name = "memory"
    writers_overlap = True

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self.users = MemoryUserQueries(database)
        self.sessions = MemorySessionQueries(database)
        self.categories = MemoryCategoryQueries(database)
        self.tags = MemoryTagQueries(database)
        self.products = MemoryProductQueries(database)
        self.posts = MemoryPostQueries(database)
        self.accounts = MemoryAccountQueries(database)
        self.transfers = MemoryTransferQueries(database)
        self.orders = MemoryOrderQueries(database)
        self.reports = MemoryReports(database)
        self.notifications = MemoryNotificationQueries(database)
        self.audits = MemoryAuditQueries(database)

    def begin(self, listener: Listener = nobody) -> ShopWork:
        return MemoryUnitOfWork(self.database, listener)

    @asynccontextmanager
    async def impatient(self) -> AsyncIterator[Backend]:
        yield MemoryBackend(open_shop(lock_timeout=IMPATIENT.lock_timeout))

    async def refunds(self) -> Sequence[Refund]:
        return sorted(self.database.all(Refund), key=lambda refund: refund.id)

    async def outbox(self) -> list[OutboxEntry]:
        return _in_order(self.database.outbox)

    async def forget_events(self) -> None:
        self.database.outbox.clear()

    def fail_next_commit(self, error: Exception) -> None:
        self.database.fail_next_commit(error)

    async def left_open(self) -> int:
        return len({*map(id, self.database.locks._holders.values())})


class SqlBackend(Backend):
    def __init__(self, engine: AsyncEngine, reader: Reader) -> None:
        self.engine = engine
        self.users = SqlUserQueries(engine)
        self.sessions = SqlSessionQueries(engine)
        self.categories = SqlCategoryQueries(engine)
        self.tags = SqlTagQueries(engine)
        self.products = SqlProductQueries(engine, reader)
        self.posts = SqlPostQueries(engine)
        self.accounts = SqlAccountQueries(engine)
        self.transfers = SqlTransferQueries(engine)
        self.orders = SqlOrderQueries(engine, reader)
        self.reports = SqlReports(engine)
        self.notifications = SqlNotificationQueries(engine)
        self.audits = SqlAuditQueries(engine)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, limits: Limits = PATIENT) -> AsyncIterator[Self]:
        engine = connect(url, limits)
        reader = reader_of(engine, limits)
        try:
            yield cls(engine, reader)
        finally:
            await reader.close()
            await engine.dispose()

    def begin(self, listener: Listener = nobody) -> ShopWork:
        return SqlUnitOfWork(self.engine, listener)

    @asynccontextmanager
    async def impatient(self) -> AsyncIterator[Backend]:
        url = self.engine.url.render_as_string(hide_password=False)
        async with self.open(url, IMPATIENT) as backend:
            yield backend

    async def refunds(self) -> Sequence[Refund]:
        async with AsyncSession(self.engine) as session:
            return (await session.scalars(select(Refund).order_by(refunds.c.id))).all()

    async def outbox(self) -> list[OutboxEntry]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(select(outbox))
        return _in_order(OutboxEntry(**row._mapping) for row in rows)

    async def forget_events(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(outbox))

    async def clear(self) -> None:
        async with self.engine.begin() as connection:
            for table in reversed(TABLES):
                await connection.execute(delete(table))

    def fail_next_commit(self, error: Exception) -> None:
        def fail(connection: Connection) -> None:
            connection.connection.rollback()  # as a database does that refuses to commit
            raise error

        event.listen(self.engine.sync_engine, "commit", fail, once=True)

    async def left_open(self) -> int:
        pool = self.engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        return pool.checkedout()


class SqliteBackend(SqlBackend):
    name = "sqlite"
    writers_overlap = False


class PostgresqlBackend(SqlBackend):
    name = "postgresql"
    writers_overlap = True

    async def notice_deadlocks_soon(self) -> None:
        """PostgreSQL looks for one after a second, and tests that want one would wait so long."""
        async with self.engine.begin() as connection:
            database = self.engine.url.database
            await connection.execute(text(f"ALTER DATABASE {database} SET deadlock_timeout = 50"))
        await self.engine.dispose()

    async def left_open(self) -> int:
        checked_out = await super().left_open()
        async with self.engine.connect() as connection:
            busy: int = (await connection.execute(_BUSY_SESSIONS)).scalar_one()
        return checked_out + busy


def add(work: ShopWork, aggregate: Aggregate) -> None:
    """Put it where its kind belongs."""
    match aggregate:
        case User():
            work.users.add(aggregate)
        case Session():
            work.sessions.add(aggregate)
        case Category():
            work.categories.add(aggregate)
        case Tag():
            work.tags.add(aggregate)
        case Product():
            work.products.add(aggregate)
        case Post():
            work.posts.add(aggregate)
        case Account():
            work.accounts.add(aggregate)
        case Transfer():
            work.transfers.add(aggregate)
        case Order():
            work.orders.add(aggregate)
        case Payment():
            work.payments.add(aggregate)
        case Refund():
            work.refunds.add(aggregate)
        case Notification():
            work.notifications.add(aggregate)
        case _:
            raise TypeError(f"there is no place for a {type(aggregate).__name__}")


def _in_order(entries: Iterable[OutboxEntry]) -> list[OutboxEntry]:
    return sorted(entries, key=lambda entry: (entry.aggregate_id, entry.sequence))
