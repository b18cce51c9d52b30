from dataclasses import replace

import pytest

from application.identity.actor import OPERATOR, Actor
from application.shared.errors import Unavailable
from domain.accounts.account import InsufficientFunds
from domain.identity.user import Role
from domain.ordering.order import OrderId, OrderIsCancelled, OrderNotFound, Overpayment
from domain.ordering.payment import Payment, PaymentMethod, PaymentStatus
from domain.ordering.status import OrderStatus
from domain.shared.errors import DomainError, Forbidden, InvalidValue
from domain.shared.money import CurrencyMismatch, Money
from tests.builders import a_product, a_user, actor_of, an_account, an_actor, an_order, gbp, usd
from tests.unit.ordering.till import CREDIT, EXTERNAL, Till


async def refused(
    till: Till,
    actor: Actor,
    id: OrderId,
    method: PaymentMethod,
    error: type[DomainError],
    amount: Money | None = None,
) -> DomainError:
    """The error, after which nothing has changed."""
    before = till.everything()
    with pytest.raises(error) as raised:
        await till.paying.pay(actor, id, method, amount)
    assert till.everything() == before
    return raised.value


async def test_a_customer_pays_with_credit(till: Till) -> None:
    order = await till.sell("7.50")
    payment = await till.paying.pay(till.customer, OrderId(order.id), CREDIT)

    assert (till.balance(), till.balance(till.house)) == (gbp("2.50"), gbp("-2.50"))
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.CONFIRMED,
        ("7.50", "0.00", "0.00"),
    )
    transfer = till.transfer(payment.transfer_id)
    assert (transfer.from_account_id, transfer.to_account_id) == (till.purse.id, till.house.id)
    assert (transfer.amount, transfer.reference) == (gbp("7.50"), order.number)
    assert transfer.actor_id == payment.actor_id == till.ada.id
    assert till.shop.now(payment).status is PaymentStatus.SUCCEEDED
    assert till.told(order) == ["payment.received", "order.confirmed"]
    assert till.shop.events.count("transfer.made") == 1


async def test_an_order_is_paid_with_credit_and_with_money_from_outside(till: Till) -> None:
    order = await till.sell("12")
    await till.paying.pay(till.customer, OrderId(order.id), CREDIT, gbp("10"))
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.PENDING,
        ("10.00", "0.00", "2.00"),
    )
    cash = await till.paying.pay(
        till.staff, OrderId(order.id), EXTERNAL, gbp("2"), reference="till 3"
    )
    assert (cash.reference, cash.transfer_id, cash.actor_id) == ("till 3", None, till.clerk.id)
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.CONFIRMED,
        ("12.00", "0.00", "0.00"),
    )
    assert till.balance() == gbp("0")


async def test_what_is_paid_in_full_is_confirmed_with_it_or_not_paid(till: Till) -> None:
    order = await till.sell()
    before = till.everything()
    till.shop.database.fail_next_commit(Unavailable())
    with pytest.raises(Unavailable):
        await till.pay(order, method=CREDIT)
    assert till.everything() == before
    await till.pay(order, method=CREDIT)
    assert till.status(order) is OrderStatus.CONFIRMED


async def test_a_part_confirms_nothing(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, "9.99")
    assert till.status(order) is OrderStatus.PENDING
    assert till.shop.events == ["payment.received"]


async def test_credit_is_the_customers_whoever_asks(till: Till) -> None:
    his = an_account(till.clerk)
    await till.shop.keep(his)
    order = await till.sell("4")
    payment = await till.pay(order, method=CREDIT)
    assert (till.balance(), till.balance(his)) == (gbp("6"), gbp("0"))
    assert till.transfer(payment.transfer_id).actor_id == payment.actor_id == till.clerk.id


async def test_nobody_pays_with_the_credit_of_another(till: Till) -> None:
    bob = a_user()
    await till.shop.keep(bob)
    order = await till.sell("4", customer=bob)
    await refused(till, till.customer, OrderId(order.id), CREDIT, OrderNotFound)
    error = await refused(till, actor_of(bob), OrderId(order.id), CREDIT, InsufficientFunds)
    assert error.details == {"balance": gbp("0"), "amount": gbp("4")}


@pytest.mark.parametrize("method", PaymentMethod)
@pytest.mark.parametrize("amount", [None, gbp("0"), gbp("99"), usd("1")])
async def test_somebody_elses_order_looks_like_none(
    till: Till, method: PaymentMethod, amount: Money | None
) -> None:
    order = await till.sell()
    unknown = OrderId(an_order().id)
    for id, actor in ((OrderId(order.id), an_actor()), (unknown, till.staff)):
        error = await refused(till, actor, id, method, OrderNotFound, amount)
        assert (str(error), error.details) == ("there is no such order", {})


async def test_customers_do_not_say_what_came_in_from_outside(till: Till) -> None:
    order = await till.sell()
    for amount in (None, gbp("1"), gbp("11")):
        await refused(till, till.customer, OrderId(order.id), EXTERNAL, Forbidden, amount)


