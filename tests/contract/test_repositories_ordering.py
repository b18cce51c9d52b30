from uuid import uuid4

import pytest

from domain.catalog.product import sku
from domain.ordering.address import Address
from domain.ordering.order import (
    LARGEST_QUANTITY,
    MOST_LINES,
    NOTE_LENGTH,
    OrderId,
    OrderNotFound,
)
from domain.shared.author import Author
from domain.shared.money import CURRENCIES, Money
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_product, a_user, an_address, an_order, gbp
from tests.contract.backends import Backend
from tests.contract.steps import order_in, product_in

EVERYTHING = Address(
    name="Ada ☕",
    line1="12 St James's Square",
    line2="2nd floor",
    city="København",
    region="Ø",
    postal_code="2100",
    country="DK",
)


async def test_an_order_comes_back_as_it_was(backend: Backend) -> None:
    ada = a_user()
    dear = a_product(price=Money(999_999_999, CURRENCIES["KWD"]), stock=LARGEST_QUANTITY)
    free = a_product(price=Money(0, CURRENCIES["KWD"]), name="☕ & <Tea>")
    order = an_order(
        customer=ada,
        quantities={free: 1, dear: LARGEST_QUANTITY},
        shipping_address=EVERYTHING,
        note="\U0001f375" * NOTE_LENGTH,
    )
    await backend.keep(ada, dear, free, order)

    async with backend.begin() as work:
        found = await order_in(work, order)
    assert state_of(found) == state_of(order)
    assert found.lines[1].total == Money(999_999_999_000_000, CURRENCIES["KWD"])


@pytest.mark.parametrize("address", [None, an_address()])
async def test_an_order_that_says_little_comes_back_as_it_was(
    backend: Backend, address: Address | None
) -> None:
    ada, mug = a_user(), a_product()
    order = an_order(mug, customer=ada, shipping_address=address)
    await backend.keep(ada, mug, order)

    async with backend.begin() as work:
        assert state_of(await order_in(work, order)) == state_of(order)


async def test_the_lines_of_an_order_keep_their_places(backend: Backend) -> None:
    ada = a_user()
    products = [a_product(price=gbp("0.01")) for _ in range(MOST_LINES)]
    order = an_order(*products[::-1], customer=ada)
    await backend.keep(ada)
    async with backend.begin() as work:
        for product in products:
            work.products.add(product)
        await work.flush()
        work.orders.add(order)
        await work.commit()

    async with backend.begin() as work:
        found = await order_in(work, order, lock=True)
    assert [line.sku for line in found.lines] == [product.sku for product in products[::-1]]
    assert found.total == gbp("5.00")


async def test_an_order_keeps_what_its_products_were(backend: Backend) -> None:
    ada, mug = a_user(), a_product(sku_text="MUG", name="Mug", price=gbp("2.50"))
    order = an_order(mug, customer=ada)
    await backend.keep(ada, mug, order)

    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.revise({"name": "Cup", "price": gbp("9"), "sku": sku("CUP")}, at=NOON)
        product.delete(at=NOON)
        await work.commit()
    async with backend.begin() as work:
        [line] = (await order_in(work, order)).lines
    assert (line.sku, line.name, line.unit_price) == ("MUG", "Mug", gbp("2.50"))


async def test_an_order_moves_along_and_keeps_its_lines(backend: Backend) -> None:
    ada, mug, pot = a_user(), a_product(), a_product()
    order = an_order(mug, pot, customer=ada)
    await backend.keep(ada, mug, pot, order)

    async with backend.begin() as work:
        moved = await order_in(work, order, lock=True)
        moved.confirm(by=Author(order.customer_id), at=NOON)
        moved.ship(tracking_number="AB 12", by=Author(order.customer_id), at=NOON)
        await work.commit()
    async with backend.begin() as work:
        assert state_of(await order_in(work, order)) == state_of(moved)


async def test_who_looks_for_no_order_is_told_so(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(OrderNotFound):
                await work.orders.get(OrderId(uuid4()), lock=lock)
