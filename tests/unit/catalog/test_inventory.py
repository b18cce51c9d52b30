from contextlib import suppress

import pytest

from application.catalog.browsing import Browsing
from application.catalog.inventory import Inventory
from application.catalog.revision import Revision
from application.catalog.stocking import Stocking
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.shared.errors import StaleVersion
from application.shared.pages import Page, PageRequest, Sort
from domain.catalog.product import (
    LARGEST_STOCK,
    InsufficientStock,
    Product,
    ProductId,
    ProductNotFound,
    StockChanged,
    StockTooLarge,
)
from domain.catalog.stock import Cause
from domain.identity.user import Role
from domain.ordering.order import OrderId, new_number
from domain.ordering.status import OrderStatus
from domain.shared.errors import Forbidden, InvalidValue
from tests.builders import (
    BY_HAND,
    NOON,
    Ticking,
    a_category,
    a_draft,
    a_product,
    a_user,
    actor_of,
    an_actor,
)
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)
CUSTOMER = an_actor(Role.CUSTOMER)
BY_TIME = PageRequest(sort=Sort("at"), limit=20, with_total=True)


class Mishap(Exception):
    pass


@pytest.fixture
def inventory(shop: Shop) -> Inventory:
    return Inventory(shop.begin, Ticking())


@pytest.fixture
def browsing(shop: Shop) -> Browsing:
    return Browsing(shop.categories, shop.products)


def id_of(product: Product) -> ProductId:
    return ProductId(product.id)


def changes(shop: Shop) -> list[int]:
    """What was kept of what moved, in the order of the commits."""
    return [movement.change for movement in shop.database.movements]


async def test_an_adjustment_is_kept_with_who_and_why(shop: Shop, inventory: Inventory) -> None:
    mugs = a_category(name="Mugs")
    mug = a_product(category=mugs, stock=5)
    await shop.keep(mugs, mug)
    shown = await inventory.adjust(STAFF, id_of(mug), -3, reason="damaged")
    assert (shown.stock, shown.version, shown.updated_at) == (2, 2, NOON)
    assert shown == await shop.products.find(id_of(mug))
    [movement] = shop.database.movements
    assert (movement.change, movement.stock_after, movement.at) == (-3, 2, NOON)
    assert movement.because.cause is Cause.ADJUSTMENT
    assert (movement.because.actor_id, movement.because.reason) == (STAFF.id, "damaged")
    assert movement.because.order_id is None
    assert shop.events == ["product.stock_adjusted"]


async def test_no_stock_is_adjusted_below_nothing_or_beyond_its_limit(
    shop: Shop, inventory: Inventory
) -> None:
    mug, many = a_product(stock=5), a_product(stock=LARGEST_STOCK)
    await shop.keep(mug, many)
    with pytest.raises(InsufficientStock) as short:
        await inventory.adjust(STAFF, id_of(mug), -6)
    [shortage] = short.value.details["shortages"]
    assert (shortage.requested, shortage.available) == (6, 5)
    with pytest.raises(StockTooLarge):
        await inventory.adjust(STAFF, id_of(many), 1)
    with pytest.raises(InvalidValue):
        await inventory.count(STAFF, id_of(mug), LARGEST_STOCK + 1)
    with pytest.raises(InvalidValue):
        await inventory.count(STAFF, id_of(mug), -1)
    with pytest.raises(InvalidValue):
        await inventory.adjust(STAFF, id_of(mug), 1, reason="\x00")
    assert shop.stock(mug, many) == [5, LARGEST_STOCK]
    assert (changes(shop), shop.events) == ([], [])


async def test_a_count_sets_the_stock_if_it_was_as_expected(
    shop: Shop, inventory: Inventory
) -> None:
    mug = a_product(stock=37)
    await shop.keep(mug)
    with pytest.raises(StockChanged):
        await inventory.count(STAFF, id_of(mug), 40, before=36)
    assert (await inventory.count(STAFF, id_of(mug), 40, before=37, reason="count")).stock == 40
    assert (await inventory.count(STAFF, id_of(mug), 0)).stock == 0
    assert changes(shop) == [3, -40]


async def test_what_changes_nothing_makes_no_version_and_no_movement(
    shop: Shop, inventory: Inventory
) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    assert (await inventory.adjust(STAFF, id_of(mug), 0)).version == 1
    assert (await inventory.count(STAFF, id_of(mug), 5, before=5)).version == 1
    assert (changes(shop), shop.events) == ([], [])


