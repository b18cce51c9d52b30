from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.product import ProductId
from domain.catalog.stock import REASON_LENGTH
from domain.ordering.events import RefundMade
from domain.ordering.order import Order
from domain.ordering.payment import Payment, PaymentMethod
from domain.ordering.refund import Refund, RefundTooLarge
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from domain.shared.errors import DomainError, InvalidValue
from domain.shared.money import CurrencyMismatch, Money
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_payment, a_product, an_order, gbp, usd

LATER: Final = NOON + timedelta(hours=1)
ME: Final = Author(UUID(int=7), "req-1")
CREDIT, EXTERNAL = PaymentMethod


def paid(*amounts: int, total: int = 1000) -> tuple[Order, list[Payment]]:
    """An order, and payments of so many pence for it, one a second."""
    order = an_order(a_product(price=Money(total, gbp("0").currency)))
    payments = [
        a_payment(order, Money(amount, order.currency), at=NOON + timedelta(seconds=number))
        for number, amount in enumerate(amounts)
    ]
    order.release_events()
    return order, payments


def refund(order: Order, payments: Sequence[Payment], amount: str | None = None) -> Refund:
    sum = gbp(amount) if amount else None
    return Refund.of(order, payments, sum, "damaged", by=ME, at=LATER)


def states(order: Order, payments: Sequence[Payment]) -> list[object]:
    return [state_of(order), *map(state_of, payments)]


def parts(refund: Refund) -> list[tuple[UUID, str]]:
    return [(part.payment_id, part.amount.amount) for part in refund.parts]


def test_what_was_paid_last_goes_back_first() -> None:
    order, [first, second, third] = paid(200, 300, 400)
    made = refund(order, [second, third, first], "6")
    assert parts(made) == [(third.id, "4.00"), (second.id, "2.00")]
    assert [part.position for part in made.parts] == [1, 2]
    assert [one.refunded.amount for one in (first, second, third)] == ["0.00", "2.00", "4.00"]
    assert order.refunded == made.amount == gbp("6")


def test_a_later_refund_goes_on_where_the_last_one_ended() -> None:
    order, payments = paid(200, 300, 400)
    refund(order, payments, "6")
    assert parts(refund(order, payments)) == [(payments[1].id, "1.00"), (payments[0].id, "2.00")]
    assert order.refunded == order.paid == gbp("9")


def test_all_that_there_is_goes_back_where_nobody_says_how_much() -> None:
    order, payments = paid(1000)
    made = refund(order, payments)
    assert (made.amount, made.reason, made.order_id) == (gbp("10"), "damaged", order.id)
    assert (made.actor_id, made.created_at) == (ME.actor_id, LATER)
    assert order.updated_at == payments[0].updated_at == LATER
    assert [recorded.event for recorded in order.release_events()] == [
        RefundMade(
            refund_id=made.id,
            amount=gbp("10"),
            reason="damaged",
            order_id=order.id,
            actor_id=ME.actor_id,
            request_id="req-1",
            at=LATER,
        )
    ]


def test_a_part_remembers_which_way_its_money_goes() -> None:
    order = an_order(a_product(price=gbp("10")))
    cash = a_payment(order, gbp("4"))
    credit = a_payment(order, gbp("6"), method=CREDIT, at=LATER)
    made = refund(order, [cash, credit])
    assert [(part.method, part.transfer_id) for part in made.parts] == [
        (CREDIT, None),
        (EXTERNAL, None),
    ]


@pytest.mark.parametrize("amount", ["5.01", "10", "9999999999999.99"])
def test_no_more_goes_back_than_came_in(amount: str) -> None:
    order, payments = paid(200, 300)
    before = states(order, payments)
    with pytest.raises(RefundTooLarge) as refused:
        refund(order, payments, amount)
    assert refused.value.details == {"refundable": gbp("5")}
    assert states(order, payments) == before
    assert order.release_events() == []


@pytest.mark.parametrize("amount", [None, "0.01"])
def test_what_went_back_does_not_go_back_again(amount: str | None) -> None:
    order, payments = paid(1000)
    refund(order, payments)
    before = states(order, payments)
    with pytest.raises(RefundTooLarge) as refused:
        refund(order, payments, amount)
    assert refused.value.details == {"refundable": gbp("0")}
    assert states(order, payments) == before


@pytest.mark.parametrize("decided", [False, True])
def test_what_never_came_in_does_not_go_back(decided: bool) -> None:
    order, _ = paid()
    payment = Payment.of(order, None, EXTERNAL, by=ME, at=NOON)
    if decided:
        payment.fail(order, "no", by=ME, at=NOON)
    for amount in (None, "1"):
        with pytest.raises(RefundTooLarge):
            refund(order, [payment], amount)


