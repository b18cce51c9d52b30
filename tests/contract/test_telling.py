"""Customers are told of their orders; and where that cannot be, the orders stand all the same."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import event, text

from application.notifications.queries import NotificationDetails
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.ordering.queries import OrderFilter
from application.ordering.telling import Telling
from application.shared.errors import Deadlock, StorageFailure, Unavailable
from application.shared.unit_of_work import Joined, Runner
from domain.catalog.product import Product, ProductId
from domain.identity.user import Role, User, UserId
from domain.notifications.notification import MESSAGE_LENGTH, Notification
from domain.ordering.order import Order, OrderId
from domain.ordering.status import TRANSITIONS, OrderStatus
from domain.shared.author import Author
from infrastructure.memory.database import Reference
from tests.builders import (
    NOON,
    a_product,
    a_user,
    actor_of,
    an_actor,
    an_address,
    an_order,
    at_noon,
)
from tests.contract.backends import Backend, MemoryBackend, SqlBackend, SqliteBackend
from tests.contract.side_by_side import Shop
from tests.contract.steps import everything, movements_of, order_in

PENDING: Final = OrderStatus.PENDING
CONFIRMED: Final = OrderStatus.CONFIRMED
CANCELLED: Final = OrderStatus.CANCELLED
PATHS: Final = {PENDING: (), CONFIRMED: (CONFIRMED,), OrderStatus.SHIPPED: (CONFIRMED, "shipped")}
REASON: Final = "Ada has moved to Ulm"
INSERT: Final = "INSERT INTO notifications"

# Everything that a customer is told of: an order that is placed, and each way on from there.
STEPS: Final = [
    (None, PENDING),
    *((now, to) for now, following in TRANSITIONS.items() for to in following),
]
each_step = pytest.mark.parametrize(
    ("now", "to"), STEPS, ids=[f"{now or 'none'}-{to}" for now, to in STEPS]
)

REFUSED: Final[dict[str, tuple[str, str]]] = {
    "sqlite": (
        "CREATE TRIGGER refuse BEFORE INSERT ON notifications BEGIN SELECT RAISE(ABORT, 'no'); END",
        "DROP TRIGGER refuse",
    ),
    "postgresql": (
        "ALTER TABLE notifications ADD CONSTRAINT refuse CHECK (false)",
        "ALTER TABLE notifications DROP CONSTRAINT refuse",
    ),
}
GONE: Final = (
    "ALTER TABLE notifications RENAME TO elsewhere",
    "ALTER TABLE elsewhere RENAME TO notifications",
)
ROLLED_BACK: Final = (REFUSED["sqlite"][0].replace("ABORT", "ROLLBACK"), REFUSED["sqlite"][1])


@asynccontextmanager
async def altered(sql: SqlBackend, change: tuple[str, str]) -> AsyncIterator[None]:
    """The first statement done before the block, the second after it."""
    there, back = change
    async with sql.engine.begin() as connection:
        await connection.execute(text(there))
    try:
        yield
    finally:
        async with sql.engine.begin() as connection:
            await connection.execute(text(back))


@contextmanager
def raising(backend: Backend, error: Exception, *, at: str = INSERT) -> Any:
    """A storage that raises this in the middle of storing a notification."""

    def fail(notification: Notification) -> list[object]:
        raise error

    def fail_there(_: Any, __: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(at):
            raise error

    if isinstance(backend, MemoryBackend):
        reference = Reference(Notification, User, fail)
        backend.database.references.append(reference)
        yield
        backend.database.references.remove(reference)
    if isinstance(backend, SqlBackend):
        engine = backend.engine.sync_engine
        event.listen(engine, "before_cursor_execute", fail_there)
        yield
        event.remove(engine, "before_cursor_execute", fail_there)


@asynccontextmanager
async def refusing(backend: Backend) -> AsyncIterator[None]:
    """A storage that takes no notification, by a rule of its own."""
    if isinstance(backend, MemoryBackend):
        reference = Reference(Notification, Order, lambda notification: [notification.id])
        backend.database.references.append(reference)
        yield
        backend.database.references.remove(reference)
    if isinstance(backend, SqlBackend):
        async with altered(backend, REFUSED[backend.name]):
            yield


@dataclass(slots=True)
class Sale:
    """A shop with two customers, two products and perhaps an order, and one thing to do in it."""

    ada: User
    products: list[Product]
    order: Order | None
    telling: Telling
    do: Callable[[], Awaitable[Order]]


async def prepared(backend: Backend, now: OrderStatus | None, to: OrderStatus) -> Sale:
    ada, clerk = a_user(username="ada_lovelace"), a_user(role=Role.STAFF)
    products = [a_product(stock=10), a_product(stock=10)]
    telling = Telling()
    await backend.keep(ada, clerk, *products)
    if now is None:
        checkout = Checkout(backend.begin, at_noon, tell=telling)
        basket = [BasketLine(ProductId(product.id), 2) for product in products]
        order = None
        do = partial(checkout.place, actor_of(ada), basket, shipping_address=an_address())
    else:
        async with backend.begin() as work:
            taken = await work.products.lock_all([ProductId(product.id) for product in products])
            order = an_order(*taken, customer=ada, quantity=2)
            work.orders.add(order)
            await work.flush()
            for status in PATHS[now]:
                if status == CONFIRMED:
                    order.confirm(by=Author(clerk.id), at=NOON)
                else:
                    order.ship(by=Author(clerk.id), at=NOON)
                await work.flush()
            await work.commit()
        await backend.forget_events()
        fulfilment = Fulfilment(backend.begin, at_noon, tell=telling)
        do = partial(fulfilment.move, actor_of(clerk), OrderId(order.id), to, reason=REASON)
    return Sale(ada, products, order, telling, do)


async def inbox(backend: Backend, user: User) -> Sequence[NotificationDetails]:
    return (await backend.notifications.page(everything("created_at"), UserId(user.id))).items


async def stands(backend: Backend, sale: Sale, order: Order, to: OrderStatus) -> None:
    """The order is as it was to become, and so are the stock, the events and the movements."""
    found = await backend.orders.find(OrderId(order.id))
    assert found is not None
    assert (found.status, found.version) == (to, order.version)
    assert len(found.items) == 2
    left = 10 if to is CANCELLED else 8
    assert await backend.stock(*sale.products) == [left, left]
    name = "placed" if sale.order is None else to.value
    assert [entry.type for entry in await backend.outbox() if entry.aggregate_id == order.id] == [
        f"order.{name}"
    ]
    changes = [-2, 2, 10] if to is CANCELLED else [-2, 10]
    for product in sale.products:
        moved = await movements_of(backend, product)
        assert sorted(movement.change for movement in moved) == changes


@each_step
async def test_a_customer_is_told_what_happens_to_an_order(
    backend: Backend, now: OrderStatus | None, to: OrderStatus
) -> None:
    sale = await prepared(backend, now, to)
    order = await sale.do()
    await stands(backend, sale, order, to)
    [told] = await inbox(backend, sale.ada)
    assert (told.order_id, told.created_at, told.read_at) == (order.id, NOON, None)
    assert told.message.startswith(f"Order {order.number} was ")
    assert not sale.telling.failures


def is_told_of(caplog: pytest.LogCaptureFixture, sale: Sale, order: Order) -> None:
    """One line for whoever runs the shop: which order, and where it went wrong, but of nobody."""
    [record] = [record for record in caplog.records if record.name.startswith("application.")]
    assert record.levelno == logging.ERROR
    assert vars(record)["order_id"] == str(order.id)
    assert record.exc_info
    assert "telling.py" in caplog.text
    said = str(vars(record)) + caplog.text
    for private in (sale.ada.username, sale.ada.email, str(sale.ada.id), REASON, order.number):
        assert private not in said


@each_step
async def test_where_the_storage_takes_no_notification_the_order_stands(
    backend: Backend,
    now: OrderStatus | None,
    to: OrderStatus,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sale = await prepared(backend, now, to)
    async with refusing(backend):
        order = await sale.do()
    await stands(backend, sale, order, to)
    assert await inbox(backend, sale.ada) == []
    assert sale.telling.failures.total() == 1
    is_told_of(caplog, sale, order)


@each_step
async def test_where_something_breaks_on_the_way_the_order_stands(
    backend: Backend,
    now: OrderStatus | None,
    to: OrderStatus,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sale = await prepared(backend, now, to)
    with raising(backend, RuntimeError(f"cannot tell {sale.ada.email}")):
        order = await sale.do()
    await stands(backend, sale, order, to)
    assert await inbox(backend, sale.ada) == []
    assert sale.telling.failures == {"RuntimeError": 1}
    is_told_of(caplog, sale, order)


@each_step
async def test_where_there_is_no_place_for_notifications_the_order_stands(
    sql: SqlBackend,
    now: OrderStatus | None,
    to: OrderStatus,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sale = await prepared(sql, now, to)
    async with altered(sql, GONE):
        order = await sale.do()
    await stands(sql, sale, order, to)
    assert await inbox(sql, sale.ada) == []
    assert sale.telling.failures.total() == 1
    is_told_of(caplog, sale, order)


@pytest.mark.parametrize("statement", ["SAVEPOINT", "RELEASE"])
@each_step
async def test_where_the_savepoint_itself_breaks_the_order_stands(
    sql: SqlBackend, now: OrderStatus | None, to: OrderStatus, statement: str
) -> None:
    sale = await prepared(sql, now, to)
    with raising(sql, RuntimeError(), at=statement):
        order = await sale.do()
    await stands(sql, sale, order, to)
    assert sale.telling.failures == {"RuntimeError": 1}


@pytest.mark.parametrize("message", ["", "two\nlines", "\0", "x" * (MESSAGE_LENGTH + 1)])
async def test_what_cannot_be_said_is_not_told_and_the_order_stands(
    backend: Backend, message: str
) -> None:
    sale = await prepared(backend, PENDING, CONFIRMED)
    assert sale.order is not None
    async with backend.begin() as work:
        order = await order_in(work, sale.order, lock=True)
        order.confirm(by=Author(sale.ada.id), at=NOON)
        await sale.telling(work, order, message, at=NOON)
        await sale.telling(work, order, "All is well.", at=NOON)
        await work.commit()
    await stands(backend, sale, order, CONFIRMED)
    assert [told.message for told in await inbox(backend, sale.ada)] == ["All is well."]
    assert sale.telling.failures == {"InvalidValue": 1}


@each_step
async def test_where_the_storage_is_away_nothing_is_left_that_could_stand(
    backend: Backend, now: OrderStatus | None, to: OrderStatus, caplog: pytest.LogCaptureFixture
) -> None:
    sale = await prepared(backend, now, to)
    before = await Shop(backend).contents()
    with raising(backend, Unavailable()), pytest.raises(Unavailable):
        await sale.do()
    assert await Shop(backend).contents() == before
    assert not sale.telling.failures
    assert caplog.records == []


async def test_what_is_tried_again_is_told_once(backend: Backend) -> None:
    sale = await prepared(backend, None, PENDING)
    backend.fail_next_commit(Deadlock())
    run = Runner()
    order = await run(sale.do)
    assert run.retries == {"Deadlock": 1}
    assert [told.order_id for told in await inbox(backend, sale.ada)] == [order.id]


@pytest.mark.parametrize(("now", "to"), [(None, PENDING), (PENDING, CANCELLED)])
async def test_a_transaction_that_sqlite_has_given_up_is_not_taken_for_one_that_stands(
    sqlite: SqliteBackend, now: OrderStatus | None, to: OrderStatus
) -> None:
    sale = await prepared(sqlite, now, to)
    before = await Shop(sqlite).contents()
    async with altered(sqlite, ROLLED_BACK):
        with pytest.raises(StorageFailure):
            await sale.do()
    assert await Shop(sqlite).contents() == before
    assert not sale.telling.failures


async def test_an_order_that_cannot_be_stored_is_no_failure_to_tell_of_it(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    sale = await prepared(backend, PENDING, CONFIRMED)
    assert sale.order is not None
    number = sale.order.number
    checkout = Checkout(backend.begin, at_noon, lambda _: number, sale.telling)
    before = await Shop(backend).contents()
    with pytest.raises(StorageFailure):
        await checkout.place(actor_of(sale.ada), [BasketLine(ProductId(sale.products[0].id), 1)])
    assert await Shop(backend).contents() == before
    assert not sale.telling.failures
    assert caplog.records == []


async def test_a_refused_use_case_tells_nobody(backend: Backend) -> None:
    sale = await prepared(backend, PENDING, CONFIRMED)
    assert sale.order is not None
    checkout = Checkout(backend.begin, at_noon)
    fulfilment = Fulfilment(backend.begin, at_noon)
    too_many = [BasketLine(ProductId(sale.products[0].id), 11)]
    refused = 0
    for use_case in (
        partial(checkout.place, actor_of(sale.ada), too_many),
        partial(fulfilment.move, actor_of(sale.ada), OrderId(sale.order.id), CONFIRMED),
        partial(fulfilment.move, an_actor(), OrderId(sale.order.id), CANCELLED),
    ):
        try:
            await use_case()
        except Exception:
            refused += 1
    assert refused == 3
    assert await inbox(backend, sale.ada) == []


async def test_what_is_done_in_joining_and_undone_with_the_outer_one_tells_nobody(
    backend: Backend,
) -> None:
    sale = await prepared(backend, PENDING, CONFIRMED)
    assert sale.order is not None
    async with backend.begin() as outer:
        fulfilment = Fulfilment(lambda: Joined(outer), at_noon)
        await fulfilment.move(an_actor(Role.STAFF), OrderId(sale.order.id), CONFIRMED)
    assert await inbox(backend, sale.ada) == []
    page = await backend.orders.page(everything("placed_at"), OrderFilter())
    assert [order.status for order in page.items] == [PENDING]


async def test_a_notification_that_fails_fails_alone_in_a_unit_of_work_that_was_joined(
    backend: Backend,
) -> None:
    sale = await prepared(backend, None, PENDING)
    async with refusing(backend), backend.begin() as outer:
        checkout = Checkout(lambda: Joined(outer), at_noon, tell=sale.telling)
        basket = [BasketLine(ProductId(product.id), 2) for product in sale.products]
        order = await checkout.place(actor_of(sale.ada), basket)
        await outer.commit()
    await stands(backend, sale, order, PENDING)
    assert await inbox(backend, sale.ada) == []
    assert sale.telling.failures.total() == 1
