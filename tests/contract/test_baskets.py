"""The stock of several products, which is moved in one go."""

from datetime import timedelta

import pytest

from application.shared.errors import StaleWrite
from domain.catalog.product import Product, ProductId
from tests.builders import BY_HAND, NOON, a_product
from tests.contract.backends import Backend, ShopWork
from tests.contract.steps import failing, lock_products, product_in

LATER = NOON + timedelta(hours=1)


async def taken(work: ShopWork, *products: Product) -> list[Product]:
    """The products as this unit of work has them, after it took a different number of each."""
    found = [await product_in(work, product) for product in products]
    for number, product in enumerate(found, start=1):
        product.take(number, BY_HAND, at=LATER + timedelta(seconds=number))
    return found


async def seen(backend: Backend, *products: Product) -> list[tuple[int, int, int]]:
    """Stock, version and, in seconds from LATER, when it changed, of each of them."""
    found = [await backend.products.find(ProductId(product.id)) for product in products]
    return [
        (one.stock, one.version, round((one.updated_at - LATER).total_seconds()))
        for one in found
        if one
    ]


async def test_each_gets_its_own_stock_and_a_new_version(backend: Backend) -> None:
    mug, cup, pot = a_product(), a_product(), a_product()
    await backend.keep(mug, cup, pot)
    async with backend.begin() as work:
        changed = await taken(work, mug, cup, pot)
        await work.flush()
        assert [product.version for product in changed] == [2, 2, 2]
        await work.flush()
        assert [product.version for product in changed] == [2, 2, 2]
        await taken(work, cup, pot)
        await work.commit()
    assert [product.version for product in changed] == [2, 3, 3]
    assert await seen(backend, mug, cup, pot) == [(9, 2, 1), (7, 3, 1), (5, 3, 2)]


async def test_what_changes_otherwise_as_well_keeps_all_of_it(backend: Backend) -> None:
    mug, cup, pot = a_product(), a_product(), a_product()
    await backend.keep(mug, cup, pot)
    async with backend.begin() as work:
        first, second, _ = await taken(work, mug, cup, pot)
        first.revise({"name": "Beaker"}, at=LATER + timedelta(seconds=9))
        second.adjust(2, BY_HAND, at=LATER)
        await work.commit()
    assert await seen(backend, mug, cup, pot) == [(9, 2, 9), (10, 2, 0), (7, 2, 3)]
    found = await backend.products.find(ProductId(mug.id))
    assert found is not None
    assert found.name == "Beaker"


@pytest.mark.parametrize("overtaken", [0, 1, 2])
async def test_where_one_was_overtaken_none_is_moved(overlapping: Backend, overtaken: int) -> None:
    products = [a_product() for _ in range(3)]
    await overlapping.keep(*products)
    async with overlapping.begin() as work:
        await taken(work, *products)
        async with overlapping.begin() as faster:
            (await product_in(faster, products[overtaken])).take(5, BY_HAND, at=NOON)
            await faster.commit()
        with pytest.raises(StaleWrite):
            await work.commit()
    left = await overlapping.stock(*products)
    assert left == [5 if number == overtaken else 10 for number in range(3)]


async def test_a_failed_savepoint_gives_all_of_it_back(backend: Backend) -> None:
    mug, cup = a_product(), a_product()
    await backend.keep(mug, cup)
    async with backend.begin() as work:
        changed = await taken(work, mug, cup)
        async with failing(work.savepoint()):
            await taken(work, mug, cup)
            await work.flush()
            await taken(work, cup, mug)
        assert [(one.stock, one.version) for one in changed] == [(9, 2), (8, 2)]
        await taken(work, mug, cup)
        await work.commit()
    assert await seen(backend, mug, cup) == [(8, 3, 1), (6, 3, 2)]


async def test_what_is_taken_and_put_back_is_as_it_was(backend: Backend) -> None:
    mug, cup = a_product(), a_product()
    await backend.keep(mug, cup)
    async with backend.begin() as work:
        changed = await lock_products(work, mug, cup)
        for product in changed:
            product.take(3, BY_HAND, at=NOON)
            product.put_back(3, BY_HAND, at=NOON)
        await work.commit()
    assert [product.version for product in changed] == [1, 1]