def test_of_an_order_that_nobody_paid_nothing_goes_back() -> None:
    order, _ = paid()
    with pytest.raises(RefundTooLarge):
        refund(order, [])


@pytest.mark.parametrize(
    ("amount", "error", "field"),
    [
        (gbp("0"), InvalidValue, "amount"),
        (gbp("-1"), InvalidValue, "amount"),
        (usd("1"), CurrencyMismatch, "amount.currency"),
    ],
)
def test_an_amount_that_cannot_be_gives_nothing_back(
    amount: Money, error: type[DomainError], field: str
) -> None:
    order, payments = paid(1000)
    before = states(order, payments)
    with pytest.raises(error) as refused:
        Refund.of(order, payments, amount, "damaged", by=ME, at=LATER)
    assert refused.value.details["field"] == field
    assert states(order, payments) == before


@pytest.mark.parametrize("reason", ["\x07", "a" * (REASON_LENGTH + 1)])
def test_a_reason_that_does_not_fit_gives_nothing_back(reason: str) -> None:
    order, payments = paid(1000)
    before = states(order, payments)
    with pytest.raises(InvalidValue) as refused:
        Refund.of(order, payments, None, reason, by=ME, at=LATER)
    assert refused.value.details["field"] == "reason"
    assert states(order, payments) == before


def test_what_goes_back_of_a_pending_order_is_due_again() -> None:
    order, payments = paid(400)
    refund(order, payments, "3")
    assert (order.status, order.due) == (OrderStatus.PENDING, gbp("9"))
    assert not order.is_unpaid
    refund(order, payments)
    assert order.is_unpaid
    a_payment(order)
    assert (order.status, order.is_settled) == (OrderStatus.CONFIRMED, True)
    assert (order.paid, order.refunded) == (gbp("14"), gbp("4"))


def test_an_order_is_paid_in_full_only_if_nothing_of_it_went_back() -> None:
    order, payments = paid(400, 500)
    refund(order, payments, "2")
    statuses = []
    for amount in ("1", "2"):
        a_payment(order, gbp(amount))
        statuses.append(order.status)
    assert statuses == [OrderStatus.PENDING, OrderStatus.CONFIRMED]


@pytest.mark.parametrize("shipped", [False, True])
def test_what_goes_back_of_an_order_under_way_is_not_due_again(shipped: bool) -> None:
    order, payments = paid(1000)
    if shipped:
        order.ship(by=ME, at=NOON)
    status = order.status
    refund(order, payments, "3")
    refund(order, payments)
    assert (order.status, order.due, order.is_unpaid) == (status, gbp("0"), False)


def test_what_goes_back_of_a_cancelled_order_is_not_due_back_any_more() -> None:
    order, [cash, card] = paid(400, 600)
    [line] = order.lines
    order.cancel({ProductId(line.product_id): a_product()}, by=ME, at=NOON)
    for payment in (cash, card):
        payment.owe(order, by=ME, at=NOON)
    refund(order, [cash, card], "7")
    assert (cash.due_back, card.due_back) == (gbp("3"), gbp("0"))
    refund(order, [cash])
    assert (cash.due_back, card.due_back) == (gbp("0"), gbp("0"))
    assert order.due == gbp("0")


@given(
    amounts=st.lists(st.integers(1, 300), min_size=1, max_size=6),
    wanted=st.lists(st.integers(1, 700), max_size=5),
)
def test_however_it_goes_back_no_payment_gives_more_than_it_brought(
    amounts: list[int], wanted: list[int]
) -> None:
    order, payments = paid(*amounts, total=sum(amounts) + 1)
    left = sum(amounts)
    for minor in wanted:
        try:
            made = Refund.of(order, payments, Money(minor, order.currency), "r", by=ME, at=LATER)
        except RefundTooLarge:
            assert minor > left
            continue
        left -= minor
        assert sum(part.amount.minor for part in made.parts) == minor
        assert all(part.amount.minor > 0 for part in made.parts)
        # Whatever is not the last one gave all that it had.
        emptied = {part.payment_id for part in made.parts[:-1]}
        assert all(one.refundable.minor == 0 for one in payments if one.id in emptied)
    assert sum(payment.refundable.minor for payment in payments) == left
    assert all(0 <= one.refunded.minor <= one.amount.minor for one in payments)
    assert order.refunded.minor == sum(one.refunded.minor for one in payments)
    assert order.covered == order.paid - order.refunded
