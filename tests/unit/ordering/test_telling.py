import pytest

from application.notifications.queries import NotificationDetails
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.ordering.telling import moved, placed, sentence
from application.shared.pages import PageRequest, Sort
from domain.catalog.product import ProductId
from domain.catalog.stock import REASON_LENGTH
from domain.identity.user import Role, User, UserId
from domain.notifications.notification import MESSAGE_LENGTH
from domain.ordering.order import TRACKING_NUMBER_LENGTH, Order, OrderId, OrderNumber
from domain.ordering.status import OrderStatus
from tests.builders import (
    NOON,
    Ticking,
    a_notification,
    a_product,
    a_user,
    actor_of,
    an_order,
    at_noon,
    money,
    usd,
)
from tests.unit.shop import Shop

CONFIRMED, SHIPPED = OrderStatus.CONFIRMED, OrderStatus.SHIPPED
DELIVERED, CANCELLED = OrderStatus.DELIVERED, OrderStatus.CANCELLED

NUMBER = OrderNumber("ORD-20261121-7Q2M4XKD")


def order_in(status: OrderStatus, *, tracking_number: str | None = None) -> Order:
    order = an_order(number=NUMBER)
    order.status, order.tracking_number = status, tracking_number
    return order


def test_a_customer_is_told_how_much_was_ordered_and_what_it_comes_to() -> None:
    mug, cup = a_product(price=usd("13.99")), a_product(price=usd("13.99"))
    order = an_order(quantities={mug: 2, cup: 1}, number=NUMBER)
    assert placed(order) == "Order ORD-20261121-7Q2M4XKD was placed: 3 items, 41.97 USD."


def test_one_is_no_plural_and_yen_have_no_decimals() -> None:
    order = an_order(a_product(price=money("80", "JPY")), number=NUMBER)
    assert placed(order) == "Order ORD-20261121-7Q2M4XKD was placed: 1 item, 80 JPY."


@pytest.mark.parametrize(
    ("order", "reason", "told"),
    [
        (order_in(CONFIRMED), None, "was confirmed."),
        (order_in(CONFIRMED), "looks like a good customer", "was confirmed."),
        (order_in(SHIPPED), None, "was shipped."),
        (order_in(SHIPPED, tracking_number="1Z 9"), "x", "was shipped; tracking number 1Z 9"),
        (order_in(DELIVERED, tracking_number="1Z 9"), None, "was delivered."),
        (order_in(CANCELLED), None, "was cancelled."),
        (order_in(CANCELLED), " \n", "was cancelled."),
        (order_in(CANCELLED), "sold out", "was cancelled: sold out"),
        (order_in(CANCELLED), "sold\r\n\tout!\n", "was cancelled: sold out!"),
    ],
)
def test_a_customer_is_told_what_the_order_has_become(
    order: Order, reason: str | None, told: str
) -> None:
    assert moved(order, reason) == f"Order {NUMBER} {told}"


def test_what_is_too_long_to_be_told_is_cut() -> None:
    told = moved(order_in(CANCELLED), "x" * REASON_LENGTH)
    assert len(told) == MESSAGE_LENGTH
    assert told.endswith("xx…")
    assert a_notification(message=told).message == told
    just_fits = MESSAGE_LENGTH - len(f"Order {NUMBER} was cancelled: ")
    assert moved(order_in(CANCELLED), "x" * just_fits).endswith(": " + "x" * just_fits)


def test_the_longest_tracking_number_can_be_told() -> None:
    told = moved(order_in(SHIPPED, tracking_number="9" * TRACKING_NUMBER_LENGTH))
    assert a_notification(message=told).message.endswith(" " + "9" * TRACKING_NUMBER_LENGTH)


def test_anything_else_can_be_told_of_an_order() -> None:
    order = order_in(CONFIRMED)
    assert sentence(order, "was paid: 5.00 USD") == f"Order {NUMBER} was paid: 5.00 USD."
    assert sentence(order, "was refunded", "broken") == f"Order {NUMBER} was refunded: broken"


async def told(shop: Shop, user: User) -> list[NotificationDetails]:
    request = PageRequest(sort=Sort("created_at"), limit=100)
    return [*(await shop.notifications.page(request, UserId(user.id))).items]


async def test_the_customer_is_told_of_every_step_whoever_takes_it(shop: Shop) -> None:
    ada, clerk, mug = a_user(), a_user(role=Role.STAFF), a_product(price=usd("5"))
    await shop.keep(ada, clerk, mug)
    clock, staff = Ticking(), actor_of(clerk)
    basket = [BasketLine(ProductId(mug.id), 2)]
    order = await Checkout(shop.begin, clock, lambda _: NUMBER).place(
        staff, basket, customer_id=UserId(ada.id)
    )
    fulfilment, id = Fulfilment(shop.begin, clock), OrderId(order.id)
    await fulfilment.move(staff, id, CONFIRMED)
    await fulfilment.move(staff, id, SHIPPED, tracking_number="1Z")
    await fulfilment.move(staff, id, DELIVERED)

    found = await told(shop, ada)
    assert [one.message.removeprefix(f"Order {NUMBER} was ") for one in found] == [
        "placed: 2 items, 10.00 USD.",
        "confirmed.",
        "shipped; tracking number 1Z",
        "delivered.",
    ]
    assert {one.order_id for one in found} == {order.id}
    assert [one.created_at - NOON for one in found] == [clock.step * n for n in range(4)]
    assert await told(shop, clerk) == []


async def test_a_customer_is_told_of_what_they_do_themselves_as_well(shop: Shop) -> None:
    ada, mug = a_user(), a_product()
    order = an_order(mug, customer=ada, number=NUMBER)
    await shop.keep(ada, mug, order)
    await Fulfilment(shop.begin, at_noon).move(
        actor_of(ada), OrderId(order.id), CANCELLED, reason="changed my mind"
    )
    [one] = await told(shop, ada)
    assert one.message == f"Order {NUMBER} was cancelled: changed my mind"


async def test_a_notification_is_no_event(shop: Shop) -> None:
    ada, mug = a_user(), a_product()
    await shop.keep(ada, mug)
    await Checkout(shop.begin, at_noon).place(actor_of(ada), [BasketLine(ProductId(mug.id), 1)])
    assert len(await told(shop, ada)) == 1
    assert shop.events == ["order.placed"]
