"""Where money changes hands in the tests of orders."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from application.identity.actor import Actor
from application.ordering.charging import Charging
from application.ordering.expiry import Expiry
from application.ordering.fulfilment import Fulfilment
from application.ordering.paying import Paying
from application.ordering.ports import PaymentGateway
from application.ordering.refunding import Refunding
from application.shared.unit_of_work import Runner
from domain.accounts.account import Account, AccountId
from domain.accounts.transfer import Transfer
from domain.catalog.product import Product
from domain.identity.user import Role, User
from domain.notifications.notification import Notification
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment, PaymentId, PaymentMethod
from domain.ordering.refund import Refund
from domain.ordering.status import OrderStatus
from domain.shared.money import Money
from infrastructure.gateways import FakeGateway, Play
from infrastructure.memory.copying import State, state_of
from tests.builders import (
    Hands,
    a_house,
    a_product,
    a_transfer,
    a_user,
    actor_of,
    an_account,
    an_order,
    gbp,
)
from tests.unit.shop import Shop

CREDIT = PaymentMethod.STORE_CREDIT
EXTERNAL = PaymentMethod.EXTERNAL


async def _no_pause(seconds: float) -> None:
    pass


@dataclass(slots=True)
class Till:
    """A shop with a clerk, a provider, and Ada, whose purse holds ten pounds of store credit."""

    shop: Shop
    clock: Hands = field(default_factory=Hands)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    clerk: User = field(default_factory=lambda: a_user(role=Role.STAFF))
    ada: User = field(default_factory=a_user)
    house: Account = field(default_factory=a_house)
    purse: Account = field(init=False)

    def __post_init__(self) -> None:
        self.purse = an_account(self.ada)

    async def open(self) -> None:
        credit = a_transfer(self.house, self.purse, gbp("10"), actor=self.clerk)
        await self.shop.keep(self.clerk, self.ada, self.house, self.purse, credit)

    @property
    def staff(self) -> Actor:
        return actor_of(self.clerk)

    @property
    def customer(self) -> Actor:
        return actor_of(self.ada)

    @property
    def paying(self) -> Paying:
        return Paying(self.shop.begin, self.clock)

    @property
    def refunding(self) -> Refunding:
        return Refunding(self.shop.begin, self.clock)

    @property
    def charging(self) -> Charging:
        return self.charging_with(self.gateway)

    def charging_with(self, gateway: PaymentGateway) -> Charging:
        return Charging(self.shop.begin, gateway, Runner(_no_pause), self.clock)

    @property
    def expiry(self) -> Expiry:
        return Expiry(self.shop.begin, Runner(_no_pause), self.clock)

    async def sell(self, total: str = "10", *, customer: User | None = None) -> Order:
        """A stored order of one of a product that has three left; nobody hears of it."""
        mug = a_product(price=gbp(total), stock=4)
        order = an_order(mug, customer=customer or self.ada, at=self.clock())
        await self.shop.keep(mug, order)
        return order

    async def pay(
        self, order: Order, amount: str | None = None, method: PaymentMethod = EXTERNAL
    ) -> Payment:
        """The clerk takes money for it, each time a minute after the last."""
        self.clock.move(minutes=1)
        sum = gbp(amount) if amount else None
        return await self.paying.pay(self.staff, OrderId(order.id), method, sum)

    async def undecided(self, order: Order, amount: str | None = None) -> Payment:
        """A payment that the provider has collected, but has not said so yet."""
        self.clock.move(minutes=1)
        self.gateway.script = [Play.APPROVE_LATE]
        sum = gbp(amount) if amount else None
        return await self.charging.charge(self.staff, OrderId(order.id), sum)

    async def settle_all(self) -> int:
        """Ask the provider again about whatever is undecided."""
        self.clock.move(minutes=1)
        return await self.charging.ask_again(self.staff, older_than=timedelta(0))

    async def refund(
        self, order: Order, amount: str | None = None, *, of: Payment | None = None
    ) -> Refund:
        self.clock.move(minutes=1)
        return await self.refunding.refund(
            self.staff,
            OrderId(order.id),
            gbp(amount) if amount else None,
            payment_id=PaymentId(of.id) if of else None,
            reason="damaged",
        )

    async def move(self, order: Order, to: OrderStatus, reason: str | None = None) -> Order:
        self.clock.move(minutes=1)
        fulfilment = Fulfilment(self.shop.begin, self.clock)
        return await fulfilment.move(self.staff, OrderId(order.id), to, reason=reason)

    async def cancel(self, order: Order, reason: str | None = None) -> Order:
        return await self.move(order, OrderStatus.CANCELLED, reason)

    async def cancel_as_customer(self, order: Order) -> Order:
        fulfilment = Fulfilment(self.shop.begin, self.clock)
        return await fulfilment.move(self.customer, OrderId(order.id), OrderStatus.CANCELLED)

    def sums(self, order: Order) -> tuple[str, str, str]:
        """What the order says was paid, refunded, and is due."""
        now = self.shop.now(order)
        return now.paid.amount, now.refunded.amount, now.due.amount

    def status(self, order: Order) -> OrderStatus:
        return self.shop.now(order).status

    def balance(self, account: Account | None = None) -> Money:
        return self.shop.now(account or self.purse).balance

    def id_of(self, account: Account) -> AccountId:
        return AccountId(account.id)

    def transfer(self, id: UUID | None) -> Transfer:
        assert id is not None
        found = self.shop.database.get(Transfer, id)
        assert found is not None
        return found

    def told(self, order: Order) -> list[str]:
        """What was said about the order, in its order."""
        return [one.type for one in self.shop.database.outbox if one.aggregate_id == order.id]

    def stock(self, order: Order) -> int:
        found = self.shop.database.get(Product, order.lines[0].product_id)
        assert found is not None
        return found.stock

    def everything(self) -> list[State | str]:
        """All that is stored, to see that nothing of it has changed."""
        kinds = (Product, Account, Transfer, Order, Payment, Refund, Notification)
        rows = [state_of(row) for kind in kinds for row in self.shop.database.all(kind)]
        return [*rows, *self.shop.events]
