"""What a developer may rely on who tests against the memory backend."""

import asyncio
from contextlib import suppress

import pytest

from application.shared.errors import (
    Busy,
    Deadlock,
    InUse,
    NameCollision,
    StaleWrite,
    Unavailable,
)
from application.shared.unit_of_work import Runner
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductId, ProductNotFound, SkuTaken
from domain.identity.user import User
from domain.ordering.order import Order, OrderNumber
from tests.builders import BY_HAND, NOON, a_category, a_product, a_user, an_order, gbp
from tests.unit.shop import Shop


class Mishap(Exception):
    pass


async def take(shop: Shop, product: Product, quantity: int, *, lock: bool = False) -> None:
    async with shop.begin() as work:
        found = await work.products.get(ProductId(product.id), lock=lock)
        found.take(quantity, BY_HAND, at=NOON)
        await work.commit()


async def test_a_forgotten_commit_keeps_nothing(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    async with shop.begin() as work:
        (await work.products.get(ProductId(mug.id))).take(1, BY_HAND, at=NOON)
        work.products.add(a_product())
        await work.flush()
    assert shop.stock(mug) == [5]
    assert shop.count(Product) == 1
    assert shop.events == []


async def test_an_error_keeps_nothing(shop: Shop) -> None:
    with suppress(Mishap):
        async with shop.begin() as work:
            work.products.add(a_product())
            raise Mishap
    assert shop.count(Product) == 0


async def test_what_is_stored_is_nobodys_to_change(shop: Shop) -> None:
    mug = a_product(stock=5, metadata={"colour": "red"})
    await shop.keep(mug)
    mug.stock = 0
    mug.metadata = {"colour": "blue"}
    async with shop.begin() as work:
        found = await work.products.get(ProductId(mug.id))
        assert (found.stock, found.metadata) == (5, {"colour": "red"})
        assert found is not mug
        assert found is await work.products.get(ProductId(mug.id))


async def test_a_version_counts_the_states_that_were_stored(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    assert shop.now(mug).version == mug.version == 1
    await take(shop, mug, 1)
    await take(shop, mug, 1)
    assert shop.now(mug).version == 3


async def test_a_look_without_a_change_makes_no_version(shop: Shop) -> None:
    mug = a_product()
    await shop.keep(mug)
    async with shop.begin() as work:
        await work.products.get(ProductId(mug.id), lock=True)
        await work.commit()
    assert shop.now(mug).version == 1


async def test_the_same_name_twice_is_refused_as_a_database_does(shop: Shop) -> None:
    await shop.keep(a_product(sku_text="MUG"))
    async with shop.begin() as work:
        work.products.add(a_product(sku_text="MUG"))
        with pytest.raises(SkuTaken):
            await work.commit()
    assert shop.count(Product) == 1


async def test_two_orders_of_one_number_are_a_collision(shop: Shop) -> None:
    ada, mug = a_user(), a_product()
    one, other = (an_order(mug, customer=ada, number=OrderNumber("SAME")) for _ in range(2))
    await shop.keep(ada, mug, one)
    with pytest.raises(NameCollision):
        await shop.keep(other)


async def test_nothing_refers_to_what_is_not_there(shop: Shop) -> None:
    mug, ada = a_product(), a_user()
    await shop.keep(mug, ada)
    for broken in (
        a_product(category=a_category()),
        a_category(below=a_category()),
        an_order(mug),
        an_order(a_product(), customer=ada),
    ):
        with pytest.raises(InUse):
            await shop.keep(broken)
    assert shop.count(Order) == 0


async def test_what_something_refers_to_does_not_go(shop: Shop) -> None:
    mugs = a_category()
    await shop.keep(mugs, a_product(category=mugs))
    async with shop.begin() as work:
        category = await work.categories.get(CategoryId(mugs.id))
        await work.categories.remove(category)
        with pytest.raises(InUse):
            await work.commit()
    assert shop.now(mugs).version == 1


async def test_a_savepoint_undoes_what_its_block_did_and_nothing_else(shop: Shop) -> None:
    mug = a_product(stock=5)
    async with shop.begin() as work:
        work.products.add(mug)
        mug.take(1, BY_HAND, at=NOON)
        with suppress(Mishap):
            async with work.savepoint():
                mug.take(3, BY_HAND, at=NOON)
                mug.delete(at=NOON)
                work.products.add(a_product())
                raise Mishap
        assert (mug.stock, mug.deleted_at) == (4, None)
        await work.commit()
    assert shop.count(Product) == 1
    assert shop.stock(mug) == [4]
    assert shop.events == ["product.created"]


async def test_what_was_loaded_inside_a_failed_savepoint_is_as_it_is_stored(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    async with shop.begin() as work:
        with suppress(Mishap):
            async with work.savepoint():
                found = await work.products.get(ProductId(mug.id))
                found.take(3, BY_HAND, at=NOON)
                await work.flush()
                raise Mishap
        assert found.stock == 5
        found.take(1, BY_HAND, at=NOON)
        await work.commit()
    assert shop.stock(mug) == [4]


async def test_the_next_commit_fails_if_it_is_told_to(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    shop.database.fail_next_commit(Unavailable())
    with pytest.raises(Unavailable):
        await take(shop, mug, 1)
    assert shop.stock(mug) == [5]
    await take(shop, mug, 1)
    assert shop.stock(mug) == [4]


async def test_a_commit_that_failed_tells_nobody_anything(shop: Shop) -> None:
    shop.database.fail_next_commit(Unavailable())
    async with shop.begin() as work:
        work.users.add(a_user())
        with pytest.raises(Unavailable):
            await work.commit()
    assert shop.count(User) == 0
    assert shop.events == []


async def test_of_two_writers_the_slower_one_loses(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    shop.database.before_next_commit(lambda: take(shop, mug, 2))
    with pytest.raises(StaleWrite):
        await take(shop, mug, 1)
    assert shop.stock(mug) == [3]


async def test_the_slower_writer_wins_the_second_time(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    shop.database.before_next_commit(lambda: take(shop, mug, 2))
    runner = Runner(lambda seconds: asyncio.sleep(0))
    await runner(lambda: take(shop, mug, 1))
    assert shop.stock(mug) == [2]
    assert runner.retries == {"StaleWrite": 1}


async def test_a_row_that_is_locked_keeps_other_writers_waiting(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    async with shop.begin() as work:
        found = await work.products.get(ProductId(mug.id), lock=True)
        waiting = asyncio.create_task(take(shop, mug, 2, lock=True))
        await asyncio.sleep(0)
        found.take(1, BY_HAND, at=NOON)
        await work.commit()
        await waiting
    assert shop.stock(mug) == [2]


async def test_nobody_waits_for_a_locked_row_for_ever(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    async with shop.begin() as work:
        await work.products.get(ProductId(mug.id), lock=True)
        with pytest.raises(Busy):
            await take(shop, mug, 1, lock=True)
    await take(shop, mug, 1, lock=True)
    assert shop.stock(mug) == [4]


async def test_one_of_two_who_wait_for_each_other_gives_way(shop: Shop) -> None:
    mug, cup = a_product(), a_product()
    await shop.keep(mug, cup)

    async def lock(first: Product, second: Product) -> None:
        async with shop.begin() as work:
            await work.products.get(ProductId(first.id), lock=True)
            await asyncio.sleep(0)
            await work.products.get(ProductId(second.id), lock=True)

    outcomes = await asyncio.gather(lock(mug, cup), lock(cup, mug), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(Deadlock) == 1
    assert outcomes.count(None) == 1


async def test_a_unit_of_work_sees_what_others_commit_meanwhile(shop: Shop) -> None:
    mug = a_product()
    async with shop.begin() as work:
        with pytest.raises(ProductNotFound):
            await work.products.get(ProductId(mug.id))
        await shop.keep(mug)
        assert (await work.products.get(ProductId(mug.id))).price == gbp("9.99")


async def test_a_unit_of_work_that_failed_can_only_be_left(shop: Shop) -> None:
    await shop.keep(a_product(sku_text="MUG"))
    async with shop.begin() as work:
        work.products.add(a_product(sku_text="MUG"))
        with pytest.raises(SkuTaken):
            await work.flush()
        with pytest.raises(RuntimeError, match="can only be left"):
            await work.commit()


async def test_a_unit_of_work_whose_commit_failed_can_only_be_left(shop: Shop) -> None:
    shop.database.fail_next_commit(Unavailable())
    async with shop.begin() as work:
        work.products.add(a_product())
        with pytest.raises(Unavailable):
            await work.commit()
        with pytest.raises(RuntimeError, match="can only be left"):
            await work.commit()
