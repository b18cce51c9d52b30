import asyncio
from asyncio import create_task, gather

import pytest

from application.shared.errors import Busy, Deadlock, StaleWrite
from application.shared.unit_of_work import Runner
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product, ProductId, Sku, sku
from domain.shared.author import Author
from tests.builders import BY_HAND, NOON, a_category, a_product, a_user, an_order
from tests.contract.backends import Backend
from tests.contract.steps import (
    category_in,
    lock_products,
    order_in,
    product_in,
    user_in,
    waits,
)


async def take_one(backend: Backend, product: Product) -> int:
    """Take one under a lock; how many there were."""
    async with backend.begin() as work:
        found = await product_in(work, product, lock=True)
        there = found.stock
        found.take(1, BY_HAND, at=NOON)
        await work.commit()
    return there


def in_id_order(*products: Product) -> list[Product]:
    return sorted(products, key=lambda product: product.id)


async def test_the_second_one_waits_and_then_sees_what_the_first_one_left(
    backend: Backend,
) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as work:
        (await product_in(work, mug, lock=True)).take(2, BY_HAND, at=NOON)
        second = create_task(take_one(backend, mug))
        assert await waits(second)
        await work.commit()

    assert await second == 3
    assert await backend.stock(mug) == [2]


async def test_the_second_one_waits_also_for_somebody_who_changes_nothing(
    backend: Backend,
) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as work:
        await product_in(work, mug, lock=True)
        second = create_task(take_one(backend, mug))
        assert await waits(second)

    assert await second == 5


