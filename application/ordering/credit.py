from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Credit:
    """
    Store credit that pays for an order, and comes back from it.

    `accounts` are the customer's and the house's, locked; None where there never was credit.
    """

    work: OrderingWork
    order: Order
    accounts: tuple[Account, Account] | None

    def spend(self, amount: Money, *, by: Author, at: datetime) -> TransferId:
        """Take it from the customer's account, or InsufficientFunds."""
        if self.accounts is None:
            raise InsufficientFunds(Money(0, amount.currency), amount)
        customer, house = self.accounts
        return self._transfer(customer, house, amount, by, at)

    def give_back(self, refund: Refund, *, by: Author, at: datetime) -> None:
        """Return to the customer's account what the refund has of store credit."""
        for part in refund.parts:
            if part.method is PaymentMethod.STORE_CREDIT and self.accounts:
                customer, house = self.accounts
                part.transfer_id = self._transfer(house, customer, part.amount, by, at)

    def _transfer(
        self, source: Account, target: Account, amount: Money, by: Author, at: datetime
    ) -> TransferId:
        transfer = Transfer.between(
            source,
            target,
            amount,
            reference=self.order.number,
            actor_id=UserId(by.user_id) if by.user_id else None,
            at=at,
        )
        self.work.transfers.add(transfer)
        return TransferId(transfer.id)


async def credit_of(work: OrderingWork, order: Order) -> Credit:
    """The store credit of the order's customer, for whoever has locked the order."""
    customer = await work.accounts.of_owner(order.customer_id, order.currency)
    house = await work.accounts.house(order.currency)
    if customer is None or house is None:
        return Credit(work, order, None)
    await work.accounts.lock_all([AccountId(customer.id), AccountId(house.id)])
    return Credit(work, order, (customer, house))
