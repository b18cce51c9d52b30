"""What is true of the money of a shop at every moment, whatever happened to it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from application.accounts.queries import AccountFilter
from application.auditing.checks import (
    BALANCES,
    COVERED,
    CREDIT,
    DEBTS,
    OVERPAID,
    PAID,
    PARTS,
    REFERENCES,
    REFUNDED,
    RETURNED,
    RUNNING,
    SHORTAGE,
    STOCK,
    TOTALS,
    TRANSFERS,
)
from application.auditing.queries import Check
from application.ordering.queries import OrderDetails, OrderFilter
from application.ordering.receipts import PaymentDetails
from application.shared.clock import utc_now
from domain.accounts.account import AccountId
from domain.accounts.transfer import TransferId
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment, PaymentMethod, PaymentStatus
from domain.ordering.refund import Refund
from domain.ordering.status import OrderStatus
from domain.shared.money import Money
from tests.contract.backends import Backend
from tests.contract.steps import everything

_OF_ACCOUNTS: Final = (TRANSFERS, BALANCES, RUNNING, DEBTS, REFERENCES)
_OF_MONEY: Final = (PAID, REFUNDED, COVERED, OVERPAID, PARTS, RETURNED, CREDIT)
_OF_ORDERS: Final = (STOCK, SHORTAGE, TOTALS, *_OF_MONEY, *_OF_ACCOUNTS)
_NUMBERED: Final = "ORD-"  # how the reference of whatever was moved for an order begins


async def audited(backend: Backend) -> dict[UUID, Money]:
    """The balance of every account, once everything is found to add up."""
    await _check(backend, _OF_ACCOUNTS)
    accounts = (await backend.accounts.page(everything("created_at"), AccountFilter())).items
    return {account.id: account.balance for account in accounts}


async def _check(backend: Backend, checks: Sequence[Check]) -> None:
    """See that the shop itself has nothing to complain of."""
    verdicts = await backend.audits.verdicts(at=utc_now())
    assert [one for one in verdicts if one.check in checks and one.offenders] == []


async def accounted_for(backend: Backend) -> dict[UUID, OrderDetails]:
    """
    Every order, once its payments, its refunds, the ledger and the stock all agree about it.

    What the shop's own audit finds of it is found here by other means as well.
    """
    await _check(backend, _OF_ORDERS)
    transfers = await _transfers_of_orders(backend)
    refunds: dict[UUID, list[Refund]] = defaultdict(list)
    for refund in await backend.refunds():
        refunds[refund.order_id].append(refund)
    orders = {}
    for row in (await backend.orders.page(everything("placed_at"), OrderFilter())).items:
        id = OrderId(row.id)
        order = await backend.orders.find(id)
        assert order is not None
        async with backend.begin() as work:
            stored, payments = await work.orders.get(id), await work.payments.of_order(id)
        check_sums(stored, payments)
        _shown_as_they_are(
            (await backend.orders.payments(id, everything("created_at"))).items,
            payments,
            refunds[id],
        )
        moved = transfers.pop(order.number, {})
        for payment in payments:
            if payment.transfer_id is not None:
                assert moved.pop(payment.transfer_id) == (order.customer_id, None, payment.amount)
        for part in [part for refund in refunds.pop(id) for part in refund.parts]:
            if part.transfer_id is not None:
                assert moved.pop(part.transfer_id) == (None, order.customer_id, part.amount)
        assert not moved, "credit went to or fro that no payment and no refund knows of"
        orders[row.id] = order
    assert not refunds
    assert not transfers
    return orders


def check_sums(order: Order, payments: Sequence[Payment]) -> None:
    """What the order says of its payments is what they say themselves."""
    nothing = Money(0, order.currency)
    received = [one for one in payments if one.status is PaymentStatus.SUCCEEDED]
    under_way = [one.amount for one in payments if one.status is PaymentStatus.PENDING]
    assert order.paid == sum((one.amount for one in received), nothing)
    assert order.refunded == sum((one.refunded for one in payments), nothing)
    assert nothing <= order.refunded <= order.paid
    assert order.paid - order.refunded <= order.total
    # What goes back is due again only as long as the order is pending.
    committed = order.paid + sum(under_way, nothing)
    assert committed - order.refunded <= order.covered <= min(committed, order.total)
    if order.status is OrderStatus.PENDING:
        assert order.covered == committed - order.refunded
        assert not order.is_settled or order.total == nothing
    for payment in payments:
        _check_payment(order, payment)


def _check_payment(order: Order, payment: Payment) -> None:
    nothing = Money(0, order.currency)
    assert payment.order_id == order.id
    assert payment.amount > nothing
    assert nothing <= payment.refunded <= payment.amount
    external = payment.method is PaymentMethod.EXTERNAL
    assert (payment.transfer_id is None) is external
    assert external or payment.status is PaymentStatus.SUCCEEDED
    assert (payment.failure is not None) is (payment.status is PaymentStatus.FAILED)
    assert payment.status is PaymentStatus.SUCCEEDED or payment.refunded == nothing
    if order.status is OrderStatus.CANCELLED:
        # Credit is back, and all that came from outside and is not yet, is due back.
        assert payment.due_back == payment.refundable
        assert external or payment.refundable == nothing
    else:
        assert payment.due_back == nothing


def _shown_as_they_are(
    shown: Sequence[PaymentDetails], payments: Sequence[Payment], refunds: Sequence[Refund]
) -> None:
    """Each payment with the parts that went back of it, and every part with its payment."""
    assert [one.id for one in shown] == [payment.id for payment in payments]
    parts = sorted(
        (part.payment_id, refund.id, part.amount.minor, refund.reason)
        for refund in refunds
        for part in refund.parts
    )
    assert parts == sorted(
        (one.id, back.id, back.amount.minor, back.reason) for one in shown for back in one.refunds
    )
    for details, payment in zip(shown, payments, strict=True):
        assert details == PaymentDetails.of(payment, details.refunds)
        back = [one.amount for one in details.refunds]
        assert payment.refunded == sum(back, Money(0, payment.amount.currency))
    methods = {payment.id: payment.method for payment in payments}
    for refund in refunds:
        assert refund.amount == sum(
            (part.amount for part in refund.parts), Money(0, refund.amount.currency)
        )
        assert [part.position for part in refund.parts] == [*range(1, len(refund.parts) + 1)]
        for part in refund.parts:
            assert part.method is methods[part.payment_id]
            assert (part.transfer_id is None) is (part.method is PaymentMethod.EXTERNAL)
            assert part.amount.minor > 0


# From whom to whom, the house being nobody, and how much.
Moved = tuple[UUID | None, UUID | None, Money]


async def _transfers_of_orders(backend: Backend) -> dict[str, dict[UUID, Moved]]:
    """By the number of the order, then by their ids."""
    found: dict[str, dict[UUID, Moved]] = defaultdict(dict)
    accounts = (await backend.accounts.page(everything("created_at"), AccountFilter())).items
    owners = {account.id: account.owner_id for account in accounts}
    for account in accounts:
        entries = await backend.accounts.entries(AccountId(account.id), everything("at"))
        for entry in entries.items:
            transfer = await backend.transfers.find(TransferId(entry.transfer_id))
            assert transfer is not None
            if transfer.reference and transfer.reference.startswith(_NUMBERED):
                found[transfer.reference][transfer.id] = (
                    owners[transfer.from_account_id],
                    owners[transfer.to_account_id],
                    transfer.amount,
                )
    return found
