from datetime import timedelta
from operator import attrgetter
from uuid import uuid4

import pytest

from application.ordering.receipts import PaymentDetails, RefundDetails
from application.ordering.timeline import Happening
from application.shared.pages import Page, PageRequest, Sort
from domain.catalog.product import ProductId
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from tests.builders import NOON, a_payment, a_product, a_refund, a_user, an_order, gbp
from tests.contract.backends import Backend, add
from tests.contract.steps import everything, lock_products, order_in
from tests.contract.walking import each_page_is_right, walk


async def a_sale(backend: Backend) -> Order:
    """A stored order of a hundred pounds."""
    ada, mug = a_user(), a_product(price=gbp("100"))
    order = an_order(mug, customer=ada)
    await backend.keep(ada, mug, order)
    return order


async def paid(backend: Backend, order: Order, *seconds: int) -> list[Payment]:
    """A pound for each of these moments, kept in this order."""
    async with backend.begin() as work:
        held = await order_in(work, order, lock=True)
        payments = [
            a_payment(held, gbp("1"), at=NOON + timedelta(seconds=moment)) for moment in seconds
        ]
        for payment in payments:
            work.payments.add(payment)
        await work.commit()
    return payments


async def refunded(
    backend: Backend, order: Order, *payments: Payment, amount: str, seconds: int
) -> RefundDetails:
    """What a refund of these payments, all of one kind, says of one of them."""
    async with backend.begin() as work:
        held = await order_in(work, order, lock=True)
        ids = {payment.id for payment in payments}
        of = [one for one in await work.payments.of_order(OrderId(order.id)) if one.id in ids]
        refund = a_refund(held, *of, amount=gbp(amount), at=NOON + timedelta(seconds=seconds))
        work.refunds.add(refund)
        await work.commit()
    return RefundDetails(
        id=refund.id, amount=refund.amount, reason=refund.reason, created_at=refund.created_at
    )


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
async def test_payments_are_listed_in_order(backend: Backend, descending: bool) -> None:
    order, other = await a_sale(backend), await a_sale(backend)
    payments = await paid(backend, order, 3, 1, 2, 2, 2, -5, 0)
    await paid(backend, other, 1, 2)

    async def pages(request: PageRequest) -> Page[PaymentDetails]:
        return await backend.orders.payments(OrderId(order.id), request)

    await each_page_is_right(
        pages,
        [PaymentDetails.of(payment, []) for payment in payments],
        Sort("created_at", descending),
        attrgetter("created_at"),
    )


async def test_a_payment_is_listed_with_what_went_back_of_it(backend: Backend) -> None:
    order = await a_sale(backend)
    first, second = await paid(backend, order, 1, 2)
    late = await refunded(backend, order, first, amount="0.25", seconds=9)
    early = await refunded(backend, order, first, amount="0.50", seconds=5)
    both = await refunded(backend, order, first, second, amount="1.10", seconds=7)

    page = await backend.orders.payments(OrderId(order.id), everything("created_at"))

    assert [one.id for one in page.items] == [first.id, second.id]
    of_first, of_second = page.items
    assert [(one.id, one.amount, one.reason) for one in of_first.refunds] == [
        (early.id, gbp("0.50"), "damaged"),
        (both.id, gbp("0.10"), "damaged"),
        (late.id, gbp("0.25"), "damaged"),
    ]
    assert [(one.id, one.amount) for one in of_second.refunds] == [(both.id, gbp("1"))]
    assert (of_first.refunded, of_second.refunded) == (gbp("0.85"), gbp("1"))
    second_page = PageRequest(sort=Sort("created_at"), limit=1, offset=1, with_total=True)
    assert await backend.orders.payments(OrderId(order.id), second_page) == Page(
        [of_second], total=2
    )


async def test_an_order_without_payments_lists_none(backend: Backend) -> None:
    order = await a_sale(backend)
    request = PageRequest(sort=Sort("created_at"), limit=5, with_total=True)
    for id in (order.id, uuid4()):
        assert await backend.orders.payments(OrderId(id), request) == Page([], total=0)


