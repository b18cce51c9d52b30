from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from application.identity.actor import OPERATOR
from application.shared.errors import Busy, Unavailable
from domain.catalog.product import LARGEST_STOCK, Product, ProductId, StockTooLarge
from domain.identity.user import Role
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import PaymentMethod
from domain.ordering.status import OrderStatus
from domain.shared.errors import Forbidden
from infrastructure.gateways import Play
from infrastructure.memory.unit_of_work import MemoryUnitOfWork
from tests.builders import BY_HAND, a_product, an_actor, an_order, gbp
from tests.unit.ordering.till import CREDIT, EXTERNAL, Till

PENDING, CONFIRMED, SHIPPED, DELIVERED, CANCELLED = OrderStatus
A_DAY = timedelta(days=1)


async def expire(till: Till) -> int:
    """How many end that are a day old."""
    done = await till.expiry.expire(till.staff, older_than=A_DAY)
    assert done.refused == {}
    return done.orders


async def test_what_nobody_pays_in_time_is_cancelled_and_back_in_stock(till: Till) -> None:
    order = await till.sell()
    till.clock.move(days=2)
    done = await till.expiry.expire(OPERATOR, older_than=timedelta(hours=48) - timedelta(seconds=1))
    assert (done.orders, till.status(order), till.stock(order)) == (1, CANCELLED, 4)
    [told] = till.shop.database.outbox
    assert (told.type, told.payload["previous"]) == ("order.cancelled", "pending")
    assert (told.payload["actor_id"], told.payload["request_id"]) == (str(OPERATOR.id), None)


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(seconds=1), "unpaid for 1 second"),
        (timedelta(minutes=90), "unpaid for 90 minutes"),
        (timedelta(hours=1), "unpaid for 1 hour"),
        (timedelta(hours=49), "unpaid for 49 hours"),
        (timedelta(hours=48), "unpaid for 2 days"),
        (timedelta(days=365), "unpaid for 365 days"),
    ],
)
async def test_an_order_that_expires_says_why(till: Till, age: timedelta, reason: str) -> None:
    await till.sell()
    till.clock.move(days=366)
    assert (await till.expiry.expire(till.staff, older_than=age)).orders == 1
    [told] = till.shop.database.outbox
    assert told.payload["reason"] == reason


async def test_an_order_expires_once_it_is_older_than_that(till: Till) -> None:
    order = await till.sell()
    till.clock.move(days=1)
    assert (await expire(till), till.status(order)) == (0, PENDING)
    till.clock.move(seconds=0.000001)
    assert (await expire(till), till.status(order)) == (1, CANCELLED)
    assert await expire(till) == 0


@pytest.mark.parametrize("method", [CREDIT, EXTERNAL])
async def test_what_is_paid_in_part_does_not_expire(till: Till, method: PaymentMethod) -> None:
    order = await till.sell()
    await till.pay(order, "0.01", method)
    till.clock.move(days=9)
    assert (await expire(till), till.status(order)) == (0, PENDING)


async def test_what_is_being_paid_does_not_expire_until_that_has_failed(till: Till) -> None:
    order = await till.sell()
    await till.undecided(order, "0.01")
    till.gateway.verdicts.clear()
    till.clock.move(days=9)
    assert (await expire(till), till.status(order)) == (0, PENDING)
    await till.settle_all()
    assert (await expire(till), till.status(order)) == (1, CANCELLED)


async def test_what_is_given_back_in_full_expires_as_if_it_had_never_been_paid(till: Till) -> None:
    order = await till.sell()
    cash = await till.pay(order, "4")
    await till.refund(order, "3")
    till.clock.move(days=9)
    assert await expire(till) == 0
    await till.refund(order)
    assert (await expire(till), till.status(order)) == (1, CANCELLED)
    assert till.shop.now(cash).due_back == gbp("0")


async def test_what_costs_nothing_does_not_expire(till: Till) -> None:
    gift = a_product(price=gbp("0"))
    free = an_order(gift, customer=till.ada)
    await till.shop.keep(gift, free)
    till.clock.move(days=9)
    assert (await expire(till), till.status(free)) == (0, PENDING)


@pytest.mark.parametrize("status", [CONFIRMED, SHIPPED, DELIVERED, CANCELLED])
async def test_what_has_moved_on_does_not_expire(till: Till, status: OrderStatus) -> None:
    order = await till.sell()
    steps = {
        CONFIRMED: [CONFIRMED],
        SHIPPED: [CONFIRMED, SHIPPED],
        DELIVERED: [CONFIRMED, SHIPPED, DELIVERED],
        CANCELLED: [CANCELLED],
    }
    for to in steps[status]:
        await till.move(order, to)
    till.clock.move(days=9)
    before = till.everything()
    assert await expire(till) == 0
    assert till.everything() == before


