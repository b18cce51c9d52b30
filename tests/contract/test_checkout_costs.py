"""How many statements it costs to place an order: as many for five hundred lines as for one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from application.ordering.checkout import BasketLine, Checkout
from domain.catalog.product import ProductId
from domain.ordering.order import MOST_LINES
from tests.builders import a_product, a_user, actor_of, at_noon
from tests.contract.backends import SqlBackend


@contextmanager
def statements(sql: SqlBackend) -> Iterator[list[str]]:
    """All that is asked of the database, from BEGIN to COMMIT."""
    found: list[str] = []
    engine = sql.engine.sync_engine
    listeners: list[tuple[str, Any]] = [
        ("begin", lambda _: found.append("BEGIN")),
        ("commit", lambda _: found.append("COMMIT")),
        ("before_cursor_execute", lambda _, __, asked, *rest: found.append(asked)),
    ]
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield found
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


@pytest.mark.parametrize("lines", [1, MOST_LINES])
async def test_an_order_takes_twelve_statements_however_many_lines_it_has(
    sql: SqlBackend, lines: int
) -> None:
    ada, products = a_user(), [a_product() for _ in range(lines)]
    await sql.keep(ada, *products)
    basket = [BasketLine(ProductId(product.id), 2) for product in products]

    with statements(sql) as found:
        await Checkout(sql.begin, at_noon).place(actor_of(ada), basket)

    found = [asked for asked in found if asked != "BEGIN IMMEDIATE"]  # SQLite's own name for it
    assert len(found) == 12
