from contextlib import suppress
from typing import cast

import pytest

from application.catalog.ports import CatalogWork
from application.shared.unit_of_work import Joined
from domain.catalog.product import Product, SkuTaken
from tests.builders import a_product
from tests.unit.shop import Shop


class Mishap(Exception):
    pass


def joined(outer: CatalogWork) -> CatalogWork:
    return cast(CatalogWork, Joined(outer))


async def test_what_is_committed_inside_is_kept_when_the_outside_commits(shop: Shop) -> None:
    async with shop.begin() as outer:
        async with joined(outer) as work:
            work.products.add(a_product())
            await work.commit()
        assert shop.count(Product) == 0
        await outer.commit()
    assert shop.count(Product) == 1
    assert shop.events == ["product.created"]


async def test_what_is_committed_inside_goes_when_the_outside_does_not_commit(shop: Shop) -> None:
    async with shop.begin() as outer, joined(outer) as work:
        work.products.add(a_product())
        await work.commit()
    assert shop.count(Product) == 0


async def test_what_is_not_committed_inside_is_undone_and_the_outside_goes_on(shop: Shop) -> None:
    mug, ghost = a_product(), a_product()
    async with shop.begin() as outer:
        outer.products.add(mug)
        async with joined(outer) as work:
            work.products.add(ghost)
        await outer.commit()
    assert [product.id for product in shop.database.all(Product)] == [mug.id]
    assert shop.events == ["product.created"]


async def test_what_fails_inside_is_undone_and_the_error_passes_through(shop: Shop) -> None:
    mug = a_product(stock=5)
    async with shop.begin() as outer:
        outer.products.add(mug)
        with suppress(Mishap):
            async with joined(outer):
                mug.stock = 1
                raise Mishap
        assert mug.stock == 5
        await outer.commit()
    assert shop.stock(mug) == [5]


async def test_a_commit_inside_finds_out_whether_it_can_be_kept(shop: Shop) -> None:
    await shop.keep(a_product(sku_text="MUG"))
    async with shop.begin() as outer:
        async with joined(outer) as work:
            work.products.add(a_product(sku_text="MUG"))
            with pytest.raises(SkuTaken):
                await work.commit()
        await outer.commit()
    assert shop.count(Product) == 1
