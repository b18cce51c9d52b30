from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from application.identity.actor import OPERATOR
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.history import History
from application.ordering.timeline import Happening
from application.shared.pages import PageRequest, Sort
from domain.catalog.product import ProductId
from domain.identity.user import Role
from domain.ordering.order import Order, OrderId, OrderNotFound
from domain.ordering.status import OrderStatus
from tests.builders import NOON, a_product, an_actor, an_order, gbp
from tests.unit.ordering.till import CREDIT, Till

PENDING, CONFIRMED, SHIPPED, DELIVERED, CANCELLED = OrderStatus
ALL = PageRequest(sort=Sort("at"), limit=100)


async def story(till: Till, order: Order) -> list[Happening]:
    page = await History(till.shop.orders).timeline(till.customer, OrderId(order.id), ALL)
    assert [one.position for one in page.items] == [*range(1, len(page.items) + 1)]
    return [*page.items]


async def placed(till: Till, request_id: str | None = None) -> Order:
    mug = a_product(price=gbp("10"), stock=4)
    async with till.shop.begin() as work:
        work.products.add(mug)
        await work.commit()
    actor = replace(till.customer, request_id=request_id)
    checkout = Checkout(till.shop.begin, till.clock)
    return await checkout.place(actor, [BasketLine(ProductId(mug.id), 1)])


async def test_the_story_of_an_order_is_told_from_the_beginning(till: Till) -> None:
    order = await placed(till, "req-1")
    await till.pay(order, "4", CREDIT)
    await till.pay(order)
    await till.move(order, SHIPPED, "with the morning post")
    await till.move(order, DELIVERED)
    await till.refund(order, "1")

    told = await story(till, order)

    assert [(one.type, one.previous, one.to, one.reason) for one in told] == [
        ("order.placed", None, PENDING, None),
        ("payment.received", None, None, None),
        ("payment.received", None, None, None),
        ("order.confirmed", PENDING, CONFIRMED, "paid in full"),
        ("order.shipped", CONFIRMED, SHIPPED, "with the morning post"),
        ("order.delivered", SHIPPED, DELIVERED, None),
        ("refund.made", None, None, "damaged"),
    ]
    assert [one.actor_id for one in told] == [till.ada.id, *[till.clerk.id] * 6]
    assert [one.request_id for one in told] == ["req-1", *[None] * 6]
    assert told[0].at == NOON
    assert [one.at for one in told] == sorted(one.at for one in told)


async def test_it_is_told_why_money_did_not_come_or_has_to_go_back(till: Till) -> None:
    order = await placed(till)
    failing = await till.undecided(order, "4")
    till.gateway.verdicts.clear()
    await till.settle_all()
    await till.undecided(order, "6")
    await till.cancel(order, "no longer wanted")
    await till.settle_all()

    told = await story(till, order)

    assert [(one.type, one.previous, one.to, one.reason) for one in told] == [
        ("order.placed", None, PENDING, None),
        ("payment.asked", None, None, None),
        ("payment.failed", None, None, till.shop.now(failing).failure),
        ("payment.asked", None, None, None),
        ("order.cancelled", PENDING, CANCELLED, "no longer wanted"),
        ("payment.received", None, None, None),
        ("payment.due_back", None, None, None),
    ]


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_cancelled_order_says_what_it_was_before(till: Till, confirmed: bool) -> None:
    order = await placed(till)
    if confirmed:
        await till.move(order, CONFIRMED)
    await till.cancel(order)
    last = (await story(till, order))[-1]
    assert (last.previous, last.to) == (CONFIRMED if confirmed else PENDING, CANCELLED)


async def test_what_the_operator_did_is_told_of_nobody(till: Till) -> None:
    order = await placed(till)
    till.clock.move(days=1)
    await till.expiry.expire(OPERATOR, older_than=timedelta(hours=1))
    assert (await story(till, order))[-1].actor_id == UUID(int=0)


async def test_an_order_tells_nothing_of_another(till: Till) -> None:
    order, other = await placed(till), await placed(till)
    await till.pay(other)
    assert [one.type for one in await story(till, order)] == ["order.placed"]
    assert len({one.id for one in [*await story(till, order), *await story(till, other)]}) == 4


async def test_the_story_is_for_the_customer_and_for_staff(till: Till) -> None:
    order = await placed(till)
    history = History(till.shop.orders)
    for actor in (till.customer, till.staff, an_actor(Role.ADMIN), OPERATOR):
        page = await history.timeline(actor, OrderId(order.id), ALL)
        assert [one.type for one in page.items] == ["order.placed"]
    for id, actor in ((order.id, an_actor()), (an_order().id, till.staff)):
        with pytest.raises(OrderNotFound):
            await history.timeline(actor, OrderId(id), ALL)


async def test_the_payments_are_for_the_customer_and_for_staff(till: Till) -> None:
    order = await till.sell()
    payment = await till.pay(order)
    refund = await till.refund(order, "3")
    history = History(till.shop.orders)
    request = replace(ALL, sort=Sort("created_at"))
    for actor in (till.customer, till.staff):
        [shown] = (await history.payments(actor, OrderId(order.id), request)).items
        assert (shown.id, shown.refunded) == (payment.id, gbp("3"))
        assert [(one.id, one.amount, one.reason) for one in shown.refunds] == [
            (refund.id, gbp("3"), "damaged")
        ]
    for id, actor in ((order.id, an_actor()), (an_order().id, till.staff)):
        with pytest.raises(OrderNotFound):
            await history.payments(actor, OrderId(id), request)
