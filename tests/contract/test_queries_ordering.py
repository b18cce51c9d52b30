from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import uuid4

import pytest

from application.ordering.queries import OrderDetails, OrderFilter, OrderSummary
from application.shared.pages import Page, PageRequest, Sort
from domain.catalog.product import ProductId
from domain.identity.user import User, UserId
from domain.ordering.order import Order, OrderId, OrderNumber
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from tests.builders import NOON, a_product, a_user, an_address, an_order, money
from tests.contract.backends import Backend
from tests.contract.steps import everything, lock_products, order_in
from tests.contract.walking import each_page_is_right

SORTS: Final[dict[str, Callable[[OrderSummary], Any]]] = {
    "placed_at": attrgetter("placed_at"),
    "total": attrgetter("total.minor"),
}


async def test_an_order_is_found_with_all_that_is_known_of_it(backend: Backend) -> None:
    ada, mug, pot = a_user(), a_product(name="Mug"), a_product()
    order = an_order(
        customer=ada,
        quantities={pot: 1, mug: 3},
        shipping_address=an_address(),
        note="Ring twice",
    )
    await backend.keep(ada, mug, pot, order, an_order(mug, customer=ada))

    assert await backend.orders.find(OrderId(order.id)) == OrderDetails.of(order)
    assert await backend.orders.find(OrderId(uuid4())) is None


async def test_an_order_is_seen_as_it_is_now(backend: Backend) -> None:
    ada, mug = a_user(), a_product()
    order = an_order(mug, customer=ada)
    await backend.keep(ada, mug, order)
    async with backend.begin() as work:
        moved = await order_in(work, order)
        moved.confirm(by=Author(order.customer_id), at=NOON)
        moved.ship(tracking_number="AB 12", by=Author(order.customer_id), at=NOON)
        await work.commit()

    found = await backend.orders.find(OrderId(order.id))
    assert found == OrderDetails.of(moved)
    assert found.tracking_number == "AB 12"


async def test_a_list_shows_an_order_without_its_lines(backend: Backend) -> None:
    ada, mug = a_user(), a_product()
    order = an_order(mug, customer=ada, shipping_address=an_address(), note="Ring twice")
    await backend.keep(ada, mug, order)

    page = await backend.orders.page(everything("placed_at"), OrderFilter())
    assert [type(row) for row in page.items] == [OrderSummary]
    assert page.items[0] == OrderSummary(
        id=order.id,
        number=order.number,
        status=OrderStatus.PENDING,
        customer_id=ada.id,
        total=order.total,
        paid=money("0"),
        refunded=money("0"),
        shipping_address=order.shipping_address,
        note="Ring twice",
        tracking_number=None,
        placed_at=NOON,
        updated_at=NOON,
        version=1,
    )


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("field", SORTS)
async def test_orders_are_listed_in_order(backend: Backend, field: str, descending: bool) -> None:
    ada = a_user()
    yen, dinars = a_product(price=money("1000", "JPY")), a_product(price=money("1", "KWD"))
    orders = [
        an_order(
            (yen, dinars)[number % 2],
            customer=ada,
            quantity=1 + number % 3,
            at=NOON - timedelta(microseconds=number % 4),
        )
        for number in range(10)
    ]
    yen.stock = dinars.stock = 10
    await backend.keep(ada, yen, dinars, *orders)

    async def pages(request: PageRequest) -> Page[OrderSummary]:
        return await backend.orders.page(request, OrderFilter())

    rows = (await pages(everything("total"))).items
    assert len(rows) == len(orders)
    await each_page_is_right(pages, rows, Sort(field, descending), SORTS[field])


async def test_orders_are_filtered(backend: Backend) -> None:
    ada, bob, mug = a_user(), a_user(), a_product(stock=100)

    def of(customer: User) -> Order:
        return an_order(mug, customer=customer)

    pending, confirmed, cancelled, others = of(ada), of(ada), of(ada), of(bob)
    await backend.keep(ada, bob, mug, pending, confirmed, cancelled, others)
    async with backend.begin() as work:
        [product] = await lock_products(work, mug)
        actor = UserId(ada.id)
        (await order_in(work, confirmed)).confirm(by=Author(actor), at=NOON)
        (await order_in(work, cancelled)).cancel(
            {ProductId(product.id): product}, by=Author(actor), at=NOON
        )
        await work.commit()

    async def found(wanted: OrderFilter) -> set[str]:
        request = PageRequest(sort=Sort("placed_at"), limit=10, with_total=True)
        page = await backend.orders.page(request, wanted)
        assert page.total == len(page.items)
        return {row.number for row in page.items}

    adas, bobs = UserId(ada.id), UserId(bob.id)
    final = (OrderStatus.CANCELLED, OrderStatus.DELIVERED)
    of_ada = {pending.number, confirmed.number, cancelled.number}
    assert await found(OrderFilter()) == of_ada | {others.number}
    assert await found(OrderFilter(customer_id=adas)) == of_ada
    assert await found(OrderFilter(customer_id=UserId(uuid4()))) == set()
    assert await found(OrderFilter(statuses=final)) == {cancelled.number}
    assert await found(OrderFilter(statuses=(OrderStatus.PENDING,), customer_id=bobs)) == {
        others.number
    }
    assert await found(OrderFilter(statuses=tuple(OrderStatus))) == of_ada | {others.number}


async def test_orders_are_found_by_what_they_hold_and_when_they_were_placed(
    backend: Backend,
) -> None:
    ada, mug, pot = a_user(), a_product(stock=100), a_product(stock=100)
    early = an_order(mug, customer=ada, at=NOON)
    both = an_order(mug, pot, customer=ada, at=NOON + timedelta(microseconds=1))
    late = an_order(pot, customer=ada, at=NOON + timedelta(days=1))
    await backend.keep(ada, mug, pot, early, both, late)

    async def found(wanted: OrderFilter) -> list[str]:
        request = PageRequest(sort=Sort("placed_at"), limit=10, with_total=True)
        page = await backend.orders.page(request, wanted)
        assert page.total == len(page.items)
        return [row.number for row in page.items]

    def between(since: timedelta | None, until: timedelta | None) -> OrderFilter:
        return OrderFilter(
            placed_from=None if since is None else NOON + since,
            placed_before=None if until is None else NOON + until,
        )

    moment, day = timedelta(microseconds=1), timedelta(days=1)
    assert await found(OrderFilter(product_id=ProductId(mug.id))) == [early.number, both.number]
    assert await found(OrderFilter(product_id=ProductId(pot.id))) == [both.number, late.number]
    assert await found(OrderFilter(product_id=ProductId(uuid4()))) == []
    assert await found(OrderFilter(number=both.number)) == [both.number]
    assert await found(OrderFilter(number=OrderNumber(both.number.lower()))) == []
    assert await found(between(moment, None)) == [both.number, late.number]
    assert await found(between(None, moment)) == [early.number]
    assert await found(between(moment, day)) == [both.number]
    assert await found(between(day, moment)) == []


async def test_an_order_is_found_by_its_number(backend: Backend) -> None:
    ada, mug, pot = a_user(), a_product(), a_product()
    order = an_order(mug, pot, customer=ada)
    await backend.keep(ada, mug, pot, order, an_order(mug, customer=ada))

    assert await backend.orders.by_number(order.number) == OrderDetails.of(order)
    assert await backend.orders.by_number(OrderNumber("ORD-20260314-00000000")) is None
