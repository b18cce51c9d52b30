import pytest

from domain.accounts.transfer import Transfer
from domain.ordering.order import Order
from domain.ordering.payment import PaymentStatus
from domain.ordering.refund import Refund, RefundTooLarge
from domain.ordering.status import InvalidTransition, OrderStatus
from tests.builders import gbp
from tests.unit.ordering.till import CREDIT, EXTERNAL, Till


def refunds(till: Till, order: Order) -> list[Refund]:
    return [one for one in till.shop.database.all(Refund) if one.order_id == order.id]


async def test_cancelling_gives_credit_back(till: Till) -> None:
    order = await till.sell("7")
    payment = await till.pay(order, method=CREDIT)

    await till.cancel(order, "changed their mind")

    assert (till.balance(), till.balance(till.house)) == (gbp("10"), gbp("-10"))
    [refund] = refunds(till, order)
    assert (refund.amount, refund.reason) == (gbp("7"), "changed their mind")
    [part] = refund.parts
    transfer = till.transfer(part.transfer_id)
    assert (transfer.from_account_id, transfer.to_account_id) == (till.house.id, till.purse.id)
    assert (transfer.amount, transfer.reference) == (gbp("7"), order.number)
    assert (till.shop.now(payment).refunded, till.shop.now(payment).due_back) == (
        gbp("7"),
        gbp("0"),
    )
    assert till.sums(order) == ("7.00", "7.00", "0.00")
    assert till.stock(order) == 4


async def test_credit_goes_back_for_a_reason_if_nobody_gives_one(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, "1", CREDIT)
    await till.cancel(order)
    [refund] = refunds(till, order)
    assert refund.reason == "the order was cancelled"


async def test_cancelling_makes_money_from_outside_due_back(till: Till) -> None:
    order = await till.sell()
    first, second = await till.pay(order, "4"), await till.pay(order, "6")
    await till.refund(order, "1")

    await till.cancel(order)

    assert [till.shop.now(one).due_back for one in (first, second)] == [gbp("4"), gbp("5")]
    assert len(refunds(till, order)) == 1
    assert till.sums(order) == ("10.00", "1.00", "0.00")
    assert till.told(order)[-3:] == ["order.cancelled", "payment.due_back", "payment.due_back"]


async def test_of_several_payments_each_goes_back_its_own_way(till: Till) -> None:
    order = await till.sell("12")
    one, cash = await till.pay(order, "3", CREDIT), await till.pay(order, "4", EXTERNAL)
    other = await till.pay(order, "2", CREDIT)

    await till.cancel(order)

    [refund] = refunds(till, order)
    assert [part.payment_id for part in refund.parts] == [other.id, one.id]
    assert (refund.amount, till.balance()) == (gbp("5"), gbp("10"))
    assert till.shop.now(cash).due_back == gbp("4")
    assert till.sums(order) == ("9.00", "5.00", "0.00")
    assert till.told(order)[-3:] == ["order.cancelled", "refund.made", "payment.due_back"]


async def test_only_what_is_left_of_the_credit_goes_back(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    await till.refund(order, "4")
    await till.cancel(order)
    assert till.balance() == gbp("10")
    assert [one.amount.amount for one in refunds(till, order)] == ["4.00", "6.00"]


async def test_where_everything_is_back_cancelling_moves_no_money(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, "4", CREDIT)
    cash = await till.pay(order, "6")
    await till.refund(order)
    transfers = till.shop.count(Transfer)
    await till.cancel(order)
    assert (till.shop.count(Transfer), len(refunds(till, order))) == (transfers, 1)
    assert till.shop.now(cash).due_back == gbp("0")
    assert till.told(order)[-1] == "order.cancelled"


async def test_an_order_that_nobody_paid_is_cancelled_without_a_refund(till: Till) -> None:
    order = await till.sell()
    await till.cancel(order)
    assert (refunds(till, order), till.told(order)) == ([], ["order.cancelled"])


async def test_customers_get_their_credit_back_when_they_cancel_themselves(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, "4", CREDIT)
    await till.cancel_as_customer(order)
    [refund] = refunds(till, order)
    assert (refund.actor_id, till.balance()) == (till.ada.id, gbp("10"))


async def test_what_is_approved_after_the_order_was_cancelled_is_due_back(till: Till) -> None:
    order = await till.sell()
    credit = await till.pay(order, "4", CREDIT)
    late = await till.undecided(order)
    await till.cancel(order)
    assert till.shop.now(late).status is PaymentStatus.PENDING
    assert (till.shop.now(late).due_back, till.shop.now(credit).refunded) == (gbp("0"), gbp("4"))

    assert await till.settle_all() == 1

    assert (till.shop.now(late).status, till.shop.now(late).due_back) == (
        PaymentStatus.SUCCEEDED,
        gbp("6"),
    )
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.CANCELLED,
        ("10.00", "4.00", "0.00"),
    )
    assert till.told(order)[-2:] == ["payment.received", "payment.due_back"]
    await till.refund(order)
    assert (till.shop.now(late).due_back, till.sums(order)[1]) == (gbp("0"), "10.00")


async def test_what_is_declined_after_the_order_was_cancelled_is_nobodys_debt(till: Till) -> None:
    order = await till.sell()
    late = await till.undecided(order)
    till.gateway.verdicts.clear()
    await till.cancel(order)
    await till.settle_all()
    assert till.shop.now(late).status is PaymentStatus.FAILED
    assert till.sums(order) == ("0.00", "0.00", "0.00")
    assert till.told(order)[-1] == "payment.failed"


@pytest.mark.parametrize("to", [OrderStatus.SHIPPED, OrderStatus.CANCELLED])
async def test_an_order_that_cannot_be_cancelled_keeps_its_money(
    till: Till, to: OrderStatus
) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    await till.move(order, to)
    before = till.everything()
    with pytest.raises(InvalidTransition):
        await till.cancel(order)
    assert till.everything() == before


async def test_of_two_who_cancel_at_once_one_gives_the_credit_back(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    second = till.shop.meanwhile(till.cancel(order))
    await till.cancel(order)
    with pytest.raises(InvalidTransition):
        await second
    assert (till.balance(), till.stock(order), len(refunds(till, order))) == (gbp("10"), 4, 1)


async def test_a_refund_at_the_same_time_is_not_given_twice(till: Till) -> None:
    order = await till.sell()
    await till.pay(order, method=CREDIT)
    refund = till.shop.meanwhile(till.refund(order, "4"))
    await till.cancel(order)
    with pytest.raises(RefundTooLarge):
        await refund
    assert (till.balance(), till.sums(order)) == (gbp("10"), ("10.00", "10.00", "0.00"))
