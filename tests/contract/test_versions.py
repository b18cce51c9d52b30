import asyncio
from collections.abc import Awaitable, Callable

import pytest

from application.ordering.ports import OrderingWork
from application.shared.errors import StaleWrite
from application.shared.unit_of_work import Runner
from domain.catalog.category import CategoryId
from domain.catalog.product import ProductId
from domain.shared.author import Author
from tests.builders import BY_HAND, NOON, a_category, a_product, a_user, an_order
from tests.contract.backends import Backend
from tests.contract.steps import category_in, failing, lock_products, order_in, product_in


async def test_a_version_counts_how_often_a_new_state_was_sent(backend: Backend) -> None:
    mug = a_product()
    async with backend.begin() as work:
        work.products.add(mug)
        assert mug.version == 0
        await work.flush()
        assert mug.version == 1
        await work.flush()
        assert mug.version == 1
        mug.take(1, BY_HAND, at=NOON)
        mug.take(1, BY_HAND, at=NOON)
        await work.flush()
        assert mug.version == 2
        mug.take(1, BY_HAND, at=NOON)
        await work.commit()
    assert mug.version == 3

    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert found.version == 3


async def test_neither_a_look_nor_a_lock_nor_a_change_taken_back_makes_a_new_version(
    backend: Backend,
) -> None:
    mug = a_product(metadata={"colour": "red"})
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug, lock=True)
        product.take(1, BY_HAND, at=NOON)
        product.put_back(1, BY_HAND, at=NOON)
        product.revise({"name": product.name, "metadata": {"colour": "red"}}, at=NOON)
        product.price = product.price * 1
        await work.commit()
    assert product.version == 1


