from itertools import product as pairs
from typing import Final

import pytest

from application.identity.actor import Actor
from application.ordering.fulfilment import Fulfilment, actions, refusal
from application.shared.errors import StaleVersion
from domain.catalog.product import LARGEST_STOCK, Product, ProductId, StockTooLarge
from domain.identity.user import Role, User, UserId
from domain.ordering.order import Order, OrderId, OrderNotFound
from domain.ordering.status import InvalidTransition, OrderStatus
from domain.shared.author import Author
from domain.shared.errors import DomainError, Forbidden, InvalidValue
from tests.builders import NOON, Ticking, a_product, a_user, actor_of, an_actor, an_order
from tests.unit.shop import Shop

PENDING, CONFIRMED, SHIPPED, DELIVERED, CANCELLED = OrderStatus

# For each of those who ask, a row for the status now, and in it a letter for each status to be, in
# their order: f forbidden, t no such transition, n no such order; with a dot it happens.
GUARD: Final = {
    "owner": "ffff. fffff fffft fffft fffft",
    "stranger": "nnnnn nnnnn nnnnn nnnnn nnnnn",
    "staff": "t.tt. tt.t. ttt.t ttttt ttttt",
    "admin": "t.tt. tt.t. ttt.t ttttt ttttt",
    "staff for themselves": "t.tt. tt.t. ttt.t ttttt ttttt",
}
REFUSALS: Final = {"f": Forbidden, "t": InvalidTransition, "n": OrderNotFound}
CASES: Final = [
    (who, now, to, outcome)
    for who, table in GUARD.items()
    for now, row in zip(OrderStatus, table.split(), strict=True)
    for to, outcome in zip(OrderStatus, row, strict=True)
]


@pytest.fixture
def fulfilment(shop: Shop) -> Fulfilment:
    return Fulfilment(shop.begin, Ticking())


async def a_sale(shop: Shop, now: OrderStatus, *, customer: User | None = None) -> Order:
    """A stored order of 3 of a product that has 2 left, which came to this status."""
    customer, mug = customer or a_user(), a_product(stock=5)
    order, by = an_order(mug, customer=customer, quantity=3), UserId(customer.id)
    if now in (CONFIRMED, SHIPPED, DELIVERED):
        order.confirm(by=Author(by), at=NOON)
    if now in (SHIPPED, DELIVERED):
        order.ship(by=Author(by), at=NOON)
    if now is DELIVERED:
        order.deliver(by=Author(by), at=NOON)
    if now is CANCELLED:
        order.cancel({ProductId(mug.id): mug}, by=Author(by), at=NOON)
    await shop.keep(customer, mug, order)
    return order


def whoever_is(who: str, order: Order) -> Actor:
    match who:
        case "owner":
            return an_actor(id=order.customer_id)
        case "stranger":
            return an_actor()
        case "staff for themselves":
            return an_actor(Role.STAFF, id=order.customer_id)
        case role:
            return an_actor(Role(role))


def stock_of(shop: Shop, order: Order) -> int:
    [mug] = [shop.database.get(Product, line.product_id) for line in order.lines]
    assert mug is not None
    return mug.stock


def test_the_table_of_who_may_do_what_is_complete() -> None:
    assert len(CASES) == len(GUARD) * len(OrderStatus) ** 2


@pytest.mark.parametrize(("who", "now", "to", "outcome"), CASES)
async def test_an_order_moves_as_far_as_the_one_who_asks_may_move_it(
    shop: Shop, fulfilment: Fulfilment, who: str, now: OrderStatus, to: OrderStatus, outcome: str
) -> None:
    order = await a_sale(shop, now)
    stock = stock_of(shop, order)
    if outcome == ".":
        moved = await fulfilment.move(whoever_is(who, order), OrderId(order.id), to)
        assert moved.status is to
        assert (shop.now(order).status, shop.now(order).version) == (to, 2)
        assert shop.events == [f"order.{to}"]
        assert stock_of(shop, order) == stock + (3 if to is CANCELLED else 0)
        return
    with pytest.raises(REFUSALS[outcome]):
        await fulfilment.move(whoever_is(who, order), OrderId(order.id), to)
    assert (shop.now(order).status, shop.now(order).version) == (now, 1)
    assert shop.events == []
    assert stock_of(shop, order) == stock


@pytest.mark.parametrize("who", [who for who in GUARD if who != "stranger"])
@pytest.mark.parametrize("now", OrderStatus)
async def test_the_actions_that_are_shown_are_what_happens(
    shop: Shop, fulfilment: Fulfilment, who: str, now: OrderStatus
) -> None:
    async def happens(to: OrderStatus) -> str | None:
        order = await a_sale(shop, now)
        try:
            await fulfilment.move(whoever_is(who, order), OrderId(order.id), to)
        except DomainError as error:
            return str(error)
        return None

    actor = whoever_is(who, await a_sale(shop, now))
    shown = actions(actor, now)
    assert [action.to for action in shown] == [*now.next]
    for action in shown:
        assert action.reason == await happens(action.to)
        assert action.allowed is (action.reason is None)
    for to in {*OrderStatus} - {*now.next}:
        assert await happens(to) is not None


