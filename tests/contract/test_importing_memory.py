"""However many rows a file has, only so many are in hand at a time."""

import tracemalloc
from collections.abc import Iterator
from typing import Final

import pytest

from application.catalog import loading
from application.catalog.exchange import ProductRow, ProductValues
from application.catalog.importing import Importing
from application.shared.clock import utc_now
from domain.catalog.product import sku
from domain.identity.user import Role
from domain.shared.text import slug
from tests.builders import an_actor, gbp
from tests.contract.backends import SqlBackend

BATCH: Final = 20
FEW: Final = 5 * BATCH
MANY: Final = 4 * FEW


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", BATCH)


def rows(count: int, *, stock: int) -> Iterator[ProductRow]:
    """So many products with much to say."""
    for number in range(count):
        values = ProductValues(
            name=f"Mug {number}",
            price=gbp("7.99"),
            description=f"{number}".rjust(9_000),
            stock=stock,
            category=("Kitchen", f"Mugs {number % 10}"),
            tags=(slug(f"tag-{number % 10}"),),
        )
        yield ProductRow(number, sku(f"MUG-{number}"), values)


async def peak(backend: SqlBackend, count: int, *, stock: int, skip: bool) -> int:
    """The most bytes that are held while so many rows are taken over."""
    tracemalloc.start()
    try:
        importing = Importing(backend.begin, utc_now)
        outcome = await importing.load(an_actor(Role.STAFF), rows(count, stock=stock), skip=skip)
        assert outcome.created + outcome.updated == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("skip", [False, True])
async def test_four_times_the_rows_take_no_more_memory(sql: SqlBackend, skip: bool) -> None:
    await peak(sql, BATCH, stock=0, skip=skip)  # what is made once and kept is not counted
    made_few = await peak(sql, FEW, stock=1, skip=skip)
    made_many = await peak(sql, MANY, stock=2, skip=skip)
    changed_few = await peak(sql, FEW, stock=3, skip=skip)
    changed_many = await peak(sql, MANY, stock=4, skip=skip)
    assert made_many < 1.5 * max(made_few, changed_few)
    assert changed_many < 1.5 * changed_few
