import pytest

from application.identity.actor import Actor
from application.ordering.history import History
from application.ordering.queries import OrderDetails, OrderFilter
from application.shared.pages import PageRequest, Sort
from domain.identity.user import Role, User, UserId
from domain.ordering.order import Order, OrderId, OrderNotFound
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from tests.builders import NOON, a_product, a_user, actor_of, an_actor, an_order
from tests.unit.shop import Shop

NEWEST_FIRST = PageRequest(sort=Sort("placed_at", descending=True), limit=20, with_total=True)


@pytest.fixture
def history(shop: Shop) -> History:
    return History(shop.orders)


async def orders_of(shop: Shop, customer: User, count: int = 1) -> list[Order]:
    mug = a_product()
    orders = [an_order(mug, customer=customer) for _ in range(count)]
    await shop.keep(customer, mug, *orders)
    return orders


async def listed(history: History, actor: Actor, wanted: OrderFilter) -> set[object]:
    page = await history.list(actor, NEWEST_FIRST, wanted)
    assert page.total == len(page.items)
    return {order.id for order in page.items}


async def test_an_order_is_for_its_customer_and_for_staff(shop: Shop, history: History) -> None:
    ada = a_user()
    [order] = await orders_of(shop, ada)
    for actor in (actor_of(ada), an_actor(Role.STAFF), an_actor(Role.ADMIN)):
        assert await history.order(actor, OrderId(order.id)) == OrderDetails.of(shop.now(order))


async def test_somebody_elses_order_looks_like_none(shop: Shop, history: History) -> None:
    [order] = await orders_of(shop, a_user())
    for id in (OrderId(order.id), OrderId(an_order().id)):
        with pytest.raises(OrderNotFound, match="there is no such order"):
            await history.order(an_actor(), id)


async def test_customers_see_their_own_orders_and_staff_sees_all(
    shop: Shop, history: History
) -> None:
    ada, bob = a_user(), a_user()
    hers = {order.id for order in await orders_of(shop, ada, 2)}
    his = {order.id for order in await orders_of(shop, bob, 3)}
    everything = OrderFilter()
    assert await listed(history, actor_of(ada), everything) == hers
    assert await listed(history, actor_of(bob), everything) == his
    assert await listed(history, an_actor(), everything) == set()
    assert await listed(history, an_actor(Role.STAFF), everything) == hers | his


async def test_a_customer_who_asks_for_the_orders_of_another_sees_none(
    shop: Shop, history: History
) -> None:
    ada, bob = a_user(), a_user()
    hers = {order.id for order in await orders_of(shop, ada)}
    await orders_of(shop, bob)
    of_ada = OrderFilter(customer_id=UserId(ada.id))
    assert await listed(history, actor_of(bob), of_ada) == set()
    assert await listed(history, actor_of(ada), of_ada) == hers
    assert await listed(history, an_actor(Role.STAFF), of_ada) == hers


async def test_nobody_is_told_a_total_who_did_not_ask_for_one(history: History) -> None:
    request = PageRequest(sort=Sort("placed_at"), limit=20)
    of_somebody = OrderFilter(customer_id=UserId(a_user().id))
    assert (await history.list(an_actor(), request, of_somebody)).total is None
    assert (await history.list(an_actor(Role.STAFF), request, of_somebody)).total is None


async def test_orders_are_found_by_any_of_several_statuses(shop: Shop, history: History) -> None:
    ada = a_user()
    pending, confirmed = await orders_of(shop, ada, 2)
    async with shop.begin() as work:
        order = await work.orders.get(OrderId(confirmed.id))
        order.confirm(by=Author(UserId(ada.id)), at=NOON)
        await work.commit()
    for statuses, found in [
        ((OrderStatus.PENDING,), {pending.id}),
        ((OrderStatus.CONFIRMED, OrderStatus.SHIPPED), {confirmed.id}),
        ((OrderStatus.PENDING, OrderStatus.CONFIRMED), {pending.id, confirmed.id}),
        ((OrderStatus.CANCELLED,), set()),
    ]:
        assert await listed(history, actor_of(ada), OrderFilter(statuses=statuses)) == found
