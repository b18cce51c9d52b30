"""SQLite reads the words of products in the order of their ids, whenever they came."""

from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.catalog.product import Product
from infrastructure.sql.catalog.places import ROOM
from infrastructure.sql.migrating import Migrations
from tests.builders import NOON, a_product
from tests.contract.backends import SqliteBackend
from tests.contract.steps import product_in

MANY: Final = 60  # to the same place more than it has room for


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteBackend]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    Migrations(url).upgrade()
    async with SqliteBackend.open(url) as backend:
        yield backend


async def placed(file: SqliteBackend) -> dict[UUID, int]:
    """Where the words of each product are."""
    rows = text("SELECT rowid, product_id FROM product_search ORDER BY rowid")
    async with file.engine.connect() as connection:
        return {UUID(hex=row.product_id): row.rowid for row in await connection.execute(rows)}


def alternating(products: Sequence[Product]) -> list[Product]:
    """Each between the two before it."""
    left, right = [*products[: len(products) // 2]], [*products[len(products) // 2 :]]
    return [one for both in zip(left, reversed(right), strict=True) for one in both]


def shuffled(products: Sequence[Product]) -> list[Product]:
    return Random(1).sample(products, len(products))


@pytest.mark.parametrize("arranged", [list, reversed, shuffled, alternating])
async def test_what_comes_late_is_put_in_its_place(
    file: SqliteBackend, arranged: Callable[[Sequence[Product]], Sequence[Product]]
) -> None:
    products = sorted((a_product() for _ in range(MANY)), key=lambda product: product.id)
    for product in arranged(products):
        await file.keep(product)
    assert [*await placed(file)] == [product.id for product in products]


async def test_what_comes_together_is_put_in_order(file: SqliteBackend) -> None:
    products = [a_product() for _ in range(9)]
    await file.keep(*products[:3])
    await file.keep(*products[3:])
    assert [*await placed(file)] == sorted(product.id for product in products)


async def test_what_comes_last_leaves_room(file: SqliteBackend) -> None:
    products = sorted((a_product() for _ in range(9)), key=lambda product: product.id)
    await file.keep(*products[:4])
    await file.keep(*products[4:])
    rowids = [*(await placed(file)).values()]
    assert {after - before for before, after in pairwise(rowids)} == {ROOM}


async def test_a_new_name_is_found_in_the_old_place(file: SqliteBackend) -> None:
    products = [a_product() for _ in range(3)]
    await file.keep(*products)
    before = await placed(file)
    async with file.begin() as work:
        (await product_in(work, products[1])).revise({"name": "Teapot"}, at=NOON)
        await work.commit()
    assert await placed(file) == before
