from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import CheckConstraint, text
from sqlalchemy.exc import IntegrityError

from application.ordering.ports import OrderingWork
from application.shared.errors import StaleWrite
from domain.accounts.account import Account
from domain.accounts.transfer import Transfer
from domain.catalog.product import Product
from domain.identity.user import User
from domain.ordering.order import LARGEST_TOTAL, Order, OrderId
from domain.ordering.payment import (
    FAILURE_LENGTH,
    REFERENCE_LENGTH,
    Payment,
    PaymentId,
    PaymentMethod,
    PaymentNotFound,
    PaymentStatus,
)
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from domain.shared.money import CURRENCIES, Money
from infrastructure.memory.copying import state_of
from infrastructure.sql.mapping import TABLES
from tests.builders import (
    NOON,
    a_house,
    a_payment,
    a_product,
    a_refund,
    a_transfer,
    a_user,
    an_account,
    an_order,
    gbp,
)
from tests.contract.backends import Backend, SqlBackend
from tests.contract.steps import failing, order_in

CREDIT, EXTERNAL = PaymentMethod


@dataclass(slots=True)
class Sales:
    """A customer with credit, and what they buy."""

    backend: Backend
    ada: User = field(default_factory=a_user)
    mug: Product = field(default_factory=lambda: a_product(price=gbp("10"), stock=500))
    house: Account = field(default_factory=a_house)
    purse: Account = field(init=False)

    def __post_init__(self) -> None:
        self.purse = an_account(self.ada)

    async def open(self) -> None:
        credit = a_transfer(self.house, self.purse, gbp("100"), actor=self.ada)
        await self.backend.keep(self.ada, self.mug, self.house, self.purse, credit)

    async def order(self, at: datetime = NOON) -> Order:
        """An order of ten pounds, which takes nothing from what is stored of the product."""
        order = an_order(self.mug, customer=self.ada, at=at)
        self.mug.release_movements()
        await self.backend.keep(order)
        return order

    async def spent(self, order: Order, amount: str) -> Transfer:
        """A transfer that no account remembers, but refers to both."""
        transfer = a_transfer(
            a_house(), a_house(), gbp(amount), reference=order.number, actor=self.ada
        )
        for entry, account in zip(transfer.entries, (self.purse, self.house), strict=True):
            entry.account_id = account.id  # type: ignore[assignment]
            entry.id = uuid4()
        await self.backend.keep(transfer)
        return transfer


async def sales_in(backend: Backend) -> Sales:
    sales = Sales(backend)
    await sales.open()
    return sales


async def changed(backend: Backend, order: Order, *things: Payment) -> None:
    """Keep new payments of an order that is stored already, and what they did to it."""
    async with backend.begin() as work:
        stored = await order_in(work, order, lock=True)
        for name in ("status", "paid", "refunded", "covered", "updated_at", "sequence"):
            setattr(stored, name, getattr(order, name))
        for thing in things:
            work.payments.add(thing)
        await work.commit()
    order.version = stored.version


async def payment_in(work: OrderingWork, payment: Payment, *, lock: bool = False) -> Payment:
    return await work.payments.get(PaymentId(payment.id), lock=lock)


def asked(order: Order, amount: str | None = None, *, at: datetime = NOON) -> Payment:
    sum = gbp(amount) if amount else None
    return Payment.of(order, sum, EXTERNAL, by=Author(order.customer_id), at=at)


async def test_a_payment_comes_back_as_it_was(backend: Backend) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    payment = Payment.of(
        order,
        gbp("4"),
        CREDIT,
        reference="☕" * REFERENCE_LENGTH,
        by=Author(sales.ada.id),
        at=NOON + timedelta(microseconds=1),
    )
    transfer = await sales.spent(order, "4")
    payment.receive(
        order,
        transfer_id=transfer.id,  # type: ignore[arg-type]
        by=Author(sales.ada.id),
        at=NOON + timedelta(microseconds=2),
    )
    payment.give_back(gbp("1"), at=NOON + timedelta(microseconds=3))
    payment.due_back = gbp("0.50")
    await changed(backend, order, payment)

    async with backend.begin() as work:
        assert state_of(await payment_in(work, payment)) == state_of(payment)
        assert state_of(await payment_in(work, payment, lock=True)) == state_of(payment)
        [listed] = await work.payments.of_order(OrderId(order.id))
        assert listed is await payment_in(work, payment)