async def test_all_of_many_expire(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.ordering.expiry.AT_ONCE", 3)
    mug = a_product(price=gbp("1"), stock=9)
    orders = [an_order(mug, customer=till.ada) for _ in range(7)]
    await till.shop.keep(mug, *orders)
    till.clock.move(days=2)
    assert await expire(till) == len(orders)
    assert till.shop.stock(mug) == [9]
    assert {till.status(order) for order in orders} == {CANCELLED}


async def full(till: Till, order: Order) -> None:
    """Let its product have so much in stock that nothing can go back there."""
    async with till.shop.begin() as work:
        product = await work.products.get(ProductId(order.lines[0].product_id), lock=True)
        product.put_back(LARGEST_STOCK - product.stock, BY_HAND, at=till.clock())
        await work.commit()


async def test_one_that_cannot_be_cancelled_does_not_stop_the_others(till: Till) -> None:
    orders = [await till.sell() for _ in range(3)]
    await full(till, orders[1])
    till.clock.move(days=2)

    done = await till.expiry.expire(till.staff, older_than=A_DAY)

    assert done.orders == 2
    assert [*done.refused] == [orders[1].id]
    assert isinstance(done.refused[OrderId(orders[1].id)], StockTooLarge)
    assert [till.status(order) for order in orders] == [CANCELLED, PENDING, CANCELLED]


async def in_turn(till: Till) -> tuple[Order, Order]:
    """Two orders, the first of which expires first."""
    first = await till.sell()
    till.clock.move(seconds=1)
    return first, await till.sell()


async def test_what_is_paid_meanwhile_does_not_expire(till: Till) -> None:
    first, second = await in_turn(till)
    till.clock.move(days=2)
    # Before the first one is cancelled, but after the list was made.
    payment = till.shop.meanwhile(till.pay(second, "1"))
    assert await expire(till) == 1
    await payment
    assert [till.status(first), till.status(second)] == [CANCELLED, PENDING]


async def test_what_is_charged_meanwhile_does_not_expire(till: Till) -> None:
    first, second = await in_turn(till)
    till.clock.move(days=2)
    till.gateway.script = [Play.LOSE]
    charge = till.shop.meanwhile(till.charging.charge(till.customer, OrderId(second.id)))
    assert await expire(till) == 1
    await charge
    assert [till.status(first), till.status(second)] == [CANCELLED, PENDING]


async def test_an_order_that_somebody_holds_is_tried_again(till: Till) -> None:
    order = await till.sell()
    till.clock.move(days=2)
    expiry = till.expiry
    till.shop.database.fail_next_commit(Busy())
    done = await expiry.expire(till.staff, older_than=A_DAY)
    assert (done.orders, expiry.run.retries) == (1, {"Busy": 1})
    assert (till.status(order), till.stock(order)) == (CANCELLED, 4)


async def test_what_had_expired_before_the_storage_went_away_stays_so(till: Till) -> None:
    orders = [await till.sell() for _ in range(2)]
    till.clock.move(days=2)
    begun = count(1)

    def begin() -> MemoryUnitOfWork:
        if next(begun) > 2:  # the list, and the first of the orders
            raise Unavailable
        return till.shop.begin()

    with pytest.raises(Unavailable):
        await replace(till.expiry, begin=begin).expire(till.staff, older_than=A_DAY)
    assert sorted(till.status(order) for order in orders) == [CANCELLED, PENDING]
    assert await expire(till) == 1


async def test_customers_let_nothing_expire(till: Till) -> None:
    order = await till.sell()
    till.clock.move(days=2)
    for customer in (till.customer, an_actor()):
        with pytest.raises(Forbidden):
            await till.expiry.expire(customer, older_than=A_DAY)
    assert till.status(order) is PENDING
    done = await till.expiry.expire(an_actor(Role.ADMIN), older_than=A_DAY)
    assert done.orders == 1


async def test_what_expires_takes_nothing_of_what_others_ordered(till: Till) -> None:
    mug = a_product(price=gbp("5"), stock=10)
    mine, paid = an_order(mug, customer=till.ada, quantity=3), an_order(mug, customer=till.ada)
    await till.shop.keep(mug, mine, paid)
    await till.pay(paid)
    till.clock.move(days=2)
    assert await expire(till) == 1
    assert till.shop.now(mug).stock == 9
    assert till.shop.count(Product) == 1
