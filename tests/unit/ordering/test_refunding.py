from dataclasses import replace

import pytest

from application.identity.actor import OPERATOR
from application.shared.errors import Unavailable
from domain.accounts.account import LARGEST_BALANCE, BalanceTooLarge
from domain.identity.user import Role
from domain.ordering.order import OrderId, OrderNotFound, Overpayment
from domain.ordering.payment import PaymentId, PaymentMethod, PaymentNotFound
from domain.ordering.refund import Refund, RefundTooLarge
from domain.ordering.status import OrderStatus
from domain.shared.errors import Forbidden, InvalidValue
from domain.shared.money import CurrencyMismatch, Money
from tests.builders import (
    a_house,
    a_product,
    a_transfer,
    a_user,
    actor_of,
    an_account,
    an_actor,
    an_order,
    gbp,
    usd,
)
from tests.unit.ordering.till import CREDIT, EXTERNAL, Till
from tests.unit.shop import Shop


async def test_credit_goes_back_to_whom_it_came_from(till: Till) -> None:
    order = await till.sell("7")
    await till.pay(order, method=CREDIT)
    refund = await till.refund(order, "2")

    assert (till.balance(), till.balance(till.house)) == (gbp("5"), gbp("-5"))
    [part] = till.shop.now(refund).parts
    transfer = till.transfer(part.transfer_id)
    assert (transfer.from_account_id, transfer.to_account_id) == (till.house.id, till.purse.id)
    assert (transfer.amount, transfer.reference) == (gbp("2"), order.number)
    assert transfer.actor_id == refund.actor_id == till.clerk.id
    assert till.sums(order) == ("7.00", "2.00", "0.00")
    assert till.told(order) == ["payment.received", "order.confirmed", "refund.made"]
    assert till.shop.events.count("transfer.made") == 2


async def test_what_came_from_outside_goes_back_there(till: Till) -> None:
    order = await till.sell()
    await till.pay(order)
    refund = await till.refund(order)
    assert [(part.method, part.transfer_id) for part in refund.parts] == [(EXTERNAL, None)]
    assert till.balance() == gbp("10")
    assert till.shop.events == ["payment.received", "order.confirmed", "refund.made"]


async def test_what_was_paid_last_goes_back_first_each_part_its_own_way(till: Till) -> None:
    order = await till.sell("12")
    first = await till.pay(order, "4", CREDIT)
    cash = await till.pay(order, "5", EXTERNAL)
    last = await till.pay(order, "3", CREDIT)

    refund = await till.refund(order, "9")

    assert [(part.payment_id, part.amount.amount) for part in refund.parts] == [
        (last.id, "3.00"),
        (cash.id, "5.00"),
        (first.id, "1.00"),
    ]
    assert [part.transfer_id is not None for part in refund.parts] == [True, False, True]
    assert till.balance() == gbp("7")
    assert [till.shop.now(one).refunded.amount for one in (first, cash, last)] == [
        "1.00",
        "5.00",
        "3.00",
    ]


async def test_one_payment_can_be_given_back_and_no_other(till: Till) -> None:
    order = await till.sell()
    first = await till.pay(order, "4", CREDIT)
    last = await till.pay(order, "6")
    refund = await till.refund(order, of=first)
    assert [(part.payment_id, part.amount) for part in refund.parts] == [(first.id, gbp("4"))]
    assert till.shop.now(last).refunded == gbp("0")
    before = till.everything()
    for amount in (None, "0.01"):
        with pytest.raises(RefundTooLarge) as refused:
            await till.refund(order, amount, of=first)
        assert refused.value.details == {"refundable": gbp("0")}
    with pytest.raises(RefundTooLarge):
        await till.refund(order, "6.01", of=last)
    assert till.everything() == before


async def test_the_payment_of_another_order_is_none_of_this(till: Till) -> None:
    order, other = await till.sell("4"), await till.sell("4")
    await till.pay(order)
    payment = await till.pay(other)
    before = till.everything()
    with pytest.raises(PaymentNotFound):
        await till.refund(order, of=payment)
    assert till.everything() == before


@pytest.mark.parametrize("method", [CREDIT, EXTERNAL])
async def test_no_more_goes_back_than_was_paid(till: Till, method: PaymentMethod) -> None:
    order = await till.sell()
    await till.pay(order, "6", method)
    await till.refund(order, "2")
    before = till.everything()
    for amount in ("4.01", "6", "10"):
        with pytest.raises(RefundTooLarge) as refused:
            await till.refund(order, amount)
        assert refused.value.details == {"refundable": gbp("4")}
    assert till.everything() == before
    await till.refund(order, "4")
    with pytest.raises(RefundTooLarge):
        await till.refund(order)


async def test_what_is_under_way_or_failed_does_not_go_back(till: Till) -> None:
    order = await till.sell()
    payment = await till.undecided(order)
    for of in (None, payment):
        with pytest.raises(RefundTooLarge):
            await till.refund(order, of=of)
    till.gateway.verdicts.clear()
    assert await till.settle_all() == 1
    with pytest.raises(RefundTooLarge):
        await till.refund(order)


