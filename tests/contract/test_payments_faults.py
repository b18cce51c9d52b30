"""Wherever a payment, a refund or a cancellation breaks off, it is as if it had never begun."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final

import pytest
from sqlalchemy import event

from application.catalog.queries import ProductFilter
from application.ordering.charging import Charging
from application.ordering.expiry import Expiry
from application.ordering.fulfilment import Fulfilment
from application.ordering.paying import Paying
from application.ordering.ports import Approved, Declined
from application.ordering.refunding import Refunding
from application.shared.errors import Deadlock, StorageFailure, Unavailable
from application.shared.unit_of_work import Runner
from domain.identity.user import Role, User
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment, PaymentId, PaymentMethod, PaymentStatus
from domain.ordering.status import OrderStatus
from domain.shared.aggregate import Aggregate
from domain.shared.author import Author
from infrastructure.gateways import FakeGateway, Play
from tests.builders import (
    Hands,
    a_house,
    a_payment,
    a_product,
    a_transfer,
    a_user,
    actor_of,
    an_account,
    an_order,
    gbp,
)
from tests.contract.backends import Backend, SqlBackend
from tests.contract.ledger import accounted_for
from tests.contract.side_by_side import Shop
from tests.contract.steps import everything

CREDIT, EXTERNAL = PaymentMethod
LATER: Final = Hands().now + timedelta(days=3)

UseCase = Callable[[], Awaitable[object]]


async def prepared(backend: Backend) -> dict[str, UseCase]:
    """All that is done with the money of orders, in a shop in which it can go well."""
    clerk, ada, mug = a_user(role=Role.STAFF), a_user(), a_product(price=gbp("5"))
    house, purse = a_house(), an_account(ada)
    new, partly, mixed, asked = (an_order(mug, customer=ada, quantity=2) for _ in range(4))
    credit = a_transfer(house, purse, gbp("40"), actor=clerk)
    spent = [
        a_transfer(purse, house, gbp(amount), reference=order.number, actor=ada)
        for order, amount in ((partly, "4"), (mixed, "6"))
    ]
    payments = [
        a_payment(partly, gbp("4"), method=CREDIT, transfer=spent[0]),
        a_payment(mixed, gbp("6"), method=CREDIT, transfer=spent[1]),
        a_payment(mixed, gbp("4"), at=Hands().now + timedelta(seconds=1)),
        pending := Payment.of(asked, None, EXTERNAL, by=Author(ada.id), at=Hands().now),
    ]
    things: list[Aggregate] = [clerk, ada, mug, house, purse, credit, *spent]
    await backend.keep(*things, new, partly, mixed, asked, *payments)

    staff, owner, clock = actor_of(clerk), actor_of(ada), Hands(LATER)
    paying, refunding = Paying(backend.begin, clock), Refunding(backend.begin, clock)
    fulfilment = Fulfilment(backend.begin, clock)
    charging = Charging(backend.begin, FakeGateway(), Runner(), clock)
    expiry = Expiry(backend.begin, Runner(), clock)
    settle = partial(charging.settle, staff, PaymentId(pending.id))
    cancelled = OrderStatus.CANCELLED
    return {
        "credit": partial(paying.pay, owner, id_of(new), CREDIT),
        "the rest in credit": partial(paying.pay, owner, id_of(partly), CREDIT),
        "cash": partial(paying.pay, staff, id_of(new), EXTERNAL, gbp("1")),
        "a refund": partial(refunding.refund, staff, id_of(mixed), reason="damaged"),
        "a part of it": partial(refunding.refund, staff, id_of(partly), gbp("1"), reason="r"),
        "a cancellation": partial(fulfilment.move, staff, id_of(mixed), cancelled),
        "an approval": partial(settle, Approved("ch-1")),
        "a refusal": partial(settle, Declined("no")),
        "an expiry": partial(expiry.expire, staff, older_than=timedelta(days=1)),
    }


def id_of(order: Order) -> OrderId:
    return OrderId(order.id)


# Use cases that do it themselves where the storage asks for it.
TRIED_AGAIN: Final = ("an approval", "a refusal", "an expiry")

each_use_case = pytest.mark.parametrize(
    "name",
    [
        "credit",
        "the rest in credit",
        "cash",
        "a refund",
        "a part of it",
        "a cancellation",
        "an approval",
        "a refusal",
        "an expiry",
    ],
)


@contextmanager
def failing_at(sql: SqlBackend, last: int) -> Iterator[None]:
    """Let so many statements through, and none after them."""
    numbers = count(1)

    def refuse(*_: Any) -> None:
        if next(numbers) > last:
            raise Unavailable("the database went away")

    event.listen(sql.engine.sync_engine, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(sql.engine.sync_engine, "before_cursor_execute", refuse)


async def is_back_in_stock(sql: SqlBackend) -> bool:
    """Whether the one order that nobody began to pay is cancelled, in the list and in stock."""
    orders = await accounted_for(sql)
    [mug] = (await sql.products.page(everything("stock"), ProductFilter())).items
    open_orders = [one for one in orders.values() if one.status is not OrderStatus.CANCELLED]
    assert mug.stock == 10 - 2 * len(open_orders)
    return len(open_orders) == len(orders) - 1


@each_use_case
async def test_a_database_that_goes_away_at_any_statement_keeps_nothing(
    sql: SqlBackend, name: str
) -> None:
    use_case = (await prepared(sql))[name]
    before = await Shop(sql).contents()

    for statements in count():
        try:
            with failing_at(sql, statements):
                await use_case()
            break
        except Unavailable:
            # Orders expire one by one, each of them wholly or not at all.
            if name == "an expiry" and await is_back_in_stock(sql):
                break
            assert await Shop(sql).contents() == before
            assert not await sql.left_open()

    assert statements > 4
    assert await Shop(sql).contents() != before
    await accounted_for(sql)


@each_use_case
@pytest.mark.parametrize("failure", [Unavailable, Deadlock])
async def test_a_commit_that_fails_keeps_nothing(
    backend: Backend, name: str, failure: type[StorageFailure]
) -> None:
    use_case = (await prepared(backend))[name]
    before = await Shop(backend).contents()

    backend.fail_next_commit(failure())
    if failure is Deadlock and name in TRIED_AGAIN:
        await use_case()
        await accounted_for(backend)
        return
    with pytest.raises(failure):
        await use_case()

    assert await Shop(backend).contents() == before
    await accounted_for(backend)


@each_use_case
async def test_what_was_tried_again_was_done_once(backend: Backend, name: str) -> None:
    use_case = (await prepared(backend))[name]
    run = Runner()

    backend.fail_next_commit(Deadlock())
    await run(use_case)

    await accounted_for(backend)
    events = await backend.outbox()
    moved = {
        "credit": 1,
        "the rest in credit": 1,
        "a refund": 1,
        "a part of it": 1,
        "a cancellation": 1,
    }
    assert [one.type for one in events].count("transfer.made") == moved.get(name, 0)
    assert len(events) == len({(one.aggregate_id, one.sequence) for one in events})


@pytest.mark.parametrize("play", [Play.APPROVE, Play.DECLINE])
async def test_wherever_a_charge_breaks_off_what_was_collected_is_found_again(
    sql: SqlBackend, play: Play
) -> None:
    """Never does the provider collect anything of which the shop knows nothing."""
    clerk, ada, mug = a_user(role=Role.STAFF), a_user(), a_product(price=gbp("1"), stock=1000)
    await sql.keep(clerk, ada, mug)
    staff, clock, gateway = actor_of(clerk), Hands(), FakeGateway()
    charging = Charging(sql.begin, gateway, Runner(), clock)

    for statements in count():
        order = await placed(sql, mug, ada)
        gateway.script = [play]
        with failing_at(sql, statements):
            try:
                payment = await charging.charge(staff, id_of(order))
                complete = True
            except Unavailable:
                complete = False
        gateway.script = []
        clock.move(minutes=1)
        asked_again = await charging.ask_again(staff, older_than=timedelta(0))
        orders = await accounted_for(sql)
        assert sum(money.minor for money in gateway.collected.values()) == sum(
            one.paid.minor for one in orders.values()
        )
        assert asked_again in (0, 1)
        if complete:
            break

    approved = play is Play.APPROVE
    assert asked_again == 0
    assert payment.status is (PaymentStatus.SUCCEEDED if approved else PaymentStatus.FAILED)
    assert statements > 8


async def placed(backend: Backend, mug: Aggregate, ada: User) -> Order:
    async with backend.begin() as work:
        [product] = await work.products.lock_all([mug.id])  # type: ignore[list-item]
        order = an_order(product, customer=ada)
        work.orders.add(order)
        await work.commit()
    return order
