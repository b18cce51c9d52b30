import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from application.shared.outbox import Listener, nobody
from domain.accounts.account import Account
from domain.accounts.transfer import Transfer
from domain.catalog.category import Category
from domain.catalog.product import Product
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
from infrastructure.memory.catalog.queries import MemoryCategoryQueries, MemoryProductQueries
from infrastructure.memory.content import MemoryPostQueries, MemoryTagQueries
from infrastructure.memory.database import MemoryDatabase
from infrastructure.memory.identity import MemorySessionQueries, MemoryUserQueries
from infrastructure.memory.notifications import MemoryNotificationQueries
from infrastructure.memory.ordering import MemoryOrderQueries
from infrastructure.memory.reporting import MemoryReports
from infrastructure.memory.unit_of_work import MemoryUnitOfWork, open_shop

A = TypeVar("A", bound=Aggregate)
T = TypeVar("T")


@dataclass(slots=True)
class Shop:
    """A shop in memory, and what is stored in it."""

    database: MemoryDatabase = field(default_factory=lambda: open_shop(lock_timeout=0.05))
    listener: Listener = nobody

    def begin(self) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(self.database, self.listener)

    async def keep(self, *aggregates: Aggregate) -> None:
        """Store them in this order, as if it had happened long ago: nobody hears of it."""
        async with self.begin() as work:
            for aggregate in aggregates:
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
                await work.flush()
            await work.commit()
        self.database.outbox.clear()
        self.database.movements.clear()

    def now(self, aggregate: A) -> A:
        """The aggregate as it is stored now."""
        stored = self.database.get(type(aggregate), aggregate.id)
        assert stored is not None, "it is not stored"
        return stored

    def stock(self, *products: Product) -> list[int]:
        return [self.now(product).stock for product in products]

    def is_there(self, aggregate: Aggregate) -> bool:
        return self.database.get(type(aggregate), aggregate.id) is not None

    def count(self, kind: type[Aggregate]) -> int:
        return len([*self.database.all(kind)])

    def meanwhile(self, use_case: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start the use case right before the next commit, and let it go on until it waits."""
        begun = asyncio.Event()

        async def begin() -> T:
            await begun.wait()
            return await use_case

        async def interrupt() -> None:
            begun.set()
            for _ in range(3):
                await asyncio.sleep(0)

        self.database.before_next_commit(interrupt)
        return asyncio.create_task(begin())

    @property
    def events(self) -> list[str]:
        return [entry.type for entry in self.database.outbox]

    @property
    def users(self) -> MemoryUserQueries:
        return MemoryUserQueries(self.database)

    def sessions(self) -> MemorySessionQueries:
        return MemorySessionQueries(self.database)

    @property
    def categories(self) -> MemoryCategoryQueries:
        return MemoryCategoryQueries(self.database)

    @property
    def tags(self) -> MemoryTagQueries:
        return MemoryTagQueries(self.database)

    @property
    def products(self) -> MemoryProductQueries:
        return MemoryProductQueries(self.database)

    @property
    def posts(self) -> MemoryPostQueries:
        return MemoryPostQueries(self.database)

    @property
    def accounts(self) -> MemoryAccountQueries:
        return MemoryAccountQueries(self.database)

    @property
    def transfers(self) -> MemoryTransferQueries:
        return MemoryTransferQueries(self.database)

    @property
    def orders(self) -> MemoryOrderQueries:
        return MemoryOrderQueries(self.database)

    @property
    def reports(self) -> MemoryReports:
        return MemoryReports(self.database)

    @property
    def notifications(self) -> MemoryNotificationQueries:
        return MemoryNotificationQueries(self.database)
