from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from application.ordering.checkout import BasketLine, Checkout
from application.ordering.queries import OrderDetails
from application.shared.errors import NameCollision
from application.shared.unit_of_work import ATTEMPTS, Runner
from domain.catalog.product import (
    InsufficientStock,
    Product,
    ProductId,
    ProductNotFound,
    Shortage,
    Sku,
    sku,
)
from domain.identity.user import Role, User, UserId, UserNotFound
from domain.ordering.order import Order, OrderId, OrderNumber, PriceChanged, ProductUnavailable
from domain.ordering.status import OrderStatus
from domain.shared.errors import Forbidden, InvalidValue
from domain.shared.money import CurrencyMismatch
from tests.builders import (
    NOON,
    a_product,
    a_user,
    actor_of,
    an_actor,
    an_address,
    an_order,
    at_noon,
    gbp,
    usd,
)
from tests.unit.shop import Shop


@pytest.fixture
def checkout(shop: Shop) -> Checkout:
    return Checkout(shop.begin, at_noon)


@pytest.fixture
async def ada(shop: Shop) -> User:
    ada = a_user(username="ada")
    await shop.keep(ada)
    return ada


def line(product: Product | Sku, quantity: int = 1) -> BasketLine:
    named = ProductId(product.id) if isinstance(product, Product) else product
    return BasketLine(named, quantity)


def counting(*numbers: str) -> Callable[[datetime], OrderNumber]:
    """A source of these numbers, one after the other."""
    left: Iterator[str] = iter(numbers)
    return lambda at: OrderNumber(next(left))


async def test_a_basket_becomes_a_pending_order(shop: Shop, checkout: Checkout, ada: User) -> None:
    mug, cup = a_product(price=gbp("5"), stock=5), a_product(price=gbp("2.50"), stock=5)
    await shop.keep(mug, cup)
    order = await checkout.place(
        actor_of(ada),
        [line(mug, 2), line(cup)],
        shipping_address=an_address(),
        note="Ring twice",
        expected_total=gbp("12.50"),
    )
    assert (order.status, order.total, order.version) == (OrderStatus.PENDING, gbp("12.50"), 1)
    assert (order.customer_id, order.placed_at) == (ada.id, NOON)
    assert await shop.orders.find(OrderId(order.id)) == OrderDetails.of(order)
    assert shop.stock(mug, cup) == [3, 4]
    assert shop.events == ["order.placed"]
    [entry] = shop.database.outbox
    assert (entry.aggregate_id, entry.sequence) == (order.id, 1)
    assert entry.payload["total"] == {"amount": "12.50", "currency": "GBP"}


