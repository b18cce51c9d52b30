"""Every change of stock that was kept is one movement, and no other change is."""

from datetime import timedelta
from uuid import uuid4

import pytest

from application.catalog.inventory import Inventory
from application.catalog.queries import Movement
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.shared.pages import Page, PageRequest, Sort
from application.shared.unit_of_work import Runner
from domain.catalog.product import InsufficientStock, Product, ProductId
from domain.catalog.stock import REASON_LENGTH, Because, Cause
from domain.identity.user import Role
from domain.ordering.order import OrderId, new_number
from domain.ordering.status import OrderStatus
from tests.builders import (
    BY_HAND,
    NOON,
    Ticking,
    a_product,
    a_user,
    actor_of,
    an_actor,
    at_noon,
)
from tests.contract.backends import Backend
from tests.contract.steps import ends_of, failing, lock_products, movements_of, product_in
from tests.contract.walking import each_page_is_right

STAFF = an_actor(Role.STAFF)
LATER = NOON + timedelta(hours=1)


async def changes_of(backend: Backend, product: Product) -> list[int]:
    return [movement.change for movement in await movements_of(backend, product)]


async def test_a_movement_comes_back_as_it_was(backend: Backend) -> None:
    mug = a_product(stock=5)
    because = Because(Cause.CANCELLATION, uuid4(), "🍵\n" * (REASON_LENGTH // 2), uuid4())
    await backend.keep(mug)
    async with backend.begin() as work:
        (await product_in(work, mug)).put_back(2, because, at=LATER)
        await work.commit()

    opening, returned = await movements_of(backend, mug)
    assert opening == Movement(
        id=opening.id,
        product_id=mug.id,
        change=5,
        stock_after=5,
        cause=Cause.ADJUSTMENT,
        actor_id=BY_HAND.actor_id,
        reason=None,
        order_id=None,
        at=NOON,
    )
    assert returned == Movement(
        id=returned.id,
        product_id=mug.id,
        change=2,
        stock_after=7,
        cause=Cause.CANCELLATION,
        actor_id=because.actor_id,
        reason=because.reason,
        order_id=because.order_id,
        at=LATER,
    )
    assert opening.id != returned.id


async def test_a_product_that_begins_with_nothing_has_not_moved(backend: Backend) -> None:
    mug = a_product(stock=0)
    await backend.keep(mug)
    request = PageRequest(sort=Sort("at"), limit=5, with_total=True)
    assert await backend.products.movements(ProductId(mug.id), request) == Page([], total=0)
    assert await backend.products.movements(ProductId(uuid4()), request) == Page([], total=0)


async def test_a_movement_is_kept_with_its_change_and_not_before(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    async with backend.begin() as work:
        (await product_in(work, mug)).take(1, BY_HAND, at=LATER)
        await work.flush()
        assert await changes_of(backend, mug) == [5]
        await work.commit()
    assert await changes_of(backend, mug) == [5, -1]


async def test_each_of_several_movements_in_one_go_is_kept(backend: Backend) -> None:
    mug = a_product(stock=5)
    async with backend.begin() as work:
        work.products.add(mug)
        mug.take(1, BY_HAND, at=LATER)
        await work.flush()
        mug.count(9, BY_HAND, at=LATER + timedelta(seconds=1))
        mug.adjust(-2, BY_HAND, at=LATER + timedelta(seconds=2))
        await work.commit()
    moved = await movements_of(backend, mug)
    assert [(one.change, one.stock_after) for one in moved] == [(5, 5), (-1, 4), (5, 9), (-2, 7)]


async def test_what_was_not_committed_has_not_moved(backend: Backend) -> None:
    mug, ghost = a_product(stock=5), a_product()
    await backend.keep(mug)
    async with backend.begin() as work:
        (await product_in(work, mug)).take(1, BY_HAND, at=LATER)
        work.products.add(ghost)
        await work.flush()
    assert await changes_of(backend, mug) == [5]
    assert await changes_of(backend, ghost) == []


async def test_a_failed_commit_moves_nothing(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    backend.fail_next_commit(RuntimeError("out of order"))
    async with backend.begin() as work:
        (await product_in(work, mug)).take(1, BY_HAND, at=LATER)
        with pytest.raises(RuntimeError, match="out of order"):
            await work.commit()
    assert await changes_of(backend, mug) == [5]


async def test_a_failed_savepoint_moves_nothing_and_what_surrounds_it_does(
    backend: Backend,
) -> None:
    mug, pot, ghost = a_product(stock=10), a_product(stock=10), a_product()
    await backend.keep(mug, pot)
    async with backend.begin() as work:
        product = await product_in(work, mug)
        product.take(1, BY_HAND, at=LATER)
        async with failing(work.savepoint()):
            product.take(2, BY_HAND, at=LATER)
            (await product_in(work, pot)).take(2, BY_HAND, at=LATER)
            work.products.add(ghost)
            await work.flush()
            product.take(2, BY_HAND, at=LATER)
        async with work.savepoint():
            product.take(3, BY_HAND, at=LATER + timedelta(seconds=1))
            async with failing(work.savepoint()):
                product.put_back(4, BY_HAND, at=LATER)
        product.put_back(1, BY_HAND, at=LATER + timedelta(seconds=2))
        await work.commit()
    assert await changes_of(backend, mug) == [10, -1, -3, 1]
    assert await changes_of(backend, pot) == [10]
    assert await changes_of(backend, ghost) == []
    assert await backend.stock(mug, pot) == [7, 10]


async def test_a_second_commit_moves_nothing_again(backend: Backend) -> None:
    mug = a_product(stock=5)
    async with backend.begin() as work:
        work.products.add(mug)
        await work.commit()
        await work.commit()
        mug.take(1, BY_HAND, at=LATER)
        await work.commit()
    assert await changes_of(backend, mug) == [5, -1]


async def test_movements_are_listed_page_by_page(backend: Backend) -> None:
    mug, pot = a_product(stock=100), a_product(stock=100)
    await backend.keep(mug, pot)
    async with backend.begin() as work:
        for number in range(7):
            for product in await lock_products(work, mug, pot):
                at = NOON + timedelta(microseconds=number % 3)
                product.take(number + 1, BY_HAND, at=at)
        await work.commit()

    async def pages(request: PageRequest) -> Page[Movement]:
        return await backend.products.movements(ProductId(mug.id), request)

    moved = await movements_of(backend, mug)
    assert len(moved) == 8
    for descending in (False, True):
        await each_page_is_right(pages, moved, Sort("at", descending), lambda one: one.at)


async def test_the_movements_of_a_deleted_product_stay(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    async with backend.begin() as work:
        (await product_in(work, mug)).delete(at=LATER)
        await work.commit()
    assert await changes_of(backend, mug) == [5]


async def test_whatever_is_done_at_once_the_movements_add_up_to_the_stock(
    backend: Backend,
) -> None:
    ada, mug, pot = a_user(), a_product(stock=12), a_product(stock=9)
    await backend.keep(ada, mug, pot)
    tell_time, run = Ticking(), Runner()
    checkout = Checkout(backend.begin, tell_time, new_number)
    fulfilment = Fulfilment(backend.begin, tell_time)
    inventory = Inventory(backend.begin, tell_time)

    async def order(quantity: int, *, cancel: bool) -> None:
        lines = [BasketLine(ProductId(one.id), quantity) for one in (mug, pot)]
        placed = await run(lambda: checkout.place(actor_of(ada), lines))
        if cancel:
            id = OrderId(placed.id)
            await run(lambda: fulfilment.move(STAFF, id, OrderStatus.CANCELLED))

    async def adjust(product: Product, change: int) -> None:
        id = ProductId(product.id)
        await run(lambda: inventory.adjust(STAFF, id, change, reason="broken"))

    async def count(product: Product, stock: int) -> None:
        id = ProductId(product.id)
        await run(lambda: inventory.count(STAFF, id, stock))

    ends = await ends_of(
        [
            *(order(number % 3 + 1, cancel=number % 2 == 0) for number in range(10)),
            *(adjust(mug, change) for change in (-2, 3, -1)),
            *(adjust(pot, change) for change in (-1, 4, -2)),
            count(mug, 8),
            count(pot, 15),
        ]
    )
    assert {*ends} <= {"done", "InsufficientStock"}
    assert ends["done"] >= 8

    for product, stock in zip((mug, pot), await backend.stock(mug, pot), strict=True):
        moved = await movements_of(backend, product)
        assert sum(one.change for one in moved) == stock
        # Each begins where another ended, in whatever order their times are.
        befores = sorted([*(one.stock_after - one.change for one in moved), stock])
        assert befores == sorted([0, *(one.stock_after for one in moved)])
        ordered = [one.order_id for one in moved if one.cause is Cause.ORDER]
        cancelled = [one.order_id for one in moved if one.cause is Cause.CANCELLATION]
        assert len({*ordered}) == len(ordered)
        assert len({*cancelled}) == len(cancelled)
        assert {*cancelled} <= {*ordered}


async def test_of_many_who_take_the_last_one_a_single_one_moves_it(backend: Backend) -> None:
    mug = a_product(stock=1)
    await backend.keep(mug)
    inventory, run = Inventory(backend.begin, at_noon), Runner()

    async def take() -> None:
        await run(lambda: inventory.adjust(STAFF, ProductId(mug.id), -1))

    assert await ends_of([take() for _ in range(5)]) == {"done": 1, "InsufficientStock": 4}
    assert sorted(await changes_of(backend, mug)) == [-1, 1]


async def test_of_many_who_counted_the_same_before_a_single_one_is_believed(
    backend: Backend,
) -> None:
    mug = a_product(stock=10)
    await backend.keep(mug)
    inventory, run = Inventory(backend.begin, at_noon), Runner()

    async def count(stock: int) -> None:
        await run(lambda: inventory.count(STAFF, ProductId(mug.id), stock, before=10))

    assert await ends_of([count(stock) for stock in range(5)]) == {"done": 1, "StockChanged": 4}
    assert len(await changes_of(backend, mug)) == 2


async def test_an_order_that_falls_short_moves_nothing_at_all(backend: Backend) -> None:
    ada, mug, pot = a_user(), a_product(stock=5), a_product(stock=1)
    await backend.keep(ada, mug, pot)
    checkout = Checkout(backend.begin, at_noon, new_number)
    with pytest.raises(InsufficientStock):
        await checkout.place(
            actor_of(ada), [BasketLine(ProductId(mug.id), 2), BasketLine(ProductId(pot.id), 2)]
        )
    assert await changes_of(backend, mug) == [5]
    assert await changes_of(backend, pot) == [1]
