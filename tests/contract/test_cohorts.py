"""Orders that share a unit of work are what they would be if each had one of its own."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from application.ordering.checkout import BasketLine, Checkout
from application.ordering.cohorts import Cohorts
from application.ordering.queries import OrderDetails, OrderFilter
from application.ordering.telling import Telling
from application.shared.errors import Deadlock
from application.shared.idempotency import Answer, RequestKey
from application.shared.unit_of_work import Joined, Runner
from domain.catalog.product import InsufficientStock, Product, ProductId, ProductNotFound, Sku
from domain.identity.user import User, UserId, UserNotFound
from domain.ordering.order import Order, OrderId, PriceChanged
from tests.builders import NOON, a_product, a_user, actor_of, at_noon, usd
from tests.contract.backends import Backend, SqlBackend
from tests.contract.steps import everything, movements_of
from tests.contract.test_checkout_costs import statements
from tests.contract.test_telling import refusing


@dataclass(slots=True)
class Rush:
    """Customers who order all at once."""

    backend: Backend
    cohorts: Cohorts
    run: Runner = field(default_factory=Runner)
    tell: Telling = field(default_factory=Telling)

    async def order(
        self, customer: User, *products: Product | Sku, quantity: int = 1, **terms: Any
    ) -> Order:
        checkout = Checkout(self.cohorts, at_noon, tell=self.tell)
        basket = [
            BasketLine(ProductId(each.id) if isinstance(each, Product) else each, quantity)
            for each in products
        ]
        return await self.run(lambda: checkout.place(actor_of(customer), basket, **terms))

    async def order_with(self, key: RequestKey, customer: User, product: Product) -> Answer:
        """What is answered to a request with this key."""

        async def once() -> Answer:
            place: Any = self.cohorts()
            async with place as outer:
                kept: Answer | None = await outer.keys.claim(key, at=NOON)
                if kept is not None:
                    return kept
                checkout = Checkout(lambda: Joined(outer), at_noon, tell=self.tell)
                basket = [BasketLine(ProductId(product.id), 1)]
                order = await checkout.place(actor_of(customer), basket)
                told = f"{order.id} is in version {order.version}"
                answer = Answer(request_hash=b"-", status=201, headers=(), body=told.encode())
                await outer.keys.keep(key, answer, until=NOON + timedelta(days=1))
                await outer.commit()
            return answer

        return await self.run(once)

    async def together(self, *attempts: Coroutine[Any, Any, Any]) -> list[Any]:
        """What came of them, when all of them waited for one who came before."""
        async with self.cohorts():
            tasks = [asyncio.create_task(attempt) for attempt in attempts]
            while self.cohorts.waiting < len(tasks):  # noqa: ASYNC110 - it is a number
                await asyncio.sleep(0.001)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert self.cohorts.sizes[len(tasks)] == 1
        return ends


@pytest.fixture
def rush(backend: Backend) -> Rush:
    return Rush(backend, Cohorts(backend.begin))


async def test_each_has_an_outcome_of_its_own(rush: Rush, backend: Backend) -> None:
    ada, bob, nobody = a_user(), a_user(), a_user()
    mug, cup, gone = a_product(stock=5), a_product(stock=2), a_product()
    gone.delete(at=NOON)
    await backend.keep(ada, bob, mug, cup, gone)

    first, short, dear, second, lost, stranger, by_sku = await rush.together(
        rush.order(ada, mug, cup, note="first"),
        rush.order(bob, mug, cup, quantity=2),
        rush.order(ada, mug, expected_total=usd("0.01")),
        rush.order(bob, mug),
        rush.order(ada, gone),
        rush.order(nobody, mug),
        rush.order(bob, mug.sku, cup),
    )

    assert [type(end) for end in (short, dear)] == [InsufficientStock, PriceChanged]
    assert [type(end) for end in (lost, stranger)] == [ProductNotFound, UserNotFound]
    assert await backend.stock(mug, cup) == [2, 0]
    for order, customer, lines in ((first, ada, 2), (second, bob, 1), (by_sku, bob, 2)):
        assert (order.customer_id, len(order.lines)) == (customer.id, lines)
        assert await backend.orders.find(OrderId(order.id)) == OrderDetails.of(order)
    assert [entry.type for entry in await backend.outbox()] == ["order.placed"] * 3
    left = [movement.stock_after for movement in await movements_of(backend, mug)]
    assert sorted(left) == [2, 3, 4, 5]
    told = await backend.notifications.page(everything("created_at"), UserId(bob.id))
    assert len(told.items) == 2
    assert not rush.run.retries


async def test_of_several_with_one_key_one_has_an_effect(rush: Rush, backend: Backend) -> None:
    ada, mug = a_user(), a_product(stock=9)
    await backend.keep(ada, mug)
    key = RequestKey(ada.id, "POST", "/v1/orders", "basket-1")
    other = RequestKey(ada.id, "POST", "/v1/orders", "basket-2")

    *same, different = await rush.together(
        *(rush.order_with(key, ada, mug) for _ in range(5)), rush.order_with(other, ada, mug)
    )

    assert len({answer.body for answer in same}) == 1
    assert different.body != same[0].body
    assert same[0].body.endswith(b" is in version 1")
    assert await backend.stock(mug) == [7]
    assert await rush.order_with(key, ada, mug) == same[0]


async def test_what_is_refused_does_not_use_its_key_up(rush: Rush, backend: Backend) -> None:
    ada, mug = a_user(), a_product(stock=0)
    await backend.keep(ada, mug)
    keys = [RequestKey(ada.id, "POST", "/v1/orders", f"basket-{n}") for n in range(3)]

    ends = await rush.together(*(rush.order_with(key, ada, mug) for key in keys))

    assert {type(end) for end in ends} == {InsufficientStock}
    async with backend.begin() as work:
        assert not await work.keys.claim_all(keys, at=NOON)


async def test_where_customers_cannot_be_told_the_orders_stand(
    rush: Rush, backend: Backend
) -> None:
    ada, mug = a_user(), a_product(stock=9)
    await backend.keep(ada, mug)

    async with refusing(backend):
        ends = await rush.together(*(rush.order(ada, mug) for _ in range(3)))

    assert [type(end) for end in ends] == [Order] * 3
    assert await backend.stock(mug) == [6]
    assert rush.tell.failures.total() == 3


async def test_a_deadlock_that_all_of_them_lose_costs_nobody_the_order(
    rush: Rush, backend: Backend
) -> None:
    ada, mug = a_user(), a_product(stock=9)
    await backend.keep(ada, mug)

    async with rush.cohorts():
        tasks = [asyncio.create_task(rush.order(ada, mug)) for _ in range(3)]
        await asyncio.sleep(0.01)
        backend.fail_next_commit(Deadlock())
    orders = await asyncio.gather(*tasks)

    assert len({order.id for order in orders}) == 3
    assert rush.run.retries == {"Parted": 3}
    assert await backend.stock(mug) == [6]


async def test_sixty_four_fight_over_twenty_while_some_of_them_go_away(
    rush: Rush, backend: Backend
) -> None:
    customers, mug, cup = [a_user() for _ in range(4)], a_product(stock=20), a_product(stock=64)
    await backend.store(*customers, mug, cup)
    chance = random.Random(20)
    rush.cohorts.abreast = 2
    clients = [
        asyncio.create_task(rush.order(chance.choice(customers), *chance.sample([mug, cup], 2)))
        for _ in range(64)
    ]
    for number, client in enumerate(chance.sample(clients, 20)):
        await asyncio.sleep(0.0002 * number)
        client.cancel()

    ends = Counter(
        type(end).__name__ for end in await asyncio.gather(*clients, return_exceptions=True)
    )
    await rush.run.drain(10)

    placed = (await backend.orders.page(everything("placed_at"), OrderFilter())).items
    assert len(placed) == 20
    assert await backend.stock(mug, cup) == [0, 44]
    assert ends["CancelledError"]
    assert ends["Order"] <= 20 <= ends["Order"] + ends["CancelledError"]
    assert ends.total() - ends["Order"] - ends["CancelledError"] == ends["InsufficientStock"]
    verdicts = await backend.audits.verdicts(at=NOON + timedelta(days=1))
    assert [verdict for verdict in verdicts if verdict.offenders] == []


async def test_together_they_cost_as_many_statements_as_one(sql: SqlBackend) -> None:
    ada, products = a_user(), [a_product() for _ in range(6)]
    await sql.keep(ada, *products)
    rush = Rush(sql, Cohorts(sql.begin))

    with statements(sql) as found:
        await rush.together(*(rush.order(ada, *products[n : n + 3]) for n in range(4)))

    assert len([asked for asked in found if asked != "BEGIN IMMEDIATE"]) <= 12