async def test_a_product_is_named_by_its_id_or_by_its_sku(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    mug, cup = a_product(sku_text="MUG"), a_product()
    await shop.keep(mug, cup)
    order = await checkout.place(actor_of(ada), [line(sku("mug"), 2), line(cup)])
    assert [(item.product_id, item.quantity) for item in order.lines] == [(mug.id, 2), (cup.id, 1)]


async def test_lines_of_one_product_are_summed_before_the_stock_is_checked(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    mug = a_product(sku_text="MUG", stock=5)
    await shop.keep(mug)
    with pytest.raises(InsufficientStock) as refused:
        await checkout.place(actor_of(ada), [line(mug, 3), line(sku("MUG"), 3)])
    assert refused.value.details["shortages"] == (
        Shortage(ProductId(mug.id), sku("MUG"), requested=6, available=5),
    )
    order = await checkout.place(actor_of(ada), [line(mug, 3), line(sku("MUG"), 2)])
    assert [item.quantity for item in order.lines] == [5]
    assert shop.stock(mug) == [0]


async def test_every_short_line_is_named_and_nothing_is_kept(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    mug, cup, pot = a_product(stock=5), a_product(stock=1), a_product(stock=0)
    await shop.keep(mug, cup, pot)
    with pytest.raises(InsufficientStock) as refused:
        await checkout.place(actor_of(ada), [line(mug, 5), line(cup, 2), line(pot, 1)])
    short = refused.value.details["shortages"]
    assert [(shortage.sku, shortage.available) for shortage in short] == [
        (cup.sku, 1),
        (pot.sku, 0),
    ]
    assert shop.stock(mug, cup, pot) == [5, 1, 0]
    assert shop.count(Order) == 0
    assert shop.events == []


async def test_a_product_that_is_not_on_file_is_not_found(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    mug, gone, unknown = a_product(), a_product(sku_text="GONE"), a_product(sku_text="UNKNOWN")
    gone.delete(at=NOON)
    await shop.keep(mug, gone)
    for missing in (line(unknown), line(sku("UNKNOWN")), line(gone), line(sku("GONE"))):
        with pytest.raises(ProductNotFound) as refused:
            await checkout.place(actor_of(ada), [line(mug), missing])
        assert refused.value.details == {"product": missing.product}
    assert shop.stock(mug) == [10]


async def test_the_sku_of_a_deleted_product_means_the_one_that_has_it_now(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    old = a_product(sku_text="MUG", slug_text="mug")
    old.delete(at=NOON)
    new = a_product(sku_text="MUG", slug_text="mug")
    await shop.keep(old, new)
    order = await checkout.place(actor_of(ada), [line(sku("MUG"))])
    assert [item.product_id for item in order.lines] == [new.id]


async def test_what_is_not_on_sale_is_not_sold(shop: Shop, checkout: Checkout, ada: User) -> None:
    mug, cup = a_product(), a_product(is_active=False)
    await shop.keep(mug, cup)
    with pytest.raises(ProductUnavailable):
        await checkout.place(actor_of(ada), [line(mug), line(cup)])
    assert shop.stock(mug, cup) == [10, 10]


async def test_pounds_and_dollars_are_not_sold_together(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    mug, cup = a_product(price=gbp("1")), a_product(price=usd("1"))
    await shop.keep(mug, cup)
    with pytest.raises(CurrencyMismatch):
        await checkout.place(actor_of(ada), [line(mug), line(cup)])
    assert shop.stock(mug, cup) == [10, 10]


async def test_a_price_that_has_changed_since_is_told(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    mug = a_product(price=gbp("5"))
    await shop.keep(mug)
    async with shop.begin() as work:
        (await work.products.get(ProductId(mug.id))).revise({"price": gbp("6")}, at=NOON)
        await work.commit()
    with pytest.raises(PriceChanged):
        await checkout.place(actor_of(ada), [line(mug)], expected_total=gbp("5"))
    assert shop.stock(mug) == [10]


@pytest.mark.parametrize("quantities", [[], [0], [-1], [1_000_001], [1] * 501])
async def test_a_basket_is_neither_empty_nor_endless(
    shop: Shop, checkout: Checkout, ada: User, quantities: list[int]
) -> None:
    mug = a_product(stock=2_000_000)
    await shop.keep(mug)
    with pytest.raises(InvalidValue):
        await checkout.place(actor_of(ada), [line(mug, quantity) for quantity in quantities])
    assert shop.stock(mug) == [2_000_000]


@pytest.mark.parametrize("role", [Role.STAFF, Role.ADMIN])
async def test_staff_places_an_order_for_somebody_else(
    shop: Shop, checkout: Checkout, ada: User, role: Role
) -> None:
    clerk, mug = a_user(role=role), a_product()
    await shop.keep(clerk, mug)
    order = await checkout.place(actor_of(clerk), [line(mug)], customer_id=UserId(ada.id))
    assert order.customer_id == ada.id
    [entry] = shop.database.outbox
    assert entry.payload["actor_id"] == str(clerk.id)


async def test_customers_place_orders_for_themselves_alone(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    bob, mug = a_user(), a_product()
    await shop.keep(bob, mug)
    for somebody in (UserId(bob.id), UserId(a_user().id)):
        with pytest.raises(Forbidden, match="you may not manage orders"):
            await checkout.place(actor_of(ada), [line(mug)], customer_id=somebody)
    order = await checkout.place(actor_of(ada), [line(mug)], customer_id=UserId(ada.id))
    assert order.customer_id == ada.id


async def test_nobody_orders_for_a_customer_who_is_not_there(
    shop: Shop, checkout: Checkout
) -> None:
    mug = a_product()
    await shop.keep(mug)
    with pytest.raises(UserNotFound):
        await checkout.place(an_actor(Role.STAFF), [line(mug)], customer_id=UserId(a_user().id))
    assert shop.stock(mug) == [10]


async def test_of_two_customers_who_want_the_last_one_the_first_gets_it(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    bob, mug = a_user(), a_product(stock=1)
    await shop.keep(bob, mug)
    second = shop.meanwhile(checkout.place(actor_of(bob), [line(mug)]))
    order = await checkout.place(actor_of(ada), [line(mug)])
    with pytest.raises(InsufficientStock):
        await second
    assert shop.stock(mug) == [0]
    assert [stored.id for stored in shop.database.all(Order)] == [order.id]


async def test_baskets_in_opposite_order_do_not_wait_for_each_other_for_ever(
    shop: Shop, checkout: Checkout, ada: User
) -> None:
    mug, cup = a_product(stock=5), a_product(stock=5)
    await shop.keep(mug, cup)
    second = shop.meanwhile(checkout.place(actor_of(ada), [line(cup), line(mug)]))
    await checkout.place(actor_of(ada), [line(mug), line(cup)])
    await second
    assert shop.stock(mug, cup) == [3, 3]


async def test_a_number_that_was_taken_is_drawn_again(shop: Shop, ada: User) -> None:
    mug = a_product(stock=5)
    taken = an_order(mug, customer=ada, number=OrderNumber("TAKEN"))
    await shop.keep(mug, taken)
    checkout = Checkout(shop.begin, at_noon, counting("TAKEN", "TAKEN", "FREE"))
    runner = Runner(_no_pause)
    order = await runner(lambda: checkout.place(actor_of(ada), [line(mug)]))
    assert order.number == "FREE"
    assert runner.retries == {"NameCollision": 2}
    assert shop.stock(mug) == [3]
    assert shop.events == ["order.placed"]


async def test_a_source_that_repeats_one_number_for_ever_is_given_up(shop: Shop, ada: User) -> None:
    mug = a_product(stock=5)
    await shop.keep(mug, an_order(mug, customer=ada, number=OrderNumber("TAKEN")))
    checkout = Checkout(shop.begin, at_noon, counting(*["TAKEN"] * ATTEMPTS))
    with pytest.raises(NameCollision):
        await Runner(_no_pause)(lambda: checkout.place(actor_of(ada), [line(mug)]))
    assert shop.stock(mug) == [4]
    assert shop.count(Order) == 1


async def _no_pause(seconds: float) -> None:
    pass