async def test_whoever_saw_an_older_version_adjusts_nothing(
    shop: Shop, inventory: Inventory
) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    await inventory.adjust(STAFF, id_of(mug), 1, expected={1})
    for attempt in (
        inventory.adjust(STAFF, id_of(mug), 1, expected={1}),
        inventory.count(STAFF, id_of(mug), 1, expected={1}),
    ):
        with pytest.raises(StaleVersion):
            await attempt
    assert shop.stock(mug) == [6]


async def test_only_what_is_on_file_is_adjusted(shop: Shop, inventory: Inventory) -> None:
    deleted = a_product()
    deleted.delete(at=NOON)
    await shop.keep(deleted)
    for product in (deleted, a_product()):
        with pytest.raises(ProductNotFound):
            await inventory.adjust(STAFF, id_of(product), 1)
        with pytest.raises(ProductNotFound):
            await inventory.count(STAFF, id_of(product), 1)


async def test_customers_do_not_touch_the_stock(
    shop: Shop, inventory: Inventory, browsing: Browsing
) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    for attempt in (
        inventory.adjust(CUSTOMER, id_of(mug), 1),
        inventory.count(CUSTOMER, id_of(mug), 1),
        browsing.list_movements(CUSTOMER, id_of(mug), BY_TIME),
        browsing.list_movements(CUSTOMER, id_of(a_product()), BY_TIME),
    ):
        with pytest.raises(Forbidden, match="you may not manage the catalog"):
            await attempt
    assert shop.stock(mug) == [5]


async def test_staff_sees_every_movement_from_the_first_on(
    shop: Shop, inventory: Inventory, browsing: Browsing
) -> None:
    ada = a_user()
    await shop.keep(ada)
    tell_time = Ticking()
    made = await Stocking(shop.begin, tell_time).create(STAFF, a_draft(stock=10))
    id = ProductId(made.id)
    inventory = Inventory(shop.begin, tell_time)
    checkout = Checkout(shop.begin, tell_time, new_number)
    order = await checkout.place(actor_of(ada), [BasketLine(id, 4)])
    fulfilment = Fulfilment(shop.begin, tell_time)
    await fulfilment.move(STAFF, OrderId(order.id), OrderStatus.CANCELLED, reason="too late")
    await inventory.count(STAFF, id, 7, before=10, reason="count")
    await Revision(shop.begin, tell_time).delete(STAFF, id)

    page = await browsing.list_movements(STAFF, id, BY_TIME)
    assert [(one.change, one.stock_after, one.cause) for one in page.items] == [
        (10, 10, Cause.ADJUSTMENT),
        (-4, 6, Cause.ORDER),
        (4, 10, Cause.CANCELLATION),
        (-3, 7, Cause.ADJUSTMENT),
    ]
    assert [one.actor_id for one in page.items] == [STAFF.id, ada.id, STAFF.id, STAFF.id]
    assert [one.order_id for one in page.items] == [None, order.id, order.id, None]
    assert [one.reason for one in page.items] == [None, None, "too late", "count"]
    assert page.total == 4


async def test_a_product_that_never_moved_has_an_empty_list(shop: Shop, browsing: Browsing) -> None:
    empty = a_product(stock=0)
    await shop.keep(empty)
    assert await browsing.list_movements(STAFF, id_of(empty), BY_TIME) == Page([], total=0)
    with pytest.raises(ProductNotFound):
        await browsing.list_movements(STAFF, id_of(a_product()), BY_TIME)


async def test_what_moved_in_a_failed_savepoint_is_forgotten(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    async with shop.begin() as work:
        product = await work.products.get(id_of(mug))
        product.take(1, BY_HAND, at=NOON)
        with suppress(Mishap):
            async with work.savepoint():
                product.take(2, BY_HAND, at=NOON)
                work.products.add(a_product(stock=3))
                await work.flush()
                product.put_back(1, BY_HAND, at=NOON)
                raise Mishap
        product.put_back(2, BY_HAND, at=NOON)
        await work.commit()
    assert changes(shop) == [-1, 2]
    assert shop.stock(mug) == [6]


async def test_what_was_not_committed_has_not_moved(shop: Shop) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug)
    async with shop.begin() as work:
        (await work.products.get(id_of(mug))).take(1, BY_HAND, at=NOON)
        await work.flush()
    assert changes(shop) == []


async def test_a_refused_order_moves_nothing(shop: Shop) -> None:
    ada, mug, pot = a_user(), a_product(stock=5), a_product(stock=1)
    await shop.keep(ada, mug, pot)
    checkout = Checkout(shop.begin, Ticking(), new_number)
    with pytest.raises(InsufficientStock):
        await checkout.place(actor_of(ada), [BasketLine(id_of(mug), 1), BasketLine(id_of(pot), 2)])
    assert changes(shop) == []
