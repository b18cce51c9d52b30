import gc
from collections.abc import Mapping
from typing import Any

import pytest

from application.shared.errors import Deadlock
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductId, sku
from domain.identity.user import Role
from domain.shared.aggregate import Aggregate
from domain.shared.author import Author
from tests.builders import NOON, a_category, a_product, a_user, an_order, gbp, money
from tests.contract.backends import Backend
from tests.contract.steps import failing, lock_products, order_in, product_in


async def told(backend: Backend, aggregate: Aggregate) -> list[tuple[int, str]]:
    """What was told of this aggregate, in the order in which it happened."""
    entries = await backend.outbox()
    return [(entry.sequence, entry.type) for entry in entries if entry.aggregate_id == aggregate.id]


async def payloads(backend: Backend) -> list[tuple[str, Mapping[str, Any]]]:
    return [(entry.type, entry.payload) for entry in await backend.outbox()]


def renamed(product: Product, name: str) -> None:
    product.revise({"name": name}, at=NOON)


async def test_an_event_is_kept_with_what_it_tells(backend: Backend) -> None:
    mug = a_product(sku_text="MUG", price=gbp("2.50"), stock=7)
    async with backend.begin() as work:
        work.products.add(mug)
        await work.commit()

    [entry] = await backend.outbox()
    assert (entry.type, entry.aggregate_id, entry.sequence) == ("product.created", mug.id, 1)
    assert entry.at == NOON
    assert entry.payload == {
        "product_id": str(mug.id),
        "sku": "MUG",
        "price": {"amount": "2.50", "currency": "GBP"},
        "stock": 7,
    }


async def test_an_event_that_was_not_committed_never_happened(backend: Backend) -> None:
    async with backend.begin() as work:
        work.products.add(a_product())
        await work.flush()

    assert await backend.outbox() == []


async def test_events_of_a_failed_commit_never_happened(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)
    backend.fail_next_commit(Deadlock())

    async with backend.begin() as work:
        renamed(await product_in(work, mug), "Cup")
        with pytest.raises(Deadlock):
            await work.commit()

    assert await backend.outbox() == []


async def test_events_of_a_failed_savepoint_never_happened(backend: Backend) -> None:
    mug, ghost = a_product(), a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        renamed(product, "Cup")
        async with failing(work.savepoint()):
            renamed(product, "Bowl")
            work.products.add(ghost)
        async with work.savepoint():
            renamed(product, "Jug")
        product.delete(at=NOON)
        await work.commit()

    assert await told(backend, mug) == [
        (2, "product.changed"),
        (3, "product.changed"),
        (4, "product.deleted"),
    ]
    assert await told(backend, ghost) == []


async def test_events_die_with_the_outer_savepoint_and_live_without_the_inner(
    backend: Backend,
) -> None:
    mug, pot = a_product(), a_product()
    await backend.keep(mug, pot)

    async with backend.begin() as work:
        first, second = await product_in(work, mug), await product_in(work, pot)
        async with failing(work.savepoint()):
            renamed(first, "Cup")
            async with work.savepoint():
                renamed(first, "Bowl")
        async with work.savepoint():
            renamed(second, "Kettle")
            async with failing(work.savepoint()):
                renamed(second, "Pan")
                await work.flush()
            renamed(second, "Wok")
        await work.commit()

    assert await told(backend, mug) == []
    assert await told(backend, pot) == [(2, "product.changed"), (3, "product.changed")]


async def test_the_places_of_an_aggregates_events_have_no_gap_and_no_double(
    backend: Backend,
) -> None:
    mug = a_product()
    async with backend.begin() as work:
        work.products.add(mug)
        await work.commit()

    for number in range(1, 7):
        async with backend.begin() as work:
            product = await product_in(work, mug)
            renamed(product, f"Kept {number}")
            async with failing(work.savepoint()):
                renamed(product, "Lost")
            renamed(product, f"Kept again {number}")
            if number % 2:
                await work.commit()

    assert [sequence for sequence, _ in await told(backend, mug)] == [1, 2, 3, 4, 5, 6, 7]


async def test_an_event_is_told_even_if_nobody_keeps_hold_of_its_aggregate(
    backend: Backend,
) -> None:
    mug = a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        renamed(await product_in(work, mug), "Cup")
        await work.flush()
        gc.collect()
        await work.commit()

    assert await told(backend, mug) == [(2, "product.changed")]


