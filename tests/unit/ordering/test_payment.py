from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from domain.accounts.transfer import TransferId
from domain.catalog.product import ProductId
from domain.ordering.events import (
    OrderConfirmed,
    PaymentAsked,
    PaymentDueBack,
    PaymentFailed,
    PaymentReceived,
)
from domain.ordering.order import Order, OrderIsCancelled, Overpayment
from domain.ordering.payment import (
    FAILURE_LENGTH,
    REFERENCE_LENGTH,
    Payment,
    PaymentDecided,
    PaymentMethod,
    PaymentStatus,
)
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from domain.shared.errors import DomainError, InvalidValue
from domain.shared.events import Event
from domain.shared.money import CurrencyMismatch, Money
from domain.shared.text import has_control_characters
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_payment, a_product, an_order, gbp, usd

LATER: Final = NOON + timedelta(hours=1)
ME: Final = Author(UUID(int=7), "req-1")
CREDIT, EXTERNAL = PaymentMethod


def of_ten() -> Order:
    """Ten pounds, of which nobody has heard yet."""
    order = an_order(a_product(price=gbp("5")), quantity=2)
    order.release_events()
    return order


def asked(order: Order, amount: str | None = None) -> Payment:
    sum = gbp(amount) if amount else None
    return Payment.of(order, sum, EXTERNAL, by=ME, at=NOON)


def cancelled(order: Order) -> Order:
    products = {ProductId(line.product_id): a_product() for line in order.lines}
    order.cancel(products, by=ME, at=NOON)
    return order


def told(order: Order) -> Sequence[Event]:
    return [recorded.event for recorded in order.release_events()]


def sums(order: Order) -> tuple[str, str, str, str]:
    return order.paid.amount, order.refunded.amount, order.covered.amount, order.due.amount


def test_a_payment_is_of_all_that_is_due_where_nobody_says_how_much() -> None:
    order = of_ten()
    a_payment(order, gbp("2.50"))
    payment = Payment.of(order, None, CREDIT, reference="till 3", by=ME, at=LATER)
    assert state_of(payment) == {
        "id": payment.id,
        "version": 0,
        "sequence": 0,
        "order_id": order.id,
        "method": CREDIT,
        "status": PaymentStatus.PENDING,
        "amount": gbp("7.50"),
        "refunded": gbp("0"),
        "due_back": gbp("0"),
        "reference": "till 3",
        "failure": None,
        "transfer_id": None,
        "actor_id": ME.actor_id,
        "created_at": LATER,
        "updated_at": LATER,
    }
    assert order.updated_at == LATER


def test_what_is_under_way_is_not_due_and_not_paid() -> None:
    order = of_ten()
    payment = asked(order, "4")
    assert sums(order) == ("0.00", "0.00", "4.00", "6.00")
    assert payment.refundable == gbp("0")
    assert order.status is OrderStatus.PENDING
    assert not order.is_unpaid


def test_an_order_is_paid_in_parts_and_confirmed_with_the_last_of_them() -> None:
    order = of_ten()
    for amount, due in (("1", "9.00"), ("8.99", "0.01")):
        a_payment(order, gbp(amount))
        assert (order.status, order.due.amount) == (OrderStatus.PENDING, due)
    a_payment(order, gbp("0.01"))
    assert order.status is OrderStatus.CONFIRMED
    assert sums(order) == ("10.00", "0.00", "10.00", "0.00")


def test_what_is_under_way_confirms_nothing_until_it_is_here() -> None:
    order = of_ten()
    awaited = asked(order, "4")
    a_payment(order, gbp("6"))
    assert (order.status, order.due) == (OrderStatus.PENDING, gbp("0"))
    awaited.receive(order, by=ME, at=LATER)
    assert (order.status, order.due) == (OrderStatus.CONFIRMED, gbp("0"))


@pytest.mark.parametrize("under_way", ["0", "3"])
@pytest.mark.parametrize("received", ["0", "4"])
def test_payments_never_come_to_more_than_the_total(under_way: str, received: str) -> None:
    order = of_ten()
    if under_way != "0":
        asked(order, under_way)
    if received != "0":
        a_payment(order, gbp(received))
    due = gbp("10") - gbp(under_way) - gbp(received)
    before = state_of(order)
    for amount in (due + gbp("0.01"), due + due, gbp("9999999999999.99")):
        with pytest.raises(Overpayment) as refused:
            Payment.of(order, amount, EXTERNAL, by=ME, at=LATER)
        assert refused.value.details == {"due": due}
    assert state_of(order) == before
    Payment.of(order, due, EXTERNAL, by=ME, at=LATER)
    assert order.due == gbp("0")


@pytest.mark.parametrize("amount", [None, gbp("0.01")])
def test_what_is_paid_is_not_paid_again(amount: Money | None) -> None:
    order = of_ten()
    a_payment(order)
    with pytest.raises(Overpayment):
        Payment.of(order, amount, EXTERNAL, by=ME, at=LATER)
    assert sums(order) == ("10.00", "0.00", "10.00", "0.00")


