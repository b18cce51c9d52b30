import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from application.accounts.transfers import Bookkeeping
from application.identity.actor import Actor
from application.ordering.charging import Charging
from application.ordering.expiry import Expiry
from application.ordering.fulfilment import Fulfilment
from application.ordering.paying import Paying
from application.ordering.ports import Approved, Declined, Verdict
from application.ordering.queries import OrderDetails
from application.ordering.refunding import Refunding
from application.shared.unit_of_work import Runner
from domain.accounts.account import Account, AccountId
from domain.catalog.product import Product
from domain.identity.user import Role, User
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment, PaymentId, PaymentMethod
from domain.ordering.status import OrderStatus
from domain.shared.money import Money
from infrastructure.gateways import FakeGateway, Play
from tests.builders import (
    NOON,
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
from tests.contract.backends import Backend
from tests.contract.ledger import accounted_for, audited
from tests.contract.steps import ends_of

CREDIT, EXTERNAL = PaymentMethod
CANCELLED = OrderStatus.CANCELLED

Attempt = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Crowd:
    """Many at once, each through the runner, in a shop where Ada has ten pounds of credit."""

    backend: Backend
    run: Runner = field(default_factory=Runner)
    clock: Hands = field(default_factory=Hands)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    clerk: User = field(default_factory=lambda: a_user(role=Role.STAFF))
    ada: User = field(default_factory=a_user)
    mug: Product = field(default_factory=lambda: a_product(price=gbp("1"), stock=1000))
    house: Account = field(default_factory=a_house)
    purse: Account = field(init=False)

    def __post_init__(self) -> None:
        self.purse = an_account(self.ada)

    async def gather(self) -> None:
        credit = a_transfer(self.house, self.purse, gbp("10"), actor=self.clerk)
        await self.backend.keep(self.clerk, self.ada, self.mug, self.house, self.purse, credit)

    @property
    def staff(self) -> Actor:
        return actor_of(self.clerk)

    async def order(self, pounds: int = 10) -> OrderId:
        async with self.backend.begin() as work:
            [mug] = await work.products.lock_all([self.mug.id])  # type: ignore[list-item]
            order: Order = an_order(mug, customer=self.ada, quantity=pounds, at=self.clock())
            work.orders.add(order)
            await work.commit()
        return OrderId(order.id)

    async def paid(self, id: OrderId, method: PaymentMethod, amount: str | None = None) -> Payment:
        self.clock.move(seconds=1)
        payment: Payment = await self.pay(id, method, amount)()  # type: ignore[assignment]
        return payment

    def pay(self, id: OrderId, method: PaymentMethod, amount: str | None = None) -> Attempt:
        paying = Paying(self.backend.begin, self.clock)
        return partial(paying.pay, self.staff, id, method, _sum(amount))

    def refund(
        self, id: OrderId, amount: str | None = None, of: PaymentId | None = None
    ) -> Attempt:
        refunding = Refunding(self.backend.begin, self.clock)
        return partial(
            refunding.refund, self.staff, id, _sum(amount), payment_id=of, reason="damaged"
        )

    def move(self, id: OrderId, to: OrderStatus) -> Attempt:
        return partial(Fulfilment(self.backend.begin, self.clock).move, self.staff, id, to)

    def cancel(self, id: OrderId) -> Attempt:
        return self.move(id, CANCELLED)

    def spend(self, target: Account, amount: str) -> Attempt:
        bookkeeping = Bookkeeping(self.backend.begin, self.clock)
        source, to = AccountId(self.purse.id), AccountId(target.id)
        return partial(bookkeeping.transfer, actor_of(self.ada), source, to, gbp(amount))

    @property
    def charging(self) -> Charging:
        return Charging(self.backend.begin, self.gateway, self.run, self.clock)

    async def undecided(self, id: OrderId) -> PaymentId:
        self.gateway.script = [Play.LOSE]
        return PaymentId((await self.charging.charge(self.staff, id)).id)

    def settle(self, id: PaymentId, verdict: Verdict) -> Attempt:
        return partial(self.charging.settle, self.staff, id, verdict)

    def expire(self) -> Attempt:
        expiry = Expiry(self.backend.begin, self.run, self.clock)

        async def expire() -> int:
            done = await expiry.expire(self.staff, older_than=timedelta(days=1))
            assert done.refused == {}
            return done.orders

        return expire

    async def at_once(self, attempts: Sequence[Attempt]) -> dict[str, int]:
        """How they ended, none of them in a failure of the storage."""
        ends = await ends_of([self.run(attempt) for attempt in attempts])
        assert not {*ends} & {"Deadlock", "StaleWrite", "Busy", "SerializationFailure"}
        return {**ends}

    async def outcome(self, id: OrderId) -> OrderDetails:
        """The order, when everything in the shop is found to add up."""
        return (await accounted_for(self.backend))[id]

    async def credit(self) -> Money:
        return (await audited(self.backend))[self.purse.id]


def _sum(amount: str | None) -> Money | None:
    return gbp(amount) if amount else None


async def crowd_of(backend: Backend) -> Crowd:
    crowd = Crowd(backend)
    await crowd.gather()
    return crowd


async def test_of_twenty_who_give_the_whole_back_at_once_one_does(backend: Backend) -> None:
    crowd = await crowd_of(backend)
    for method in PaymentMethod:
        id = await crowd.order()
        await crowd.paid(id, method)
        ends = await crowd.at_once([crowd.refund(id)] * 20)
        assert ends == {"done": 1, "RefundTooLarge": 19}
        order = await crowd.outcome(id)
        assert (order.paid, order.refunded) == (gbp("10"), gbp("10"))
    assert await crowd.credit() == gbp("10")


async def test_of_many_who_give_parts_back_at_once_as_many_do_as_there_is_enough_for(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    id = await crowd.order()
    await crowd.paid(id, CREDIT, "4")
    await crowd.paid(id, EXTERNAL, "3")
    last = await crowd.paid(id, CREDIT, "3")
    of_one = [crowd.refund(id, "0.75", PaymentId(last.id))] * 10

    ends = await crowd.at_once([crowd.refund(id, "0.75")] * 20 + of_one)

    assert {*ends} == {"done", "RefundTooLarge"}
    assert ends["done"] == 13
    order = await crowd.outcome(id)
    assert order.refunded == gbp("9.75")
    assert len(await backend.refunds()) == 13


async def test_of_twenty_who_pay_the_whole_at_once_one_does(backend: Backend) -> None:
    crowd = await crowd_of(backend)
    id = await crowd.order()
    ends = await crowd.at_once([crowd.pay(id, CREDIT), crowd.pay(id, EXTERNAL)] * 10)
    assert ends == {"done": 1, "Overpayment": 19}
    order = await crowd.outcome(id)
    assert (order.status, order.paid) == (OrderStatus.CONFIRMED, gbp("10"))
    told = [entry.type for entry in await backend.outbox() if entry.aggregate_id == id]
    assert told == ["order.placed", "payment.received", "order.confirmed"]


async def test_parts_that_are_paid_at_once_never_come_to_more_than_the_whole(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    id = await crowd.order()
    parts = [crowd.pay(id, CREDIT, "0.75"), crowd.pay(id, EXTERNAL, "0.75")] * 10
    ends = await crowd.at_once(parts)
    assert ends == {"done": 13, "Overpayment": 7}
    order = await crowd.outcome(id)
    assert (order.status, order.paid) == (OrderStatus.PENDING, gbp("9.75"))


async def test_credit_that_pays_while_the_order_is_cancelled_is_never_lost(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    for _ in range(8):
        id = await crowd.order()
        attempts = [crowd.pay(id, CREDIT), crowd.cancel(id)]
        random.shuffle(attempts)
        ends = await crowd.at_once(attempts)
        assert ends in ({"done": 2}, {"done": 1, "OrderIsCancelled": 1})
        order = await crowd.outcome(id)
        assert order.status is CANCELLED
        assert order.paid == order.refunded == (gbp("10") if ends == {"done": 2} else gbp("0"))
        assert await crowd.credit() == gbp("10")
    assert await backend.stock(crowd.mug) == [1000]


async def test_what_is_given_back_while_the_order_is_cancelled_goes_back_once(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    for number in range(8):
        id = await crowd.order()
        await crowd.paid(id, CREDIT, "6")
        await crowd.paid(id, EXTERNAL)
        attempts = [crowd.refund(id, "7"), crowd.cancel(id)]
        ends = await crowd.at_once(attempts if number % 2 else attempts[::-1])
        # Once cancelling has given the credit back, the rest is too little.
        assert ends in ({"done": 2}, {"done": 1, "RefundTooLarge": 1})
        order = await crowd.outcome(id)
        assert order.status is CANCELLED
        # The last three pounds of the seven were credit, and cancelling gave the other three.
        assert order.refunded == (gbp("10") if ends == {"done": 2} else gbp("6"))
        assert await crowd.credit() == gbp("10")


async def test_an_order_that_is_cancelled_and_shipped_at_once_keeps_its_money_or_gives_it_back(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    credit = gbp("10")
    for _ in range(6):
        id = await crowd.order(1)
        await crowd.paid(id, CREDIT)
        attempts = [crowd.cancel(id), crowd.move(id, OrderStatus.SHIPPED), crowd.cancel(id)]
        random.shuffle(attempts)
        assert await crowd.at_once(attempts) == {"done": 1, "InvalidTransition": 2}
        order = await crowd.outcome(id)
        if order.status is OrderStatus.SHIPPED:
            credit -= gbp("1")
        assert order.refunded == (gbp("1") if order.status is CANCELLED else gbp("0"))
        assert await crowd.credit() == credit


async def test_a_balance_that_pays_for_orders_and_is_transferred_away_is_spent_once(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    bob = a_user()
    await backend.keep(bob, jar := an_account(bob))
    ids = [await crowd.order(1) for _ in range(8)]
    attempts = [crowd.pay(id, CREDIT) for id in ids] + [crowd.spend(jar, "1")] * 8
    random.shuffle(attempts)

    ends = await crowd.at_once(attempts)

    assert ends == {"done": 10, "InsufficientFunds": 6}
    orders = await accounted_for(backend)
    paid = sum(orders[id].paid.minor for id in ids)
    balances = await audited(backend)
    assert balances[crowd.purse.id] == gbp("0")
    assert paid + balances[jar.id].minor == 1000
    assert {orders[id].status for id in ids if orders[id].paid == gbp("1")} <= {
        OrderStatus.CONFIRMED
    }


async def test_orders_and_transfers_and_refunds_of_one_account_all_get_through(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    bob = a_user()
    await backend.keep(bob, jar := an_account(bob))
    paid, unpaid = [await crowd.order(1) for _ in range(3)], [await crowd.order(1) for _ in "abc"]
    for id in paid:
        await crowd.paid(id, CREDIT)
    attempts = [
        *[crowd.refund(id, "0.50") for id in paid],
        *[crowd.cancel(id) for id in paid],
        *[crowd.pay(id, CREDIT) for id in unpaid],
        *[crowd.spend(jar, "1")] * 4,
    ]
    random.shuffle(attempts)
    assert await crowd.at_once(attempts) in (
        {"done": 13},
        {"done": 12, "RefundTooLarge": 1},
        {"done": 11, "RefundTooLarge": 2},
        {"done": 10, "RefundTooLarge": 3},
    )
    await accounted_for(backend)
    assert await crowd.credit() == gbp("3")
    assert crowd.run.retries == {}


async def test_a_late_verdict_on_an_order_that_is_cancelled_counts_once(backend: Backend) -> None:
    crowd = await crowd_of(backend)
    for number in range(6):
        id = await crowd.order()
        payment = await crowd.undecided(id)
        approved = number % 2 == 0
        verdict: Verdict = Approved("ch-1") if approved else Declined("no")
        attempts = [
            crowd.settle(payment, verdict),
            crowd.cancel(id),
            crowd.settle(payment, verdict),
        ]
        random.shuffle(attempts)
        assert await crowd.at_once(attempts) == {"done": 3}
        order = await crowd.outcome(id)
        assert order.status is CANCELLED
        assert order.paid == (gbp("10") if approved else gbp("0"))
        # That it is all due back is checked with everything else.


async def test_of_verdicts_that_contradict_each_other_the_first_counts(backend: Backend) -> None:
    crowd = await crowd_of(backend)
    for _ in range(5):
        id = await crowd.order()
        payment = await crowd.undecided(id)
        verdicts: list[Verdict] = [Approved("ch-1"), Declined("no")] * 4
        random.shuffle(verdicts)
        ends = await crowd.at_once([crowd.settle(payment, verdict) for verdict in verdicts])
        assert ends == {"done": 8}
        order = await crowd.outcome(id)
        told = [entry.type for entry in await backend.outbox() if entry.aggregate_id == id]
        assert told[:2] == ["order.placed", "payment.asked"]
        assert told[2:] in (["payment.received", "order.confirmed"], ["payment.failed"])
        assert order.paid == (gbp("10") if len(told) == 4 else gbp("0"))


async def test_an_order_that_expires_while_it_is_paid_does_one_of_the_two(
    backend: Backend,
) -> None:
    crowd = await crowd_of(backend)
    for number in range(6):
        crowd.clock.now = NOON
        id = await crowd.order(1)
        crowd.clock.move(days=2)
        attempts = [crowd.expire(), crowd.pay(id, (CREDIT, EXTERNAL)[number % 2]), crowd.expire()]
        random.shuffle(attempts)
        ends = await crowd.at_once(attempts)
        assert ends in ({"done": 3}, {"done": 2, "OrderIsCancelled": 1})
        order = await crowd.outcome(id)
        paid = ends == {"done": 3}
        assert order.status is (OrderStatus.CONFIRMED if paid else CANCELLED)
        assert (order.paid, order.refunded) == (gbp("1") if paid else gbp("0"), gbp("0"))


async def test_charges_at_once_never_collect_more_than_the_whole(backend: Backend) -> None:
    crowd = await crowd_of(backend)
    id = await crowd.order()
    charge = partial(crowd.charging.charge, crowd.staff, id, gbp("4"))
    ends = await ends_of([charge() for _ in range(10)])
    assert ends == {"done": 2, "Overpayment": 8}
    assert (await crowd.outcome(id)).paid == gbp("8")
    assert [*crowd.gateway.collected.values()] == [gbp("4")] * 2


async def test_nothing_is_held_open_while_the_provider_is_asked(backend: Backend) -> None:
    crowd = await crowd_of(backend)
    held: list[int] = []

    class Provider(FakeGateway):
        async def charge(self, id: PaymentId, amount: Money) -> Verdict:
            held.append(await backend.left_open())
            return await FakeGateway.charge(self, id, amount)

        async def verdict(self, id: PaymentId) -> Verdict:
            held.append(await backend.left_open())
            return await FakeGateway.verdict(self, id)

    charging = Charging(backend.begin, Provider([Play.APPROVE_LATE]), crowd.run, crowd.clock)
    id = await crowd.order()
    await charging.charge(crowd.staff, id)
    crowd.clock.move(minutes=1)
    assert await charging.ask_again(crowd.staff, older_than=timedelta(0)) == 1
    assert held == [0, 0]
    assert (await crowd.outcome(id)).status is OrderStatus.CONFIRMED


async def test_whatever_is_done_to_the_same_orders_at_once_every_sum_holds(
    backend: Backend,
) -> None:
    crowd, dice = await crowd_of(backend), random.Random(7)
    ids = [await crowd.order(2) for _ in range(4)]
    for id in ids[:2]:
        await crowd.paid(id, CREDIT, "1")
    late = {id: await crowd.undecided(id) for id in ids[2:]}
    attempts: list[Attempt] = []
    for _ in range(12):
        id = dice.choice(ids)
        attempts += [
            crowd.pay(id, dice.choice([CREDIT, EXTERNAL]), dice.choice(["0.50", "1"])),
            crowd.refund(id, dice.choice(["0.25", "0.50"])),
        ]
    attempts += [crowd.settle(payment, Approved("ch")) for payment in late.values()]
    attempts += [crowd.cancel(ids[1]), crowd.cancel(ids[3]), crowd.expire()]
    dice.shuffle(attempts)

    ends = await crowd.at_once(attempts)

    assert {*ends} <= {"done", "Overpayment", "RefundTooLarge", "OrderIsCancelled"} | {
        "InvalidTransition"
    }
    orders = await accounted_for(backend)
    assert {*orders} == {*ids}
    assert crowd.run.retries == {}
