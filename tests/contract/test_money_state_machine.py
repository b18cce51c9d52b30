"""Whatever is paid, given back, cancelled and undone: no storage loses or makes a penny."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from application.accounts.opening import Opening
from application.accounts.transfers import Bookkeeping
from application.identity.actor import Actor
from application.ordering.charging import Charging
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.expiry import Expiry
from application.ordering.fulfilment import Fulfilment
from application.ordering.paying import Paying
from application.ordering.ports import Approved, Declined, Verdict
from application.ordering.refunding import Refunding
from application.shared.unit_of_work import Runner
from domain.accounts.account import AccountId
from domain.catalog.product import ProductId
from domain.identity.user import Role, UserId
from domain.ordering.order import OrderId, OrderNumber
from domain.ordering.payment import Payment, PaymentId, PaymentMethod, PaymentStatus
from domain.ordering.status import OrderStatus
from domain.shared.aggregate import Aggregate
from domain.shared.money import Currency, Money
from infrastructure.gateways import FakeGateway, Play
from tests.builders import NOON, a_product, a_user, an_actor, gbp
from tests.contract.ledger import accounted_for, check_sums
from tests.contract.side_by_side import Deed, Done, Shop, SideBySide

DEEPEST_SAVEPOINT: Final = 2
GBP: Final = Currency.of("GBP")
CREDIT, EXTERNAL = PaymentMethod
TICK: Final = timedelta(seconds=1)

# In pence, for orders of a few pounds: all of it, parts, too much, and nonsense.
AMOUNTS: Final = (None, None, None, 1, 50, 50, 100, 100, 150, 200, 900, 0, -1)
BLOCKS: Final = (*[""] * 9, *["savepoint"] * 3, "keep", "keep", "fail", "commit", "commit", "undo")
VERDICTS: Final[Sequence[Verdict]] = (Approved("ch-1"), Approved("ch-2"), Declined("no"))
# Everything that is done, as often in a hundred steps.
ACTIONS: Final = {
    "place": 14,
    "pay": 24,
    "charge": 12,
    "a_verdict_comes": 6,
    "ask_again": 4,
    "refund": 18,
    "move": 12,
    "expire": 2,
    "transfer": 3,
    "deposit": 5,
}


@dataclass(slots=True)
class Bill:
    """What an order has to say of its money, by what was done to it."""

    total: int
    status: OrderStatus = OrderStatus.PENDING
    paid: int = 0
    refunded: int = 0
    covered: int = 0

    def give_back(self, minor: int) -> None:
        self.refunded += minor
        if self.status is OrderStatus.PENDING:
            self.covered -= minor

    def receive(self, minor: int) -> None:
        self.paid += minor
        if self.status is OrderStatus.PENDING and self.paid - self.refunded == self.total:
            self.status = OrderStatus.CONFIRMED


# By their ids: the bills of all orders, and which payments nobody has decided about.
Books = tuple[dict[UUID, Bill], dict[UUID, tuple[UUID, int]]]


class OneTillThreeTimes(RuleBasedStateMachine):
    """Use cases in a unit of work and its savepoints, with what has to come of them in mind."""

    def __init__(self, shops: SideBySide) -> None:
        super().__init__()
        self.shops = shops
        self.now = NOON
        self.gateways: dict[str, FakeGateway] = {}
        self.clerk = an_actor(Role.STAFF, self.user("clerk", Role.STAFF))
        self.customers = [an_actor(id=self.user("ada")), an_actor(id=self.user("bob"))]
        self.products = [self.product("mug", "1"), self.product("pot", "2.50")]
        self.accounts: list[AccountId] = []
        # Whether or not it was undone since.
        self.placed_ever: list[OrderId] = []
        self.paid_for: dict[PaymentId, OrderId] = {}
        self.dice = Random(0)
        # What is committed, then what it is in the unit of work, then in each of its savepoints.
        self.known: list[Books] = [({}, {}), ({}, {})]

    def clock(self) -> datetime:
        return self.now

    def teardown(self) -> None:
        self.commit()

    @property
    def bills(self) -> dict[UUID, Bill]:
        return self.known[-1][0]

    @property
    def undecided(self) -> dict[UUID, tuple[UUID, int]]:
        return self.known[-1][1]

    # What has to be true after every step

    @invariant()
    def every_order_says_what_was_paid_and_given_back(self) -> None:
        bills, undecided = self.known[-1]

        async def look(shop: Shop) -> list[Any]:
            for id, bill in bills.items():
                order = await shop.work.orders.get(OrderId(id))
                payments = await shop.work.payments.of_order(OrderId(id))
                check_sums(order, payments)
                assert order.status is bill.status
                assert (order.paid.minor, order.refunded.minor, order.covered.minor) == (
                    bill.paid,
                    bill.refunded,
                    bill.covered,
                )
                waiting = {one.id for one in payments if one.status is PaymentStatus.PENDING}
                assert waiting == {one for one, (of, _) in undecided.items() if of == id}
            return []

        self.do(look)

    @invariant()
    def nobody_else_sees_what_is_not_committed(self) -> None:
        committed = self.known[0][0]

        async def look(shop: Shop) -> list[Any]:
            for id in self.bills.keys() | committed.keys():
                order = await shop.backend.orders.find(OrderId(id))
                assert (order is None) is (id not in committed)
                if order is not None:
                    bill = committed[id]
                    assert (order.status, order.paid.minor, order.refunded.minor) == (
                        bill.status,
                        bill.paid,
                        bill.refunded,
                    )
            return []

        self.do(look)

    # The unit of work and its savepoints

    def do(self, deed: Deed) -> Any:
        """What comes of it, which is not to be a refusal."""
        outcome = self.shops.do(deed)
        assert isinstance(outcome, Done), outcome
        return outcome.value

    def attempt(self, deed: Deed) -> Any:
        """What comes of it, or None where it is refused."""
        self.now += TICK
        outcome = self.shops.do(deed)
        if isinstance(outcome, Done):
            return outcome.value
        assert not outcome.fatal, outcome
        return None

    def nest(self, how: str) -> None:
        """Between any two steps a block may begin or end."""
        depth = len(self.known) - 2
        if how == "savepoint" and depth < DEEPEST_SAVEPOINT:
            self.do(Shop.set_savepoint)
            self.known.append(deepcopy(self.known[-1]))
        elif how in ("keep", "fail") and depth:
            self.end_savepoint(kept=how == "keep")
        elif how == "commit":
            self.commit()
        elif how == "undo":
            self.do(Shop.leave)
            self.known = [self.known[0], deepcopy(self.known[0])]
            self.audit()

    def end_savepoint(self, *, kept: bool) -> None:
        self.do(Shop.keep_savepoint if kept else Shop.fail_savepoint)
        books = self.known.pop()
        if kept:
            self.known[-1] = books

    def commit(self) -> None:
        while len(self.known) > 2:
            self.end_savepoint(kept=True)
        self.do(Shop.commit)
        self.known = [deepcopy(self.known[-1]), self.known[-1]]
        self.audit()

    def audit(self) -> None:
        async def audit(shop: Shop) -> list[Any]:
            orders = await accounted_for(shop.backend)
            assert orders.keys() == self.known[0][0].keys()
            return [orders[id] for id in sorted(orders)]

        self.do(audit)
        self.do(Shop.contents)

    # What is there from the beginning

    def kept(self, make: Callable[[], Aggregate]) -> UUID:
        async def keep(shop: Shop) -> UUID:
            await shop.backend.keep(aggregate := make())
            return aggregate.id

        id: UUID = self.do(keep)
        return id

    def user(self, username: str, role: Role = Role.CUSTOMER) -> UserId:
        return UserId(self.kept(partial(a_user, username=username, role=role)))

    def product(self, name: str, price: str) -> ProductId:
        make = partial(a_product, name=name, sku_text=name, slug_text=name, stock=60)
        return ProductId(self.kept(partial(make, price=gbp(price))))

    @initialize()
    def there_are_orders_and_credit(self) -> None:
        for customer in self.customers:
            self.accounts.append(self.opened(customer))
            self.deposited(self.accounts[-1], 500)
            self.placed(customer, 0, 4)
        self.commit()

    def opened(self, customer: Actor) -> AccountId:
        async def open_one(shop: Shop) -> UUID:
            return (await Opening(shop.begin, GBP, self.clock).open(self.clerk, customer.id)).id

        return AccountId(self.attempt(open_one))

    # What people do

    @rule(dice=st.randoms(use_true_random=True))
    def something_happens(self, dice: Random) -> None:
        """In a block of its own or not; Hypothesis itself would choose what is rare too often."""
        self.dice = dice
        self.nest(dice.choice(BLOCKS))
        [action] = dice.choices([*ACTIONS], [*ACTIONS.values()])
        getattr(self, action)()

    def an_order(self) -> OrderId:
        """Seldom one that was undone."""
        known = [*self.bills]
        stale = [id for id in self.placed_ever if id not in self.bills]
        return OrderId(self.dice.choice(stale if stale and self.dice.random() < 0.1 else known))

    def somebody(self) -> Actor:
        """Mostly the clerk, who may do everything."""
        return self.dice.choice([*self.customers, *[self.clerk] * 6])

    def an_amount(self) -> Money | None:
        minor = self.dice.choice(AMOUNTS)
        return None if minor is None else Money(minor, GBP)

    def place(self) -> None:
        self.placed(self.dice.choice(self.customers), self.dice.randrange(2), 2)

    def placed(self, customer: Actor, product: int, quantity: int) -> None:
        number = OrderNumber(f"ORD-{self.now:%H%M%S%f}")

        async def place(shop: Shop) -> Aggregate:
            checkout = Checkout(shop.begin, self.clock, lambda _: number)
            return await checkout.place(customer, [BasketLine(self.products[product], quantity)])

        order = self.attempt(place)
        if order is not None:
            self.bills[order["id"]] = Bill(order["total"].minor)
            self.placed_ever.append(order["id"])

    def pay(self) -> None:
        actor, id, wanted = self.somebody(), self.an_order(), self.an_amount()
        method = self.dice.choice([CREDIT, EXTERNAL])

        async def pay(shop: Shop) -> Payment:
            return await Paying(shop.begin, self.clock).pay(actor, id, method, wanted)

        payment = self.attempt(pay)
        if payment is None:
            return
        bill, amount = self.bills[id], payment["amount"].minor
        assert amount == (wanted.minor if wanted else bill.total - bill.covered)
        bill.covered += amount
        bill.receive(amount)
        self.paid_for[payment["id"]] = id

    def charge(self) -> None:
        id, wanted, play = self.an_order(), self.an_amount(), self.dice.choice([*Play])

        async def charge(shop: Shop) -> Payment:
            self.gateway(shop).script = [play]
            return await self.charging(shop).charge(self.clerk, id, wanted)

        payment = self.attempt(charge)
        if payment is None:
            return
        amount, bill = payment["amount"].minor, self.bills[id]
        bill.covered += amount
        self.undecided[payment["id"]] = id, amount
        self.paid_for[payment["id"]] = id
        if payment["status"] is not PaymentStatus.PENDING:
            self.decided(payment["id"], payment["status"])

    def a_verdict_comes(self) -> None:
        """On what is undecided, or was, or was undone."""
        of = [*self.undecided] if self.undecided and self.dice.random() < 0.7 else self.paid_for
        if not of:
            return
        id, verdict = PaymentId(self.dice.choice([*of])), self.dice.choice(VERDICTS)

        async def settle(shop: Shop) -> Payment:
            return await self.charging(shop).settle(self.clerk, id, verdict)

        payment = self.attempt(settle)
        if payment is not None:
            self.decided(id, payment["status"])

    def ask_again(self) -> None:
        plays = self.dice.choices([Play.APPROVE, Play.LOSE], k=3)
        waiting = sorted(self.undecided)

        async def ask(shop: Shop) -> list[Any]:
            self.gateway(shop).script = [*plays]
            settled = await self.charging(shop).ask_again(self.clerk, older_than=timedelta(0))
            return [
                settled,
                [(await shop.work.payments.get(PaymentId(id))).status for id in waiting],
            ]

        settled, fates = self.attempt(ask)
        decided = [
            (id, fate)
            for id, fate in zip(waiting, fates, strict=True)
            if fate is not PaymentStatus.PENDING
        ]
        assert len(decided) == settled
        for id, fate in decided:
            self.decided(id, fate)

    def decided(self, id: UUID, fate: PaymentStatus) -> None:
        of, amount = self.undecided.pop(id, (None, 0))
        if of is None:
            return  # it had been decided before, and nothing more comes of it
        if fate is PaymentStatus.SUCCEEDED:
            self.bills[of].receive(amount)
        else:
            self.bills[of].covered -= amount

    def gateway(self, shop: Shop) -> FakeGateway:
        return self.gateways.setdefault(shop.backend.name, FakeGateway())

    def charging(self, shop: Shop) -> Charging:
        return Charging(shop.begin, self.gateway(shop), Runner(), self.clock)

    def refund(self) -> None:
        """Mostly where there is something to give back; of all payments or one, or another's."""
        id, amount, of = self.an_order(), self.an_amount(), None
        paid = [one for one, bill in self.bills.items() if bill.paid > bill.refunded]
        if paid and self.dice.random() < 0.8:
            id = OrderId(self.dice.choice(paid))
        its_own = [one for one, order_id in self.paid_for.items() if order_id == id]
        if self.paid_for and self.dice.random() < 0.5:
            others = self.dice.random() < 0.1
            of = self.dice.choice([*self.paid_for] if others or not its_own else its_own)

        async def refund(shop: Shop) -> Aggregate:
            refunding = Refunding(shop.begin, self.clock)
            return await refunding.refund(self.clerk, id, amount, payment_id=of, reason="damaged")

        made = self.attempt(refund)
        if made is not None:
            assert of is None or {part.state["payment_id"] for part in made["parts"]} == {of}
            self.bills[id].give_back(made["amount"].minor)

    def move(self) -> None:
        """Mostly where the order can go."""
        actor, id, to = self.somebody(), self.an_order(), self.dice.choice([*OrderStatus])
        if id in self.bills and (ways := self.bills[id].status.next):
            to = self.dice.choice(ways)

        async def move(shop: Shop) -> list[Any]:
            moved = await Fulfilment(shop.begin, self.clock).move(actor, id, to)
            return [moved.status, moved.refunded]

        moved = self.attempt(move)
        if moved is not None:
            assert moved[0] is to
            self.bills[id].status = to
            self.bills[id].refunded = moved[1].minor

    def expire(self) -> None:
        ticks = self.dice.randrange(10, 60)
        unpaid = {
            id
            for id, bill in self.bills.items()
            if bill.status is OrderStatus.PENDING and bill.covered == 0
        }

        async def expire(shop: Shop) -> list[Any]:
            expiry = Expiry(shop.begin, Runner(), self.clock)
            done = await expiry.expire(self.clerk, older_than=ticks * TICK)
            assert not done.refused
            orders = [await shop.work.orders.get(OrderId(id)) for id in sorted(unpaid)]
            ended = [one.id for one in orders if one.status is OrderStatus.CANCELLED]
            assert len(ended) == done.orders
            return ended

        for id in self.attempt(expire):
            self.bills[id].status = OrderStatus.CANCELLED

    def transfer(self) -> None:
        source, minor = self.dice.randrange(2), self.dice.choice([50, 100, 400, 900])

        async def transfer(shop: Shop) -> Aggregate:
            return await Bookkeeping(shop.begin, self.clock).transfer(
                self.customers[source],
                self.accounts[source],
                self.accounts[1 - source],
                Money(minor, GBP),
            )

        self.attempt(transfer)

    def deposit(self) -> None:
        self.deposited(self.dice.choice(self.accounts), 300)

    def deposited(self, id: AccountId, minor: int) -> None:
        async def deposit(shop: Shop) -> Aggregate:
            bookkeeping = Bookkeeping(shop.begin, self.clock)
            return await bookkeeping.deposit(self.clerk, id, Money(minor, GBP), reference="r")

        self.attempt(deposit)


def test_no_penny_is_lost_or_made_whatever_is_paid_given_back_and_undone(
    empty_shops: Callable[[], SideBySide],
) -> None:
    @seed(NOON.toordinal())  # the same walks in every run
    def machine() -> OneTillThreeTimes:
        return OneTillThreeTimes(empty_shops())

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # anything that makes a machine will do
        settings=settings(
            max_examples=12,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=[*HealthCheck],
        ),
    )
