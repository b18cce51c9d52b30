from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NewType, Self
from uuid import UUID

from domain.accounts.events import AccountOpened
from domain.identity.user import UserId
from domain.shared.aggregate import Aggregate
from domain.shared.errors import Conflict, Duplicate, NotFound
from domain.shared.ids import new_id
from domain.shared.money import Currency, Money

AccountId = NewType("AccountId", UUID)

LARGEST_BALANCE: Final = 999_999_999_999_999_999  # minor units; sums of a few stay within 64 bits

_TICK: Final = timedelta(microseconds=1)


class AccountNotFound(NotFound):
    code = "account-not-found"

    def __init__(self, **which: object) -> None:
        super().__init__("there is no such account", **which)


class AccountExists(Duplicate):
    """The owner has an account in this currency."""

    def __init__(self) -> None:
        super().__init__("currency")


class InsufficientFunds(Conflict):
    code = "insufficient-funds"

    def __init__(self, balance: Money, amount: Money) -> None:
        super().__init__(
            f"the balance is {balance}, too little for {amount}", balance=balance, amount=amount
        )


class BalanceTooLarge(Conflict):
    code = "balance-too-large"

    def __init__(self, currency: Currency) -> None:
        largest = Money(LARGEST_BALANCE, currency)
        super().__init__(f"no balance exceeds {largest}", largest=largest)


@dataclass(eq=False, kw_only=True)
class Account(Aggregate):
    """
    A balance of store credit, which nothing but a Transfer changes.

    Without an owner it is the house account of its currency: the shop's own, which all credit comes
    from, and the only one that goes below zero.
    """

    owner_id: UserId | None
    balance: Money
    created_at: datetime
    updated_at: datetime

    @classmethod
    def open(cls, owner_id: UserId | None, currency: Currency, *, at: datetime) -> Self:
        account = cls(
            id=new_id(at),
            owner_id=owner_id,
            balance=Money(0, currency),
            created_at=at,
            updated_at=at,
        )
        account.record(
            AccountOpened(account_id=account.id, owner_id=owner_id, currency=currency.code, at=at)
        )
        return account

    @property
    def currency(self) -> Currency:
        return self.balance.currency

    def balance_after(self, change: Money) -> Money:
        """What this change would leave, or InsufficientFunds or BalanceTooLarge."""
        after = self.balance + change
        if after.minor < 0 and self.owner_id is not None:
            raise InsufficientFunds(self.balance, change * -1)
        if abs(after.minor) > LARGEST_BALANCE:
            raise BalanceTooLarge(self.currency)
        return after

    def next_change(self, at: datetime) -> datetime:
        """
        The moment `at` or, where the last change is not before it, the one right after that.

        So the entries of an account are in the order of their times, whatever its clocks say.
        """
        return max(at, self.updated_at + _TICK)