async def test_what_is_changed_is_locked_without_being_asked(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as work:
        (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
        await work.flush()
        second = create_task(take_one(backend, mug))
        assert await waits(second)
        await work.commit()

    assert await second == 3


async def test_a_lock_lasts_longer_than_the_savepoint_that_was_kept(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as work:
        async with work.savepoint():
            (await product_in(work, mug, lock=True)).take(2, BY_HAND, at=NOON)
        second = create_task(take_one(backend, mug))
        assert await waits(second)
        await work.commit()

    assert await second == 3


async def test_whoever_only_looks_waits_for_nobody(backend: Backend) -> None:
    ada, mugs = a_user(), a_category()
    mug = a_product(category=mugs)
    order = an_order(mug, customer=ada)
    await backend.keep(ada, mugs, mug, order)

    async with backend.begin() as work:
        await user_in(work, ada, lock=True)
        await category_in(work, mugs, lock=True)
        (await product_in(work, mug, lock=True)).take(1, BY_HAND, at=NOON)
        (await order_in(work, order, lock=True)).confirm(by=Author(order.customer_id), at=NOON)
        await work.flush()
        assert await backend.users.find(order.customer_id)
        assert await backend.categories.find(CategoryId(mugs.id))
        assert await backend.stock(mug) == [9]


async def test_a_lock_is_for_one_thing_alone(overlapping: Backend) -> None:
    mug, pot = a_product(stock=5), a_product(stock=5)
    await overlapping.keep(mug, pot)

    async with overlapping.begin() as work:
        await product_in(work, mug, lock=True)
        assert await take_one(overlapping, pot) == 5


async def test_what_is_locked_can_be_referred_to(overlapping: Backend) -> None:
    ada, mug, mugs = a_user(), a_product(), a_category()
    order, cup = an_order(mug, customer=ada), a_product(category=mugs)
    await overlapping.keep(ada, mug, mugs)

    async with overlapping.begin() as work, overlapping.begin() as other:
        await user_in(work, ada, lock=True)
        await product_in(work, mug, lock=True)
        await category_in(work, mugs, lock=True)
        other.orders.add(order)
        other.products.add(cup)
        await other.commit()

    assert await overlapping.stock(cup) == [10]


@pytest.mark.parametrize("asked", ["by id", "by sku"])
async def test_many_are_locked_in_the_order_of_their_ids(overlapping: Backend, asked: str) -> None:
    low, high = in_id_order(a_product(), a_product())
    await overlapping.keep(low, high)

    async def both() -> list[Product]:
        async with overlapping.begin() as work:
            if asked == "by id":
                return await lock_products(work, high, low)
            return [*await work.products.lock_all([], [high.sku, low.sku])]

    async with overlapping.begin() as work:
        await product_in(work, high, lock=True)
        second = create_task(both())
        assert await waits(second)
        # It waits for the high one and holds the low one already.
        third = create_task(take_one(overlapping, low))
        assert await waits(third)

    assert [product.id for product in await second] == [low.id, high.id]
    assert await third == 10


async def test_categories_are_locked_in_the_order_of_their_ids(overlapping: Backend) -> None:
    low, high = sorted([a_category(), a_category()], key=lambda category: category.id)
    await overlapping.keep(low, high)

    async def lock(*categories: Category) -> None:
        async with overlapping.begin() as work:
            await work.categories.lock_all([CategoryId(category.id) for category in categories])

    async with overlapping.begin() as work:
        await category_in(work, high, lock=True)
        second = create_task(lock(high, low))
        assert await waits(second)
        third = create_task(lock(low))
        assert await waits(third)
    await gather(second, third)


async def test_whoever_asks_in_opposite_orders_never_stands_in_each_others_way(
    backend: Backend,
) -> None:
    products = [a_product(stock=100) for _ in range(4)]
    await backend.keep(*products)

    async def take_one_of_each(asked: list[Product]) -> None:
        for _ in range(50):
            async with backend.begin() as work:
                for product in await lock_products(work, *asked):
                    await asyncio.sleep(0)
                    product.take(1, BY_HAND, at=NOON)
                await work.commit()

    await gather(take_one_of_each(products), take_one_of_each(products[::-1]))

    assert await backend.stock(*products) == [0, 0, 0, 0]


async def test_whoever_waits_too_long_is_told_that_the_shop_is_busy(impatient: Backend) -> None:
    mug = a_product(stock=5)
    await impatient.keep(mug)

    async with impatient.begin() as work:
        (await product_in(work, mug, lock=True)).take(2, BY_HAND, at=NOON)
        with pytest.raises(Busy):
            await take_one(impatient, mug)
        await work.commit()

    assert await take_one(impatient, mug) == 3


async def test_of_two_who_wait_for_each_other_one_gives_way(overlapping: Backend) -> None:
    mug, pot = a_product(stock=5), a_product(stock=5)
    await overlapping.keep(mug, pot)
    both = asyncio.Barrier(2)

    async def take_one_of_each(first: Product, second: Product) -> None:
        async with overlapping.begin() as work:
            (await product_in(work, first, lock=True)).take(1, BY_HAND, at=NOON)
            await both.wait()
            (await product_in(work, second, lock=True)).take(1, BY_HAND, at=NOON)
            await work.commit()

    ends = await gather(
        take_one_of_each(mug, pot), take_one_of_each(pot, mug), return_exceptions=True
    )

    assert [type(end) for end in ends if end] == [Deadlock]
    assert await overlapping.stock(mug, pot) == [4, 4]


async def test_whoever_gave_way_gets_through_with_the_next_attempt(backend: Backend) -> None:
    mug, pot = a_product(stock=5), a_product(stock=5)
    await backend.keep(mug, pot)
    run = Runner()
    both = asyncio.Barrier(2 if backend.writers_overlap else 1)
    attempts = 0

    async def take_one_of_each(first: Product, second: Product) -> None:
        nonlocal attempts
        attempts += 1
        is_first = attempts <= 2
        async with backend.begin() as work:
            (await product_in(work, first, lock=True)).take(1, BY_HAND, at=NOON)
            if is_first:
                await both.wait()
            (await product_in(work, second, lock=True)).take(1, BY_HAND, at=NOON)
            await work.commit()

    await gather(run(lambda: take_one_of_each(mug, pot)), run(lambda: take_one_of_each(pot, mug)))

    assert await backend.stock(mug, pot) == [3, 3]
    assert {*run.retries} == ({"Deadlock"} if backend.writers_overlap else set())


async def lock_by_sku(backend: Backend, wanted: Sku) -> list[Sku]:
    async with backend.begin() as work:
        return [product.sku for product in await work.products.lock_all([], [wanted])]


async def test_a_product_that_was_deleted_while_one_waited_is_not_found_by_its_sku(
    backend: Backend,
) -> None:
    mug = a_product(sku_text="MUG")
    await backend.keep(mug)

    async with backend.begin() as work:
        (await product_in(work, mug, lock=True)).delete(at=NOON)
        second = create_task(lock_by_sku(backend, sku("MUG")))
        assert await waits(second)
        await work.commit()

    assert await second == []


async def test_a_product_whose_sku_was_changed_while_one_waited_is_not_found_by_the_old_one(
    backend: Backend,
) -> None:
    mug = a_product(sku_text="MUG")
    await backend.keep(mug)

    async with backend.begin() as work:
        (await product_in(work, mug, lock=True)).revise({"sku": sku("CUP")}, at=NOON)
        second = create_task(lock_by_sku(backend, sku("MUG")))
        assert await waits(second)
        await work.commit()

    assert await second == []


async def test_a_product_deleted_while_one_waited_is_still_found_by_its_id(
    backend: Backend,
) -> None:
    mug = a_product()
    await backend.keep(mug)

    async def lock() -> list[bool]:
        async with backend.begin() as work:
            return [product.deleted_at is not None for product in await lock_products(work, mug)]

    async with backend.begin() as work:
        (await product_in(work, mug, lock=True)).delete(at=NOON)
        second = create_task(lock())
        assert await waits(second)
        await work.commit()

    assert await second == [True]


async def test_only_what_is_still_inside_once_the_lock_is_had_leaves_a_category(
    backend: Backend,
) -> None:
    mugs, cups = a_category(), a_category()
    mug, pot = a_product(category=mugs), a_product(category=mugs)
    await backend.keep(mugs, cups, mug, pot)

    async def empty() -> None:
        async with backend.begin() as work:
            await work.products.leave(CategoryId(mugs.id), at=NOON)
            await work.commit()

    async with backend.begin() as work:
        product = await product_in(work, mug, lock=True)
        product.revise({"category_id": CategoryId(cups.id)}, at=NOON)
        second = create_task(empty())
        assert await waits(second)
        await work.commit()
    await second

    found = [await backend.products.find(ProductId(product.id)) for product in (mug, pot)]
    assert [product.category_id for product in found if product] == [cups.id, None]


async def test_what_left_a_category_before_is_not_seen_to_leave_it_again(
    overlapping: Backend,
) -> None:
    mugs, cups = a_category(), a_category()
    mug = a_product(category=mugs)
    await overlapping.keep(mugs, cups, mug)

    async with overlapping.begin() as work:
        product = await product_in(work, mug)
        async with overlapping.begin() as faster:
            moved = await product_in(faster, mug)
            moved.revise({"category_id": CategoryId(cups.id)}, at=NOON)
            await faster.commit()
        await work.products.leave(CategoryId(mugs.id), at=NOON)
        assert (product.category_id, product.version) == (mugs.id, 1)
        product.take(1, BY_HAND, at=NOON)
        with pytest.raises(StaleWrite):
            await work.commit()

    found = await overlapping.products.find(ProductId(mug.id))
    assert found is not None
    assert found.category_id == cups.id


async def test_a_child_that_moved_away_while_one_waited_is_no_child(backend: Backend) -> None:
    cups = a_category()
    mugs, bowls = a_category(below=cups), a_category(below=cups)
    await backend.keep(cups, mugs, bowls)

    async def children() -> list[Category]:
        async with backend.begin() as work:
            return [*await work.categories.children(CategoryId(cups.id))]

    async with backend.begin() as work:
        (await category_in(work, mugs, lock=True)).move([], height=1, at=NOON)
        second = create_task(children())
        assert await waits(second)
        await work.commit()

    assert [child.id for child in await second] == [bowls.id]


async def test_what_was_seen_before_a_lock_is_shown_as_it_is_after_it(
    overlapping: Backend,
) -> None:
    mugs = a_category(name="Mugs")
    await overlapping.keep(mugs)

    async with overlapping.begin() as work:
        category = await category_in(work, mugs)
        async with overlapping.begin() as faster:
            (await category_in(faster, mugs)).revise({"name": "Cups"}, at=NOON)
            await faster.commit()
        await work.categories.lock_all([CategoryId(mugs.id)])
        assert category.name == "Cups"
        category.revise({"name": "Bowls"}, at=NOON)
        await work.commit()

    found = await overlapping.categories.find(CategoryId(mugs.id))
    assert found is not None
    assert found.name == "Bowls"