@pytest.mark.parametrize(
    ("amount", "error", "field"),
    [
        (gbp("0"), InvalidValue, "amount"),
        (gbp("-0.01"), InvalidValue, "amount"),
        (gbp("-10"), InvalidValue, "amount"),
        (usd("1"), CurrencyMismatch, "amount.currency"),
        (usd("0"), CurrencyMismatch, "amount.currency"),
        (usd("9999"), CurrencyMismatch, "amount.currency"),
    ],
)
def test_an_amount_that_cannot_be_covers_nothing(
    amount: Money, error: type[DomainError], field: str
) -> None:
    order = of_ten()
    before = state_of(order)
    with pytest.raises(error) as refused:
        Payment.of(order, amount, EXTERNAL, by=ME, at=LATER)
    assert refused.value.details["field"] == field
    assert state_of(order) == before
    assert told(order) == []


@pytest.mark.parametrize("reference", ["", "  ", "a\nb", "\x00", "a" * (REFERENCE_LENGTH + 1)])
def test_a_reference_that_does_not_fit_covers_nothing(reference: str) -> None:
    order = of_ten()
    before = state_of(order)
    with pytest.raises(InvalidValue) as refused:
        Payment.of(order, None, EXTERNAL, reference=reference, by=ME, at=LATER)
    assert refused.value.details["field"] == "reference"
    assert state_of(order) == before


@pytest.mark.parametrize("amount", [None, gbp("1"), gbp("11")])
def test_a_cancelled_order_is_not_paid_any_more(amount: Money | None) -> None:
    order = cancelled(of_ten())
    before = state_of(order)
    with pytest.raises(OrderIsCancelled):
        Payment.of(order, amount, EXTERNAL, by=ME, at=LATER)
    assert order.due == gbp("0")
    assert state_of(order) == before


def test_an_order_that_costs_nothing_waits_for_no_money() -> None:
    order = an_order(a_product(price=gbp("0")))
    for amount in (None, gbp("1")):
        with pytest.raises(Overpayment):
            Payment.of(order, amount, EXTERNAL, by=ME, at=NOON)
    assert not order.is_unpaid


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.SHIPPED])
def test_an_order_that_went_ahead_unpaid_can_be_paid_and_stays_where_it_is(
    status: OrderStatus,
) -> None:
    order = of_ten()
    order.confirm(by=ME, at=NOON)
    if status is OrderStatus.SHIPPED:
        order.ship(by=ME, at=NOON)
    told(order)
    assert (order.due, order.is_unpaid) == (gbp("10"), False)
    a_payment(order)
    assert (order.status, order.is_settled) == (status, True)
    assert [type(event) for event in told(order)] == [PaymentReceived]


def test_what_is_received_is_told_before_what_comes_of_it() -> None:
    order = of_ten()
    payment = asked(order)
    payment.ask(order, by=ME, at=NOON)
    payment.receive(order, reference="ch-1", by=ME, at=LATER)
    about: dict[str, Any] = {
        "payment_id": payment.id,
        "method": "external",
        "amount": gbp("10"),
        "order_id": order.id,
        "actor_id": ME.actor_id,
        "request_id": "req-1",
    }
    assert told(order) == [
        PaymentAsked(**about, at=NOON),
        PaymentReceived(**about, at=LATER),
        OrderConfirmed(
            previous="pending",
            reason="paid in full",
            order_id=order.id,
            actor_id=ME.actor_id,
            request_id="req-1",
            at=LATER,
        ),
    ]
    assert (payment.status, payment.reference) == (PaymentStatus.SUCCEEDED, "ch-1")
    assert (payment.created_at, payment.updated_at, order.updated_at) == (NOON, LATER, LATER)


def test_a_payment_keeps_its_own_reference_where_the_provider_has_none() -> None:
    order = of_ten()
    payment = Payment.of(order, None, EXTERNAL, reference="till 3", by=ME, at=NOON)
    payment.receive(order, by=ME, at=NOON)
    assert payment.reference == "till 3"


def test_what_a_failed_payment_was_to_cover_is_due_again() -> None:
    order = of_ten()
    payment = asked(order, "4")
    payment.fail(order, "no such card", by=ME, at=LATER)
    assert sums(order) == ("0.00", "0.00", "0.00", "10.00")
    assert (payment.status, payment.failure) == (PaymentStatus.FAILED, "no such card")
    assert (payment.refundable, payment.updated_at) == (gbp("0"), LATER)
    assert order.is_unpaid
    assert told(order) == [
        PaymentFailed(
            payment_id=payment.id,
            method="external",
            amount=gbp("4"),
            reason="no such card",
            order_id=order.id,
            actor_id=ME.actor_id,
            request_id="req-1",
            at=LATER,
        )
    ]
    a_payment(order)
    assert order.status is OrderStatus.CONFIRMED