async def test_payments_are_listed_as_far_as_they_are_committed(backend: Backend) -> None:
    order = await a_sale(backend)
    async with backend.begin() as work:
        held = await order_in(work, order, lock=True)
        work.payments.add(a_payment(held))
        await work.flush()
        page = await backend.orders.payments(OrderId(order.id), everything("created_at"))
        found = await backend.orders.find(OrderId(order.id))
    assert [*page.items] == []
    assert found is not None
    assert (found.paid, found.status) == (gbp("0"), OrderStatus.PENDING)


async def test_an_order_shows_what_was_paid_and_what_went_back(backend: Backend) -> None:
    order = await a_sale(backend)
    payments = await paid(backend, order, 1, 2, 3)
    await refunded(backend, order, *payments, amount="1.50", seconds=9)
    found = await backend.orders.find(OrderId(order.id))
    assert found is not None
    assert (found.paid, found.refunded) == (gbp("3"), gbp("1.50"))
    assert found == await backend.orders.by_number(order.number)


async def test_whose_an_order_is_can_be_asked(backend: Backend) -> None:
    order = await a_sale(backend)
    assert await backend.orders.customer_of(OrderId(order.id)) == order.customer_id
    assert await backend.orders.customer_of(OrderId(uuid4())) is None


async def told(backend: Backend, steps: int) -> Order:
    """An order to which so many things happened, all in the same moment."""
    ada, mug = a_user(), a_product(price=gbp("100"))
    async with backend.begin() as work:
        for thing in (ada, mug, order := an_order(mug, customer=ada)):
            add(work, thing)
            await work.flush()
        await work.commit()
    by = Author(ada.id, "req-1")
    for _ in range(steps - 1):
        async with backend.begin() as work:
            held = await order_in(work, order, lock=True)
            payment = a_payment(held, gbp("1"))
            work.payments.add(payment)
            await work.commit()
    async with backend.begin() as work:
        held = await order_in(work, order, lock=True)
        [product] = await lock_products(work, mug)
        held.cancel({ProductId(product.id): product}, "no more", by=by, at=NOON)
        await work.commit()
    return order


async def test_a_story_is_told_page_by_page_in_the_order_in_which_it_happened(
    backend: Backend,
) -> None:
    order, other = await told(backend, 5), await told(backend, 2)
    request = everything("at")
    story = (await backend.orders.timeline(OrderId(order.id), request)).items
    assert [one.position for one in story] == [1, 2, 3, 4, 5, 6]
    assert [one.type for one in story] == [
        "order.placed",
        *["payment.received"] * 4,
        "order.cancelled",
    ]
    assert len((await backend.orders.timeline(OrderId(other.id), request)).items) == 3

    async def pages(request: PageRequest) -> Page[Happening]:
        return await backend.orders.timeline(OrderId(order.id), request)

    await each_page_is_right(pages, story, Sort("at"), attrgetter("position"))
    assert await walk(pages, Sort("at", descending=True), limit=2) == [*reversed(story)]


async def test_each_word_of_a_story_says_who_and_why_and_from_where_to_where(
    backend: Backend,
) -> None:
    order = await told(backend, 1)
    first, last = (await backend.orders.timeline(OrderId(order.id), everything("at"))).items
    assert first == Happening(
        id=first.id,
        position=1,
        at=NOON,
        type="order.placed",
        previous=None,
        to=OrderStatus.PENDING,
        actor_id=order.customer_id,
        reason=None,
        request_id=None,
    )
    assert last == Happening(
        id=last.id,
        position=2,
        at=NOON,
        type="order.cancelled",
        previous=OrderStatus.PENDING,
        to=OrderStatus.CANCELLED,
        actor_id=order.customer_id,
        reason="no more",
        request_id="req-1",
    )
    assert {first.id, last.id} == {
        entry.id for entry in await backend.outbox() if entry.aggregate_id == order.id
    }


async def test_of_what_never_was_no_story_is_told(backend: Backend) -> None:
    await told(backend, 1)
    request = PageRequest(sort=Sort("at"), limit=5, with_total=True)
    assert await backend.orders.timeline(OrderId(uuid4()), request) == Page([], total=0)
