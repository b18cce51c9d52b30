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
ROWS: Final = 45 * BATCH
CHARACTERS: Final = 9_000  # of each row


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", BATCH)


def rows(*, stock: int) -> Iterator[ProductRow]:
    """Products with much to say."""
    for number in range(ROWS):
        values = ProductValues(
            name=f"Mug {number}",
            price=gbp("7.99"),
            description=f"{number}".rjust(CHARACTERS),
            stock=stock,
            category=("Kitchen", f"Mugs {number % 10}"),
            tags=(slug(f"tag-{number % 10}"),),
        )
        yield ProductRow(number, sku(f"MUG-{number}"), values)


async def peak(backend: SqlBackend, *, stock: int, skip: bool) -> int:
    """The most bytes that are held while they are taken over."""
    tracemalloc.start()
    try:
        importing = Importing(backend.begin, utc_now)
        outcome = await importing.load(an_actor(Role.STAFF), rows(stock=stock), skip=skip)
        assert outcome.created + outcome.updated == ROWS
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("skip", [False, True])
async def test_a_file_is_never_in_memory_as_a_whole(sql: SqlBackend, skip: bool) -> None:
    made = await peak(sql, stock=1, skip=skip)
    changed = await peak(sql, stock=2, skip=skip)
    assert max(made, changed) < ROWS * CHARACTERS / 2
