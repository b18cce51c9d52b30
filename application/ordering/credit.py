"""Store credit that pays for orders, and comes back from them."""

from datetime import datetime

from application.ordering.ports import OrderingWork
from domain.accounts.account import Account, AccountId, InsufficientFunds
from domain.accounts.transfer import Transfer, TransferId
from domain.identity.user import UserId
from domain.ordering.order import Order
from domain.ordering.payment import PaymentMethod
from domain.ordering.refund import Refund
from domain.shared.author import Author
from domain.shared.money import Money


async def spend(
    work: OrderingWork, order: Order, amount: Money, *, by: Author, at: datetime
) -> TransferId:
    """Take it from the customer's account to the house, or InsufficientFunds."""
    accounts = await _accounts(work, order)
    if accounts is None:
        raise InsufficientFunds(Money(0, amount.currency), amount)
    customer, house = accounts
    return _transfer(work, order, customer, house, amount, by=by, at=at)


async def give_back(
    work: OrderingWork, order: Order, refund: Refund, *, by: Author, at: datetime
) -> None:
    """Return to the customer's account what the refund has of store credit."""
    parts = [part for part in refund.parts if part.method is PaymentMethod.STORE_CREDIT]
    accounts = await _accounts(work, order) if parts else None
    if accounts is not None:
        customer, house = accounts
        for part in parts:
            part.transfer_id = _transfer(work, order, house, customer, part.amount, by=by, at=at)


async def _accounts(work: OrderingWork, order: Order) -> tuple[Account, Account] | None:
    """The customer's account and the house's, locked; None where there never was credit."""
    customer = await work.accounts.of_owner(order.customer_id, order.currency)
    house = await work.accounts.house(order.currency)
    if customer is None or house is None:
        return None
    await work.accounts.lock_all([AccountId(customer.id), AccountId(house.id)])
    return customer, house


def _transfer(
    work: OrderingWork,
    order: Order,
    source: Account,
    target: Account,
    amount: Money,
    *,
    by: Author,
    at: datetime,
) -> TransferId:
    actor_id = UserId(by.user_id) if by.user_id else None
    transfer = Transfer.between(
        source, target, amount, reference=order.number, actor_id=actor_id, at=at
    )
    work.transfers.add(transfer)
    return TransferId(transfer.id)