async def test_each_event_is_told_once_even_if_the_unit_of_work_goes_on(backend: Backend) -> None:
    mug = a_product()
    async with backend.begin() as work:
        work.products.add(mug)
        await work.commit()
        renamed(mug, "Cup")
        await work.commit()

    assert await told(backend, mug) == [(1, "product.created"), (2, "product.changed")]


async def test_what_happened_to_a_user_reads_the_same_everywhere(backend: Backend) -> None:
    ada = a_user()
    async with backend.begin() as work:
        work.users.add(ada)
        ada.promote(Role.STAFF, at=NOON)
        await work.commit()

    assert await payloads(backend) == [
        ("user.registered", {"user_id": str(ada.id), "role": "customer"}),
        ("user.promoted", {"user_id": str(ada.id), "role": "staff"}),
    ]


async def test_what_happened_to_a_category_reads_the_same_everywhere(backend: Backend) -> None:
    cups, mugs = a_category(), a_category(name="Mugs")
    await backend.keep(cups)
    async with backend.begin() as work:
        work.categories.add(mugs)
        mugs.move([CategoryId(cups.id)], height=1, at=NOON)
        mugs.revise({"name": "Beakers", "description": "To drink from"}, at=NOON)
        mugs.delete(at=NOON)
        await work.commit()

    id = str(mugs.id)
    assert await payloads(backend) == [
        ("category.created", {"category_id": id, "parent_id": None}),
        ("category.changed", {"category_id": id, "fields": ["parent_id"]}),
        ("category.changed", {"category_id": id, "fields": ["name", "description"]}),
        ("category.deleted", {"category_id": id}),
    ]


async def test_what_happened_to_a_product_reads_the_same_everywhere(backend: Backend) -> None:
    mug = a_product(sku_text="MUG", price=money("1.234", "KWD"), stock=7)
    async with backend.begin() as work:
        work.products.add(mug)
        mug.revise({"sku": sku("CUP"), "price": money("80", "JPY")}, at=NOON)
        mug.delete(at=NOON)
        await work.commit()

    id = str(mug.id)
    dinars, yen = {"amount": "1.234", "currency": "KWD"}, {"amount": "80", "currency": "JPY"}
    assert await payloads(backend) == [
        ("product.created", {"product_id": id, "sku": "MUG", "price": dinars, "stock": 7}),
        (
            "product.changed",
            {"product_id": id, "sku": "CUP", "fields": ["sku", "price"], "price": yen},
        ),
        ("product.deleted", {"product_id": id, "sku": "CUP"}),
    ]


async def test_what_happened_to_an_order_reads_the_same_everywhere(backend: Backend) -> None:
    ada, mug = a_user(), a_product(sku_text="MUG", price=gbp("2.50"))
    order = an_order(mug, customer=ada, quantity=3)
    await backend.keep(ada, mug)
    async with backend.begin() as work:
        work.orders.add(order)
        order.confirm(by=Author(order.customer_id), at=NOON)
        clerk = Author(order.customer_id, "request-17")
        order.ship("by sea", tracking_number="AB 12", by=clerk, at=NOON)
        order.deliver(by=Author(order.customer_id), at=NOON)
        await work.commit()

    common = {"order_id": str(order.id), "actor_id": str(ada.id), "request_id": None}
    placed = common | {
        "number": order.number,
        "customer_id": str(ada.id),
        "total": {"amount": "7.50", "currency": "GBP"},
        "items": [{"product_id": str(mug.id), "sku": "MUG", "quantity": 3}],
    }
    assert await payloads(backend) == [
        ("order.placed", placed),
        ("order.confirmed", common | {"previous": "pending", "reason": None}),
        (
            "order.shipped",
            common
            | {
                "request_id": "request-17",
                "previous": "confirmed",
                "reason": "by sea",
                "tracking_number": "AB 12",
            },
        ),
        ("order.delivered", common | {"previous": "shipped", "reason": None}),
    ]


async def test_a_cancellation_tells_what_went_back_into_stock(backend: Backend) -> None:
    ada, mug = a_user(), a_product(sku_text="MUG")
    order = an_order(mug, customer=ada, quantity=3)
    await backend.keep(ada, mug, order)
    async with backend.begin() as work:
        [product] = await lock_products(work, mug)
        (await order_in(work, order)).cancel(
            {ProductId(product.id): product}, by=Author(order.customer_id), at=NOON
        )
        await work.commit()

    [(type, facts)] = await payloads(backend)
    assert type == "order.cancelled"
    assert facts["items"] == [{"product_id": str(mug.id), "sku": "MUG", "quantity": 3}]
