import pytest

from application.ordering.ports import OrderingWork
from application.shared.unit_of_work import Joined
from domain.catalog.product import SkuTaken
from tests.builders import BY_HAND, NOON, a_product
from tests.contract.backends import Backend
from tests.contract.steps import failing, product_in


def joining(outer: OrderingWork) -> OrderingWork:
    """What a use case gets that takes part in this unit of work."""
    joined: OrderingWork = Joined(outer)
    return joined


async def test_what_was_done_in_joining_is_kept_with_the_outer_unit_of_work(
    backend: Backend,
) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as outer:
        async with joining(outer) as work:
            (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
            await work.commit()
        assert await backend.stock(mug) == [5]
        await outer.commit()

    assert await backend.stock(mug) == [3]


async def test_it_is_undone_with_the_outer_unit_of_work(backend: Backend) -> None:
    mug = a_product()
    async with backend.begin() as outer, joining(outer) as work:
        work.products.add(mug)
        await work.commit()

    assert await backend.stock(mug) == []
    assert await backend.outbox() == []


async def test_a_joined_commit_checks_what_was_done(backend: Backend) -> None:
    await backend.keep(a_product(sku_text="MUG"))

    async with backend.begin() as outer, joining(outer) as work:
        work.products.add(a_product(sku_text="POT"))
        work.products.add(a_product(sku_text="MUG"))
        with pytest.raises(SkuTaken):
            await work.commit()


async def test_to_leave_without_a_commit_undoes_what_was_done_since_joining(
    backend: Backend,
) -> None:
    mug, ghost = a_product(stock=5), a_product()
    await backend.keep(mug)

    async with backend.begin() as outer:
        product = await product_in(outer, mug)
        product.take(1, BY_HAND, at=NOON)
        async with joining(outer) as work:
            (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
            work.products.add(ghost)
        assert product.stock == 4
        await outer.commit()

    assert await backend.stock(mug, ghost) == [4]
    assert await backend.outbox() == []


async def test_an_error_undoes_what_was_done_since_joining_and_passes_through(
    backend: Backend,
) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as outer:
        product = await product_in(outer, mug)
        async with failing(joining(outer)) as work:
            (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
        assert product.stock == 5
        product.take(1, BY_HAND, at=NOON)
        await outer.commit()

    assert await backend.stock(mug) == [4]


async def test_an_error_after_the_joined_commit_undoes_it(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)

    async with backend.begin() as outer:
        async with failing(joining(outer)) as work:
            (await product_in(work, mug)).take(2, BY_HAND, at=NOON)
            await work.commit()
        await outer.commit()

    assert await backend.stock(mug) == [5]


async def test_one_refusal_leaves_room_for_the_next_attempt(backend: Backend) -> None:
    await backend.keep(a_product(sku_text="MUG"))
    pot = a_product(sku_text="POT")

    async def add_both(outer: OrderingWork, sku_text: str) -> None:
        async with joining(outer) as work:
            work.products.add(pot)
            work.products.add(a_product(sku_text=sku_text))
            await work.commit()

    async with backend.begin() as outer:
        with pytest.raises(SkuTaken):
            await add_both(outer, "MUG")
        await add_both(outer, "CUP")
        await outer.commit()

    assert await backend.stock(pot) == [10]


async def test_a_joined_unit_of_work_has_savepoints_and_can_be_joined(backend: Backend) -> None:
    mug = a_product(stock=10)
    await backend.keep(mug)

    async with backend.begin() as outer:
        async with joining(outer) as work:
            product = await product_in(work, mug)
            async with failing(work.savepoint()):
                product.take(1, BY_HAND, at=NOON)
            async with joining(work) as inner:
                (await product_in(inner, mug)).take(2, BY_HAND, at=NOON)
                await inner.commit()
            async with joining(work) as inner:
                (await product_in(inner, mug)).take(4, BY_HAND, at=NOON)
            await work.commit()
        await outer.commit()

    assert await backend.stock(mug) == [8]