@pytest.mark.parametrize(
    ("amount", "reason", "error"),
    [
        (gbp("0"), "damaged", InvalidValue),
        (gbp("-1"), "damaged", InvalidValue),
        (usd("1"), "damaged", CurrencyMismatch),
        (None, "\x00", InvalidValue),
        (None, "a" * 501, InvalidValue),
    ],
)
async def test_what_makes_no_sense_gives_nothing_back(
    till: Till, amount: Money | None, reason: str, error: type[Exception]
) -> None:
    order = await till.sell()
    await till.pay(order, "6", CREDIT)
    before = till.everything()
    with pytest.raises(error):
        await till.refunding.refund(till.staff, OrderId(order.id), amount, reason=reason)
    assert till.everything() == before


async def test_what_goes_back_of_a_pending_order_can_be_paid_again(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, "6", CREDIT)
    await till.refund(order)
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.PENDING,
        ("6.00", "6.00", "10.00"),
    )
    await till.pay(order, method=CREDIT)
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.CONFIRMED,
        ("16.00", "6.00", "0.00"),
    )
    assert till.balance() == gbp("0")


@pytest.mark.parametrize("shipped", [False, True])
async def test_what_goes_back_of_an_order_under_way_cannot_be_paid_again(
    till: Till, shipped: bool
) -> None:
    order = await till.sell()
    await till.pay(order)
    if shipped:
        await till.move(order, OrderStatus.SHIPPED)
    await till.refund(order, "3")
    assert till.sums(order) == ("10.00", "3.00", "0.00")
    with pytest.raises(Overpayment):
        await till.pay(order, "3")


async def test_staff_gives_refunds_and_nobody_else(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    before = till.everything()
    with pytest.raises(Forbidden):
        await till.refunding.refund(till.customer, OrderId(order.id), reason="please")
    with pytest.raises(OrderNotFound):
        await till.refunding.refund(an_actor(), OrderId(order.id), reason="please")
    with pytest.raises(OrderNotFound):
        await till.refunding.refund(till.staff, OrderId(an_order().id), reason="damaged")
    assert till.everything() == before
    boss = a_user(role=Role.ADMIN)
    await till.shop.keep(boss)
    refund = await till.refunding.refund(actor_of(boss), OrderId(order.id), reason="damaged")
    assert refund.actor_id == boss.id


async def test_whose_order_it_is_not_learns_nothing_from_a_bad_request(till: Till) -> None:
    order = await till.sell()
    payment = await till.pay(order)
    for amount in (gbp("0"), usd("1"), gbp("99")):
        with pytest.raises(OrderNotFound):
            await till.refunding.refund(
                an_actor(),
                OrderId(order.id),
                amount,
                payment_id=PaymentId(payment.id),
                reason="\x00",
            )


async def test_a_refund_that_is_not_kept_moves_no_money(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    before = till.everything()
    till.shop.database.fail_next_commit(Unavailable())
    with pytest.raises(Unavailable):
        await till.refund(order)
    assert till.everything() == before


async def test_of_two_who_give_the_whole_back_at_once_one_does(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    second = till.shop.meanwhile(till.refund(order))
    await till.refund(order)
    with pytest.raises(RefundTooLarge):
        await second
    assert (till.balance(), till.shop.count(Refund)) == (gbp("10"), 1)


async def test_what_would_burst_an_account_does_not_go_back(shop: Shop) -> None:
    currency = gbp("0").currency
    clerk, ada, house = a_user(role=Role.STAFF), a_user(), a_house()
    purse, mug = an_account(ada), a_product(price=gbp("10"))
    deposit = a_transfer(house, purse, Money(LARGEST_BALANCE, currency), actor=clerk)
    till = Till(shop, clerk=clerk, ada=ada, house=house)
    till.purse = purse
    order = an_order(mug, customer=ada)
    await shop.keep(clerk, ada, house, purse, deposit, mug, order)
    await till.pay(order, method=CREDIT)
    async with shop.begin() as work:
        held = await work.accounts.get(till.id_of(purse), lock=True)
        bank = await work.accounts.get(till.id_of(house), lock=True)
        work.transfers.add(a_transfer(bank, held, gbp("0.01"), actor=clerk))
        await work.commit()
    before = till.everything()
    with pytest.raises(BalanceTooLarge):
        await till.refund(order)
    with pytest.raises(BalanceTooLarge):
        await till.cancel(order)
    assert till.everything() == before
    await till.refund(order, "9.99")
    assert till.balance() == Money(LARGEST_BALANCE, currency)


async def test_after_cancelling_a_refund_takes_down_what_is_due_back(till: Till) -> None:
    order = await till.sell()
    cash = await till.pay(order)
    await till.cancel(order)
    assert till.shop.now(cash).due_back == gbp("10")
    await till.refund(order, "4")
    assert till.shop.now(cash).due_back == gbp("6")
    await till.refund(order)
    assert till.shop.now(cash).due_back == gbp("0")
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.CANCELLED,
        ("10.00", "10.00", "0.00"),
    )


async def test_the_operator_is_no_user_who_gave_a_refund(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    actor = replace(OPERATOR, request_id="req-9")
    refund = await till.refunding.refund(actor, OrderId(order.id), reason="damaged")
    assert till.shop.now(refund).actor_id is None
    [*_, told] = [one for one in till.shop.database.outbox if one.aggregate_id == order.id]
    assert (told.type, told.payload) == (
        "refund.made",
        {
            "refund_id": str(refund.id),
            "amount": {"amount": "10.00", "currency": "GBP"},
            "reason": "damaged",
            "order_id": str(order.id),
            "actor_id": "00000000-0000-0000-0000-000000000000",
            "request_id": "req-9",
        },
    )
