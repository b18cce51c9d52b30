import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from application.ordering.checkout import BasketLine, Checkout
from application.ordering.queries import OrderFilter
from application.shared.unit_of_work import Runner
from domain.catalog.product import Product, ProductId
from domain.ordering.order import Order, OrderId
from tests.builders import BY_HAND, NOON, a_product, a_user, actor_of, at_noon
from tests.contract.backends import Backend
from tests.contract.steps import everything, lock_products

THERE = 1000  # of each product at first


async def a_shop(backend: Backend) -> tuple[Callable[[], Awaitable[Order]], list[Product]]:
    """Somebody who orders one of each of two products, and the products."""
    ada, products = a_user(), [a_product(stock=THERE) for _ in range(2)]
    await backend.keep(ada, *products)
    checkout = Checkout(backend.begin, at_noon)
    basket = [BasketLine(ProductId(product.id), 1) for product in products]
    return lambda: checkout.place(actor_of(ada), basket), products


async def cut_off(
    attempts: list[asyncio.Task[Order]], dice: random.Random, *, within: float
) -> set[OrderId]:
    """Cancel one after the other, at a random moment each; the orders of those who were faster."""
    for attempt in dice.sample(attempts, len(attempts)):
        await asyncio.sleep(dice.uniform(0, within))
        attempt.cancel()
    ends = await asyncio.gather(*attempts, return_exceptions=True)
    assert asyncio.CancelledError in {type(end) for end in ends}
    assert {type(end) for end in ends} <= {Order, asyncio.CancelledError}
    return {OrderId(end.id) for end in ends if isinstance(end, Order)}


async def each_order_is_whole(
    backend: Backend, acknowledged: set[OrderId], products: list[Product]
) -> None:
    """Its lines, what they took from stock and its event are there, or nothing of it is."""
    page = await backend.orders.page(everything("placed_at"), OrderFilter())
    ids = [OrderId(row.id) for row in page.items]
    placed = [await backend.orders.find(id) for id in ids]
    assert acknowledged <= {*ids}
    assert [len(order.items) for order in placed if order] == [2] * len(ids)
    assert await backend.stock(*products) == [THERE - len(ids)] * 2
    assert sorted(ids) == [entry.aggregate_id for entry in await backend.outbox()]


async def nobody_holds_anything(backend: Backend, products: list[Product]) -> None:
    """No transaction is open, and a newcomer gets every lock: to wait for one would be an error."""
    assert await backend.left_open() == 0
    async with backend.begin() as work:
        for product in await lock_products(work, *products):
            product.take(1, BY_HAND, at=NOON)
        await work.commit()


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_goes_away_leaves_a_whole_order_or_none(backend: Backend, seed: int) -> None:
    place, products = await a_shop(backend)
    run = Runner()

    attempts = [asyncio.create_task(run(place)) for _ in range(60)]
    within = 0.0001 if backend.name == "memory" else 0.004
    acknowledged = await cut_off(attempts, random.Random(seed), within=within)
    await run.drain(30)

    await each_order_is_whole(backend, acknowledged, products)
    await nobody_holds_anything(backend, products)


async def test_what_has_to_end_now_leaves_a_whole_order_or_none(overlapping: Backend) -> None:
    place, products = await a_shop(overlapping)
    run = Runner()

    attempts = [asyncio.create_task(run(place)) for _ in range(60)]
    await run.drain(0.05)
    ends = await asyncio.gather(*attempts, return_exceptions=True)

    assert {type(end) for end in ends} <= {Order, asyncio.CancelledError}
    acknowledged = {OrderId(end.id) for end in ends if isinstance(end, Order)}
    await each_order_is_whole(overlapping, acknowledged, products)
    await nobody_holds_anything(overlapping, products)