@pytest.mark.parametrize("told", ["x" * 201, "a\x00b", "a\ud800b", "", " ", "☕" * 999])
def test_whatever_the_provider_says_the_money_is_seen(told: str) -> None:
    order = of_ten()
    received, failed = asked(order, "4"), asked(order, "6")
    received.receive(order, reference=told, by=ME, at=LATER)
    failed.fail(order, told, by=ME, at=LATER)
    assert sums(order) == ("4.00", "0.00", "4.00", "6.00")
    for kept, longest in (
        (received.reference, REFERENCE_LENGTH),
        (failed.failure, FAILURE_LENGTH),
    ):
        assert kept is None or not has_control_characters(kept)
        assert len(kept or "") <= longest


def test_of_a_long_story_why_a_payment_failed_the_beginning_is_kept() -> None:
    order = of_ten()
    payment = asked(order)
    payment.fail(order, "ab" * FAILURE_LENGTH, by=ME, at=NOON)
    assert payment.failure == ("ab" * FAILURE_LENGTH)[:FAILURE_LENGTH]


def receive(payment: Payment, order: Order) -> None:
    payment.receive(order, reference="again", transfer_id=TransferId(uuid4()), by=ME, at=LATER)


def fail(payment: Payment, order: Order) -> None:
    payment.fail(order, "again", by=ME, at=LATER)


@pytest.mark.parametrize("first", [receive, fail])
@pytest.mark.parametrize("second", [receive, fail])
def test_a_payment_is_decided_once(
    first: Callable[[Payment, Order], None], second: Callable[[Payment, Order], None]
) -> None:
    order = of_ten()
    payment = asked(order, "4")
    first(payment, order)
    told(order)
    before = state_of(payment), state_of(order)
    with pytest.raises(PaymentDecided):
        second(payment, order)
    assert (state_of(payment), state_of(order)) == before
    assert told(order) == []


def test_what_comes_in_for_a_cancelled_order_is_due_back() -> None:
    order = of_ten()
    payment = asked(order)
    cancelled(order)
    told(order)
    payment.receive(order, by=ME, at=LATER)
    assert (payment.status, payment.due_back) == (PaymentStatus.SUCCEEDED, gbp("10"))
    assert (order.status, order.due) == (OrderStatus.CANCELLED, gbp("0"))
    assert sums(order)[:2] == ("10.00", "0.00")
    received, due_back = told(order)
    assert isinstance(received, PaymentReceived)
    assert due_back == PaymentDueBack(
        payment_id=payment.id,
        method="external",
        amount=gbp("10"),
        order_id=order.id,
        actor_id=ME.actor_id,
        request_id="req-1",
        at=LATER,
    )


def test_of_a_cancelled_order_what_fails_to_come_in_is_nobodys_debt() -> None:
    order = of_ten()
    payment = asked(order)
    cancelled(order)
    payment.fail(order, "no", by=ME, at=LATER)
    assert (payment.due_back, order.due) == (gbp("0"), gbp("0"))
    assert sums(order) == ("0.00", "0.00", "0.00", "0.00")


def test_only_what_is_left_of_a_payment_is_due_back() -> None:
    order = of_ten()
    payment = a_payment(order)
    payment.give_back(gbp("3"), at=NOON)
    told(order)
    payment.owe(order, by=ME, at=LATER)
    assert payment.due_back == gbp("7")
    [due_back] = told(order)
    assert isinstance(due_back, PaymentDueBack)
    assert due_back.amount == gbp("7")


def test_of_what_is_back_already_nothing_is_due_back() -> None:
    order = of_ten()
    payment = a_payment(order)
    payment.give_back(gbp("10"), at=NOON)
    told(order)
    payment.owe(order, by=ME, at=LATER)
    assert (payment.due_back, payment.refundable) == (gbp("0"), gbp("0"))
    assert told(order) == []


def test_what_goes_back_takes_down_what_is_due_back_as_far_as_it_has_to() -> None:
    order = of_ten()
    payment = a_payment(order)
    payment.owe(order, by=ME, at=NOON)
    for amount, due_back in (("4", "6"), ("5.99", "0.01"), ("0.01", "0")):
        payment.give_back(gbp(amount), at=LATER)
        assert payment.due_back == payment.refundable == gbp(due_back)


def test_the_operator_is_told_of_but_is_no_user() -> None:
    order = of_ten()
    operator = Author(UUID(int=0))
    payment = Payment.of(order, None, EXTERNAL, by=operator, at=NOON)
    payment.ask(order, by=operator, at=NOON)
    assert payment.actor_id is None
    [asked] = told(order)
    assert isinstance(asked, PaymentAsked)
    assert (asked.actor_id, asked.request_id) == (UUID(int=0), None)
