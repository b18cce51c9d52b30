from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from application.accounts.ports import AccountsWork
from application.catalog.ports import CatalogWork
from application.notifications.ports import NotificationsWork
from domain.catalog.product import Product, ProductId, Sku
from domain.identity.user import User, UserId
from domain.notifications.notification import Notification
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment, PaymentId
from domain.ordering.refund import Refund
from domain.shared.money import Money

Entity = TypeVar("Entity", contravariant=True)


class Orders(Protocol):
    """Every order ever placed."""

    async def get(self, id: OrderId, *, lock: bool = False) -> Order:
        """The order, or OrderNotFound."""

    async def unpaid(
        self, *, placed_before: datetime, after: OrderId | None, most: int
    ) -> Sequence[OrderId]:
        """Pending orders of which nothing was paid, nor is being paid, by id from `after` on."""

    def add(self, order: Order) -> None: ...


class Payments(Protocol):
    """Every payment ever begun. Who changes one has locked its order."""

    async def get(self, id: PaymentId, *, lock: bool = False) -> Payment:
        """The payment, or PaymentNotFound."""

    async def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        """The oldest first."""

    async def pending(
        self, *, asked_before: datetime, after: PaymentId | None, most: int
    ) -> Sequence[PaymentId]:
        """Those that somebody else has yet to decide about, by id from `after` on."""

    def add(self, payment: Payment) -> None: ...


class Refunds(Protocol):
    """All money that ever went back."""

    def add(self, refund: Refund) -> None: ...


class Customers(Protocol):
    async def get(self, id: UserId) -> User:
        """The user, or UserNotFound."""


class Shelf(Protocol):
    async def lock_all(
        self, ids: Iterable[ProductId], skus: Iterable[Sku] = ()
    ) -> Sequence[Product]:
        """Those of them that are there, nobody else's until the end."""


class New(Protocol[Entity]):
    def add(self, entity: Entity, /) -> None: ...


class PlacingWork(Protocol):
    """As much of a unit of work as it takes to place an order, and to tell of it."""

    async def flush(self) -> None: ...
    async def commit(self) -> None: ...
    def savepoint(self) -> AbstractAsyncContextManager[None]: ...

    @property
    def users(self) -> Customers: ...
    @property
    def products(self) -> Shelf: ...
    @property
    def orders(self) -> New[Order]: ...
    @property
    def notifications(self) -> New[Notification]: ...


class OrderingWork(CatalogWork, AccountsWork, NotificationsWork, Protocol):
    orders: Orders
    payments: Payments
    refunds: Refunds


@dataclass(frozen=True, slots=True)
class Approved:
    """The money is on its way to the shop; `reference` is the provider's name for that."""

    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    reason: str


Verdict = Approved | Declined


class NoVerdict(Exception):
    """The provider did not answer in time, or not sensibly: what it did is not known."""


class PaymentGateway(Protocol):
    """A provider who collects money outside. Calls may take seconds, and fail, at any time."""

    async def charge(self, id: PaymentId, amount: Money) -> Verdict:
        """Collect the amount, once for each id, however often it is asked; or NoVerdict."""

    async def verdict(self, id: PaymentId) -> Verdict:
        """
        What became of this charge, or NoVerdict.

        One that did not arrive is declined, and from now on void, should it arrive after all.
        """