@pytest.mark.parametrize("role", [Role.STAFF, Role.ADMIN])
async def test_staff_takes_money_for_any_order(till: Till, role: Role) -> None:
    taker = a_user(role=role)
    await till.shop.keep(taker)
    order = await till.sell()
    payment = await till.paying.pay(actor_of(taker), OrderId(order.id), EXTERNAL)
    assert (payment.actor_id, till.status(order)) == (taker.id, OrderStatus.CONFIRMED)


async def test_the_operator_is_no_user_who_paid(till: Till) -> None:
    for method in PaymentMethod:
        order = await till.sell("4")
        payment = await till.paying.pay(OPERATOR, OrderId(order.id), method)
        assert till.shop.now(payment).actor_id is None
    [credit] = [one for one in till.shop.database.all(Payment) if one.method is CREDIT]
    assert till.transfer(credit.transfer_id).actor_id is None


@pytest.mark.parametrize("amount", [None, gbp("10.01")])
async def test_credit_that_is_too_little_pays_nothing(till: Till, amount: Money | None) -> None:
    order = await till.sell("12")
    error = await refused(till, till.customer, OrderId(order.id), CREDIT, InsufficientFunds, amount)
    assert error.details == {"balance": gbp("10"), "amount": amount or gbp("12")}


async def test_credit_of_another_currency_pays_nothing(till: Till) -> None:
    dollars = a_product(price=usd("4"))
    order = an_order(dollars, customer=till.ada)
    await till.shop.keep(dollars, order)
    error = await refused(till, till.customer, OrderId(order.id), CREDIT, InsufficientFunds)
    assert error.details == {"balance": usd("0"), "amount": usd("4")}


async def test_an_empty_account_of_a_currency_without_a_house_pays_nothing(till: Till) -> None:
    dollars, jar = a_product(price=usd("4")), an_account(till.ada, currency="USD")
    order = an_order(dollars, customer=till.ada)
    await till.shop.keep(dollars, jar, order)
    await refused(till, till.customer, OrderId(order.id), CREDIT, InsufficientFunds)


@pytest.mark.parametrize("method", PaymentMethod)
@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (gbp("0"), InvalidValue),
        (gbp("-1"), InvalidValue),
        (usd("1"), CurrencyMismatch),
        (gbp("8.01"), Overpayment),
        (gbp("10"), Overpayment),
    ],
)
async def test_an_amount_that_cannot_be_pays_nothing(
    till: Till, method: PaymentMethod, amount: Money, error: type[DomainError]
) -> None:
    order = await till.sell()
    await till.pay(order, "2")
    await refused(till, till.staff, OrderId(order.id), method, error, amount)


@pytest.mark.parametrize("method", PaymentMethod)
async def test_what_is_paid_or_cancelled_takes_no_more_money(
    till: Till, method: PaymentMethod
) -> None:
    paid, cancelled = await till.sell("1"), await till.sell("1")
    await till.pay(paid)
    await till.cancel(cancelled)
    await refused(till, till.staff, OrderId(paid.id), method, Overpayment)
    await refused(till, till.staff, OrderId(cancelled.id), method, OrderIsCancelled)


async def test_what_is_under_way_cannot_be_paid_as_well(till: Till) -> None:
    order = await till.sell()
    await till.undecided(order, "4")
    await refused(till, till.customer, OrderId(order.id), CREDIT, Overpayment, gbp("6.01"))
    await till.paying.pay(till.customer, OrderId(order.id), CREDIT)
    assert till.balance() == gbp("4")
    assert till.status(order) is OrderStatus.PENDING


async def test_of_two_who_pay_the_whole_at_once_one_does(till: Till) -> None:
    order = await till.sell()
    second = till.shop.meanwhile(till.pay(order, method=CREDIT))
    await till.pay(order)
    with pytest.raises(Overpayment):
        await second
    assert (till.sums(order), till.balance()) == (("10.00", "0.00", "0.00"), gbp("10"))


async def test_of_two_orders_that_one_balance_would_pay_one_is_paid(till: Till) -> None:
    one, other = await till.sell("6"), await till.sell("6")
    second = till.shop.meanwhile(till.pay(one, method=CREDIT))
    await till.pay(other, method=CREDIT)
    with pytest.raises(InsufficientFunds):
        await second
    assert (till.sums(one)[0], till.sums(other)[0]) == ("0.00", "6.00")
    assert till.balance() == gbp("4")


async def test_every_word_about_a_payment_names_the_request(till: Till) -> None:
    order = await till.sell()
    actor = replace(till.customer, request_id="req-9")
    payment = await till.paying.pay(actor, OrderId(order.id), CREDIT)
    told = [entry for entry in till.shop.database.outbox if entry.aggregate_id == order.id]
    assert [(entry.type, entry.sequence) for entry in told] == [
        ("payment.received", 2),
        ("order.confirmed", 3),
    ]
    assert {entry.payload["request_id"] for entry in told} == {"req-9"}
    assert told[0].payload == {
        "payment_id": str(payment.id),
        "method": "store_credit",
        "amount": {"amount": "10.00", "currency": "GBP"},
        "order_id": str(order.id),
        "actor_id": str(till.ada.id),
        "request_id": "req-9",
    }
    assert (told[1].payload["previous"], told[1].payload["reason"]) == ("pending", "paid in full")