@pytest.mark.parametrize(("now", "to"), [*pairs(OrderStatus, OrderStatus)])
def test_staff_and_administrators_are_refused_alike(now: OrderStatus, to: OrderStatus) -> None:
    one, other = (refusal(an_actor(role), now, to) for role in (Role.STAFF, Role.ADMIN))
    assert (type(one), str(one)) == (type(other), str(other))


async def test_a_transition_remembers_its_reason_and_who_made_it(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    order, clerk = await a_sale(shop, PENDING), an_actor(Role.STAFF)
    await fulfilment.move(clerk, OrderId(order.id), CONFIRMED, reason="paid in cash")
    [entry] = shop.database.outbox
    assert entry.payload == {
        "order_id": str(order.id),
        "actor_id": str(clerk.id),
        "request_id": None,
        "previous": "pending",
        "reason": "paid in cash",
    }
    assert entry.sequence == 2


async def test_a_shipment_may_have_a_tracking_number(shop: Shop, fulfilment: Fulfilment) -> None:
    order, clerk = await a_sale(shop, CONFIRMED), an_actor(Role.STAFF)
    moved = await fulfilment.move(clerk, OrderId(order.id), SHIPPED, tracking_number="1Z999")
    assert moved.tracking_number == shop.now(order).tracking_number == "1Z999"
    [entry] = shop.database.outbox
    assert entry.payload["tracking_number"] == "1Z999"


@pytest.mark.parametrize("to", [status for status in OrderStatus if status is not SHIPPED])
async def test_only_a_shipment_has_a_tracking_number(
    shop: Shop, fulfilment: Fulfilment, to: OrderStatus
) -> None:
    order = await a_sale(shop, PENDING)
    with pytest.raises(InvalidValue, match="tracking_number belongs to a shipment"):
        await fulfilment.move(an_actor(Role.STAFF), OrderId(order.id), to, tracking_number="1Z999")
    assert shop.now(order).version == 1


async def test_a_new_version_is_not_moved_by_somebody_who_saw_an_older_one(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    order, clerk = await a_sale(shop, PENDING), an_actor(Role.STAFF)
    await fulfilment.move(clerk, OrderId(order.id), CONFIRMED, expected={1})
    with pytest.raises(StaleVersion) as stale:
        await fulfilment.move(clerk, OrderId(order.id), SHIPPED, expected={1})
    assert stale.value.details == {"version": 2}
    assert shop.now(order).status is CONFIRMED
    await fulfilment.move(clerk, OrderId(order.id), SHIPPED, expected={1, 2})


async def test_a_stranger_does_not_learn_the_version_of_an_order(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    order = await a_sale(shop, PENDING)
    with pytest.raises(OrderNotFound):
        await fulfilment.move(an_actor(), OrderId(order.id), CANCELLED, expected={9})


async def test_an_order_that_is_not_there_looks_like_somebody_elses(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    order, stranger = await a_sale(shop, PENDING), an_actor()
    failures = []
    for id in (OrderId(order.id), OrderId(an_order().id)):
        with pytest.raises(OrderNotFound) as failed:
            await fulfilment.move(stranger, id, CANCELLED)
        failures.append((str(failed.value), failed.value.details))
    assert failures[0] == failures[1]


async def test_of_two_who_cancel_at_once_one_puts_the_stock_back(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    ada = a_user()
    order = await a_sale(shop, PENDING, customer=ada)
    second = shop.meanwhile(fulfilment.move(an_actor(Role.STAFF), OrderId(order.id), CANCELLED))
    await fulfilment.move(actor_of(ada), OrderId(order.id), CANCELLED)
    with pytest.raises(InvalidTransition):
        await second
    assert stock_of(shop, order) == 5
    assert shop.events == ["order.cancelled"]


async def test_what_is_cancelled_meanwhile_is_not_shipped(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    order, clerk = await a_sale(shop, CONFIRMED), an_actor(Role.STAFF)
    second = shop.meanwhile(fulfilment.move(clerk, OrderId(order.id), SHIPPED))
    await fulfilment.move(clerk, OrderId(order.id), CANCELLED)
    with pytest.raises(InvalidTransition):
        await second
    assert shop.now(order).status is CANCELLED


async def test_a_product_that_was_deleted_since_gets_its_stock_back_as_well(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    order = await a_sale(shop, PENDING)
    async with shop.begin() as work:
        (await work.products.get(order.lines[0].product_id)).delete(at=NOON)
        await work.commit()
    await fulfilment.move(an_actor(Role.STAFF), OrderId(order.id), CANCELLED)
    assert stock_of(shop, order) == 5


async def test_what_the_stock_cannot_hold_cancels_nothing(
    shop: Shop, fulfilment: Fulfilment
) -> None:
    ada, mug, cup = a_user(), a_product(stock=5), a_product(stock=5)
    order = an_order(mug, cup, customer=ada, quantity=3)
    cup.stock = LARGEST_STOCK
    await shop.keep(ada, mug, cup, order)
    with pytest.raises(StockTooLarge):
        await fulfilment.move(actor_of(ada), OrderId(order.id), CANCELLED)
    assert shop.now(order).status is PENDING
    assert shop.stock(mug, cup) == [2, LARGEST_STOCK]
    assert shop.events == []