async def test_a_payment_of_which_little_is_known_comes_back_as_it_was(backend: Backend) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    payment = Payment.of(order, None, EXTERNAL, by=Author(UUID(int=0)), at=NOON)
    await changed(backend, order, payment)
    async with backend.begin() as work:
        found = await payment_in(work, payment)
    assert state_of(found) == state_of(payment)
    assert (found.actor_id, found.reference, found.failure, found.transfer_id) == (None,) * 4


@pytest.mark.parametrize("code", ["JPY", "KWD", "CLF"])
async def test_the_largest_payment_comes_back_as_it_was(backend: Backend, code: str) -> None:
    currency = CURRENCIES[code]
    ada, dear = a_user(), a_product(price=Money(LARGEST_TOTAL // 1000, currency), stock=1000)
    order = an_order(dear, customer=ada, quantity=1000)
    payment = a_payment(order)
    refund = a_refund(order, payment)
    await backend.keep(ada, dear, order, payment, refund)
    async with backend.begin() as work:
        assert state_of(await payment_in(work, payment)) == state_of(payment)
        assert state_of(await order_in(work, order)) == state_of(order)
    [kept] = await backend.refunds()
    assert state_of(kept) == state_of(refund)
    assert kept.amount == order.total == Money(LARGEST_TOTAL - 999, currency)


async def test_a_failed_payment_says_why(backend: Backend) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    payment = asked(order)
    await changed(backend, order, payment)
    async with backend.begin() as work:
        held, found = await order_in(work, order, lock=True), await payment_in(work, payment)
        found.fail(held, "Nø ☕" * FAILURE_LENGTH, by=Author(sales.ada.id), at=NOON)
        await work.commit()
    async with backend.begin() as work:
        again = await payment_in(work, payment)
    assert again.failure == ("Nø ☕" * FAILURE_LENGTH)[:FAILURE_LENGTH]
    assert (again.status, again.version) == (PaymentStatus.FAILED, 2)
    assert state_of(again) == state_of(found)


@pytest.mark.parametrize("told", ["x" * 201, "a\x00b", "a\ud800b", "", " "])
async def test_whatever_the_provider_says_of_a_payment_is_kept(backend: Backend, told: str) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    received, failed = asked(order, "4"), asked(order, "6")
    received.receive(order, reference=told, by=Author(sales.ada.id), at=NOON)
    failed.fail(order, told, by=Author(sales.ada.id), at=NOON)
    await changed(backend, order, received, failed)
    async with backend.begin() as work:
        for payment in (received, failed):
            assert state_of(await payment_in(work, payment)) == state_of(payment)


async def test_a_refund_comes_back_as_it_was(backend: Backend) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    spent, back = await sales.spent(order, "4"), await sales.spent(order, "3")
    credit = a_payment(order, gbp("4"), method=CREDIT, transfer=spent)
    cash = a_payment(order, gbp("5"), at=NOON + timedelta(seconds=1))
    await changed(backend, order, credit, cash)
    refund = a_refund(order, credit, cash, amount=gbp("8"))
    refund.reason = "line\nby line ☕"
    refund.parts[1].transfer_id = back.id  # type: ignore[assignment]
    await backend.keep(refund)

    [kept] = await backend.refunds()
    assert state_of(kept) == state_of(refund)
    assert [(part.position, part.payment_id, part.amount) for part in kept.parts] == [
        (1, cash.id, gbp("5")),
        (2, credit.id, gbp("3")),
    ]


async def test_who_looks_for_no_payment_is_told_so(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(PaymentNotFound, match="the order has no such payment"):
                await work.payments.get(PaymentId(uuid4()), lock=lock)
        assert [*await work.payments.of_order(OrderId(uuid4()))] == []


async def test_payments_of_an_order_come_in_the_order_in_which_they_were_made(
    backend: Backend,
) -> None:
    sales = await sales_in(backend)
    order, other = await sales.order(), await sales.order()
    moments = [NOON + timedelta(seconds=offset) for offset in (5, 1, 3, 3, -1)]
    payments = [a_payment(order, gbp("1"), at=moment) for moment in moments]
    await changed(backend, order, *payments)
    await changed(backend, other, a_payment(other))

    async with backend.begin() as work:
        found = await work.payments.of_order(OrderId(order.id))
    in_order = sorted(payments, key=lambda one: (one.created_at, one.id))
    assert [one.id for one in found] == [one.id for one in in_order]


async def test_a_unit_of_work_sees_the_payment_it_has_just_added(backend: Backend) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    async with backend.begin() as work:
        held = await order_in(work, order, lock=True)
        work.payments.add(payment := a_payment(held, gbp("1")))
        assert [*await work.payments.of_order(OrderId(order.id))] == [payment]
        assert await payment_in(work, payment, lock=True) is payment
    async with backend.begin() as work:
        assert [*await work.payments.of_order(OrderId(order.id))] == []


async def test_a_failed_savepoint_takes_the_payment_and_what_it_did_with_it(
    backend: Backend,
) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    first = a_payment(order, gbp("2"))
    await changed(backend, order, first)
    async with backend.begin() as work:
        held = await order_in(work, order, lock=True)
        before = await payment_in(work, first)
        states = state_of(held), state_of(before)
        async with failing(work.savepoint()):
            work.payments.add(a_payment(held, gbp("8")))
            before.give_back(gbp("1"), at=NOON)
            work.refunds.add(a_refund(held, before, amount=gbp("0.50")))
            await work.flush()
        assert (state_of(held), state_of(before)) == states
        assert [one.id for one in await work.payments.of_order(OrderId(order.id))] == [first.id]
        await work.commit()
    assert await backend.refunds() == []
    assert await backend.outbox() == []


async def test_of_two_who_change_one_payment_unlocked_one_is_told(overlapping: Backend) -> None:
    sales = await sales_in(overlapping)
    order = await sales.order()
    payment = a_payment(order)
    await changed(overlapping, order, payment)
    async with overlapping.begin() as one, overlapping.begin() as other:
        mine, theirs = await payment_in(one, payment), await payment_in(other, payment)
        mine.give_back(gbp("6"), at=NOON)
        theirs.give_back(gbp("6"), at=NOON)
        await one.commit()
        with pytest.raises(StaleWrite):
            await other.commit()


async def test_whoever_locks_a_payment_sees_it_as_it_is_now(overlapping: Backend) -> None:
    sales = await sales_in(overlapping)
    order = await sales.order()
    payment = a_payment(order)
    await changed(overlapping, order, payment)
    async with overlapping.begin() as work:
        seen = await payment_in(work, payment)
        async with overlapping.begin() as other:
            (await payment_in(other, payment, lock=True)).give_back(gbp("6"), at=NOON)
            await other.commit()
        assert seen.refunded == gbp("0")
        assert await payment_in(work, payment, lock=True) is seen
        assert seen.refunded == gbp("6")


async def test_unpaid_orders_are_those_that_nobody_has_begun_to_pay(backend: Backend) -> None:
    sales = await sales_in(backend)
    orders = [await sales.order(NOON + timedelta(seconds=number)) for number in range(9)]
    new, part, under_way, whole, moved, cancelled, back, failed, young = orders
    await changed(backend, part, a_payment(part, gbp("0.01")))
    await changed(backend, under_way, asked(under_way, "0.01"))
    await changed(backend, whole, a_payment(whole))
    moved.confirm(by=Author(sales.ada.id), at=NOON)
    await changed(backend, moved)
    cancelled.status = OrderStatus.CANCELLED
    await changed(backend, cancelled)
    given = a_payment(back, gbp("4"))
    a_refund(back, given)
    await changed(backend, back, given)
    refused = asked(failed, "4")
    refused.fail(failed, "no", by=Author(sales.ada.id), at=NOON)
    await changed(backend, failed, refused)
    free = a_product(price=gbp("0"))
    await backend.keep(free, an_order(free, customer=sales.ada))

    async with backend.begin() as work:
        found = await work.orders.unpaid(placed_before=young.placed_at, after=None, most=9)
        assert [*found] == [new.id, back.id, failed.id]
        for order in orders:
            stored = await order_in(work, order)
            assert stored.is_unpaid is (order in (new, back, failed, young))


async def test_unpaid_orders_are_walked_through_by_id(backend: Backend) -> None:
    sales = await sales_in(backend)
    orders = [await sales.order(NOON + timedelta(seconds=number // 3)) for number in range(9)]
    ids = sorted(order.id for order in orders)
    async with backend.begin() as work:

        async def unpaid(after: UUID | None, most: int) -> list[UUID]:
            last = None if after is None else OrderId(after)
            before = NOON + timedelta(days=1)
            return [*await work.orders.unpaid(placed_before=before, after=last, most=most)]

        assert await unpaid(None, 4) == ids[:4]
        assert await unpaid(ids[3], 4) == ids[4:8]
        assert await unpaid(ids[7], 4) == ids[8:]
        assert await unpaid(ids[8], 4) == []


async def test_pending_payments_are_walked_through_by_id(backend: Backend) -> None:
    sales = await sales_in(backend)
    pending = []
    for number in range(7):
        order = await sales.order()
        payment = asked(order, "4", at=NOON + timedelta(seconds=number // 2))
        decided = a_payment(order, gbp("1"))
        failed = asked(order, "1")
        failed.fail(order, "no", by=Author(sales.ada.id), at=NOON)
        await changed(backend, order, payment, decided, failed)
        pending.append(payment)
    ids = sorted(payment.id for payment in pending)
    async with backend.begin() as work:

        async def walk(after: UUID | None, most: int, seconds: int = 9) -> list[UUID]:
            last = None if after is None else PaymentId(after)
            before = NOON + timedelta(seconds=seconds)
            return [*await work.payments.pending(asked_before=before, after=last, most=most)]

        assert await walk(None, 3) == ids[:3]
        assert await walk(ids[2], 3) == ids[3:6]
        assert await walk(ids[5], 3) == ids[6:]
        assert await walk(ids[6], 3) == []
        # Exactly as old is not old enough.
        assert {*await walk(None, 9, seconds=0)} == set()
        assert {*await walk(None, 9, seconds=1)} == {one.id for one in pending[:2]}


# What the database itself refuses, whoever writes it: by constraint, and a row that would be so.
IMPOSSIBLE: list[tuple[str, str]] = [
    ("ck_orders_refunded_was_paid", "UPDATE orders SET refunded_minor = paid_minor + 1"),
    ("ck_orders_refunded_was_paid", "UPDATE orders SET refunded_minor = -1"),
    ("ck_orders_paid_in_range", "UPDATE orders SET paid_minor = total_minor + refunded_minor + 1"),
    ("ck_orders_covered_in_range", "UPDATE orders SET covered_minor = total_minor + 1"),
    ("ck_orders_covered_in_range", "UPDATE orders SET covered_minor = -1"),
    ("ck_payments_amount_in_range", "UPDATE payments SET amount_minor = 1000000000000000"),
    ("ck_payments_refunded_in_range", "UPDATE payments SET refunded_minor = -1"),
    (
        "ck_payments_due_back_in_range",
        "UPDATE payments SET due_back_minor = amount_minor - refunded_minor + 1",
    ),
    ("ck_payments_due_back_in_range", "UPDATE payments SET due_back_minor = -1"),
    ("ck_payments_method_known", "UPDATE payments SET method = 'iou'"),
    ("ck_payments_status_known", "UPDATE payments SET status = 'maybe'"),
    ("ck_payments_credit_was_transferred", "UPDATE payments SET method = 'store_credit'"),
    ("ck_refunds_amount_positive", "UPDATE refunds SET amount_minor = 0"),
    ("ck_refund_parts_amount_positive", "UPDATE refund_parts SET amount_minor = 0"),
    ("ck_refund_parts_credit_was_transferred", "UPDATE refund_parts SET method = 'store_credit'"),
]


async def written(sql: SqlBackend, statement: str) -> None:
    async with sql.engine.begin() as connection:
        await connection.execute(text(statement))


@pytest.mark.parametrize(("constraint", "statement"), IMPOSSIBLE)
async def test_the_database_keeps_no_sum_that_cannot_be(
    sql: SqlBackend, constraint: str, statement: str
) -> None:
    sales = await sales_in(sql)
    order = await sales.order()
    payment = a_payment(order, gbp("4"))
    await changed(sql, order, payment)
    refund = a_refund(order, payment, amount=gbp("1"))
    await sql.keep(refund)
    with pytest.raises(IntegrityError, match=constraint):
        await written(sql, statement)


def test_every_check_of_money_is_tried() -> None:
    names = {
        str(check.name)
        for table in TABLES
        if table.name in ("payments", "refunds", "refund_parts")
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert names <= {constraint for constraint, _ in IMPOSSIBLE}


async def test_a_refund_has_each_place_once(backend: Backend) -> None:
    sales = await sales_in(backend)
    order = await sales.order()
    payments = [a_payment(order, gbp("1"), at=NOON + timedelta(seconds=n)) for n in range(3)]
    await changed(backend, order, *payments)
    refund = a_refund(order, *payments)
    await backend.keep(refund)
    [kept] = await backend.refunds()
    assert [part.position for part in kept.parts] == [1, 2, 3]
    assert [part.payment_id for part in kept.parts] == [one.id for one in payments[::-1]]