async def test_an_event_alone_makes_a_new_version(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.revise({"name": "Cup"}, at=NOON)
        product.name = mug.name
        await work.commit()
    assert (product.version, product.sequence) == (2, 2)


async def test_a_failed_savepoint_gives_back_the_version(backend: Backend) -> None:
    mug = a_product()
    await backend.keep(mug)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        async with failing(work.savepoint()):
            product.take(1, BY_HAND, at=NOON)
            await work.flush()
            product.take(1, BY_HAND, at=NOON)
            await work.flush()
        assert product.version == 1
        product.take(1, BY_HAND, at=NOON)
        await work.commit()
    assert product.version == 2


async def test_to_leave_a_category_makes_a_new_version(backend: Backend) -> None:
    mugs = a_category()
    mug, pot = a_product(category=mugs), a_product()
    await backend.keep(mugs, mug, pot)

    async with backend.begin() as work:
        await work.products.leave(CategoryId(mugs.id), at=NOON)
        await work.commit()

    found = [await backend.products.find(ProductId(product.id)) for product in (mug, pot)]
    assert [product.version for product in found if product] == [2, 1]


async def test_an_order_that_moves_on_has_a_new_version_and_its_old_lines(
    backend: Backend,
) -> None:
    ada, mug = a_user(), a_product()
    order = an_order(mug, customer=ada)
    await backend.keep(ada, mug, order)

    async with backend.begin() as work:
        moved = await order_in(work, order)
        moved.confirm(by=Author(order.customer_id), at=NOON)
        await work.commit()

    assert moved.version == 2
    assert [line.id for line in moved.lines] == [line.id for line in order.lines]


async def test_of_two_writers_who_read_the_same_one_is_refused(overlapping: Backend) -> None:
    mug = a_product(stock=5)
    await overlapping.keep(mug)

    async with overlapping.begin() as first, overlapping.begin() as second:
        (await product_in(first, mug)).take(1, BY_HAND, at=NOON)
        (await product_in(second, mug)).take(2, BY_HAND, at=NOON)
        await first.commit()
        with pytest.raises(StaleWrite):
            await second.commit()

    assert await overlapping.stock(mug) == [4]


async def test_of_two_writers_who_read_at_once_neither_is_lost(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    both = asyncio.Barrier(2 if backend.writers_overlap else 1)
    refused = []

    async def take(quantity: int) -> None:
        async with backend.begin() as work:
            (await product_in(work, mug)).take(quantity, BY_HAND, at=NOON)
            await both.wait()
            try:
                await work.commit()
            except StaleWrite:
                refused.append(quantity)

    await asyncio.gather(take(1), take(2))

    assert await backend.stock(mug) == [5 - 1 - 2 + sum(refused)]
    assert len(refused) == (1 if backend.writers_overlap else 0)


Found = Callable[[OrderingWork], Awaitable[object]]


@pytest.mark.parametrize("what", ["flush", "read", "lock", "leave"])
async def test_whoever_was_overtaken_learns_it_with_the_first_word_to_the_storage(
    overlapping: Backend, what: str
) -> None:
    mug, pot, mugs = a_product(stock=5), a_product(), a_category()
    await overlapping.keep(mug, pot, mugs)
    words: dict[str, Found] = {
        "flush": lambda work: work.flush(),
        "read": lambda work: product_in(work, pot),
        "lock": lambda work: lock_products(work, pot),
        "leave": lambda work: work.products.leave(CategoryId(mugs.id), at=NOON),
    }

    async with overlapping.begin() as work:
        (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
        async with overlapping.begin() as faster:
            (await product_in(faster, mug)).take(2, BY_HAND, at=NOON)
            await faster.commit()
        with pytest.raises(StaleWrite):
            await words[what](work)

    assert await overlapping.stock(mug) == [3]


async def test_whoever_removes_what_has_changed_is_refused(overlapping: Backend) -> None:
    mugs = a_category()
    await overlapping.keep(mugs)

    async with overlapping.begin() as work:
        category = await category_in(work, mugs)
        async with overlapping.begin() as faster:
            (await category_in(faster, mugs)).revise({"name": "Cups"}, at=NOON)
            await faster.commit()
        await work.categories.remove(category)
        with pytest.raises(StaleWrite):
            await work.commit()

    found = await overlapping.categories.find(CategoryId(mugs.id))
    assert found is not None
    assert found.name == "Cups"


async def test_whoever_changes_what_was_removed_is_refused(overlapping: Backend) -> None:
    mugs = a_category()
    await overlapping.keep(mugs)

    async with overlapping.begin() as work:
        category = await category_in(work, mugs)
        async with overlapping.begin() as faster:
            await faster.categories.remove(await category_in(faster, mugs))
            await faster.commit()
        category.revise({"name": "Cups"}, at=NOON)
        with pytest.raises(StaleWrite):
            await work.commit()

    assert await overlapping.categories.find(CategoryId(mugs.id)) is None


async def test_a_lock_shows_what_others_have_done_meanwhile(overlapping: Backend) -> None:
    mug = a_product(stock=5)
    await overlapping.keep(mug)

    async with overlapping.begin() as work:
        product = await product_in(work, mug)
        async with overlapping.begin() as faster:
            (await product_in(faster, mug)).take(2, BY_HAND, at=NOON)
            await faster.commit()
        assert product.stock == 5
        await product_in(work, mug, lock=True)
        assert (product.stock, product.version) == (3, 2)
        product.take(1, BY_HAND, at=NOON)
        await work.commit()

    assert await overlapping.stock(mug) == [2]


async def test_writers_who_try_again_all_get_through(backend: Backend) -> None:
    mug = a_product(stock=10)
    await backend.keep(mug)
    run = Runner()

    async def take_one() -> None:
        async with backend.begin() as work:
            (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
            await asyncio.sleep(0)  # so that others read as well
            await work.commit()

    await asyncio.gather(*(run(take_one) for _ in range(5)))

    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert (found.stock, found.version) == (5, 6)
    assert bool(run.retries) is backend.writers_overlap


async def test_under_a_lock_nobody_need_try_again(backend: Backend) -> None:
    mug = a_product(stock=50)
    await backend.keep(mug)

    async def take_one() -> None:
        async with backend.begin() as work:
            (await product_in(work, mug, lock=True)).take(1, BY_HAND, at=NOON)
            await work.commit()

    await asyncio.gather(*(take_one() for _ in range(30)))

    assert await backend.stock(mug) == [20]
