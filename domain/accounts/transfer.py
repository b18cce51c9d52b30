from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NewType, Self
from uuid import UUID

from domain.accounts.account import Account, AccountId
from domain.accounts.events import TransferMade
from domain.identity.user import UserId
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.errors import InvalidValue, NotFound
from domain.shared.ids import new_id
from domain.shared.money import Money, OtherCurrency

TransferId = NewType("TransferId", UUID)

MEMO_LENGTH: Final = 200
REFERENCE_LENGTH: Final = 200


class TransferNotFound(NotFound):
    code = "transfer-not-found"

    def __init__(self) -> None:
        super().__init__("there is no such transfer")


@dataclass(eq=False, kw_only=True)
class Entry:
    """What a transfer did to one of its accounts: `amount` is below zero where it was taken."""

    id: UUID
    position: int
    account_id: AccountId
    amount: Money
    balance_after: Money
    at: datetime


@dataclass(eq=False, kw_only=True)
class Transfer(Aggregate):
    """
    An amount that went from one account to another, and never changes.

    Its two entries, the one that takes and the one that gives, add up to zero.
    """

    entries: list[Entry] = field(repr=False)
    memo: str | None
    reference: str | None
    actor_id: UserId | None
    created_at: datetime

    @classmethod
    def between(
        cls,
        source: Account,
        target: Account,
        amount: Money,
        *,
        memo: str | None = None,
        reference: str | None = None,
        actor_id: UserId | None,
        at: datetime,
    ) -> Self:
        """Take the amount from the source and give it to the target, or change neither."""
        _check(source, target, amount)
        changes = ((source, amount * -1), (target, amount))
        at = target.next_change(source.next_change(at))
        transfer = cls(
            id=new_id(at),
            entries=[
                Entry(
                    id=new_id(at),
                    position=position,
                    account_id=AccountId(account.id),
                    amount=change,
                    balance_after=account.balance_after(change),
                    at=at,
                )
                for position, (account, change) in enumerate(changes, start=1)
            ],
            memo=None if memo is None else text.line("memo", memo, longest=MEMO_LENGTH),
            reference=(
                None
                if reference is None
                else text.line("reference", reference, longest=REFERENCE_LENGTH)
            ),
            actor_id=actor_id,
            created_at=at,
        )
        # From here on nothing is refused any more.
        for account, entry in zip((source, target), transfer.entries, strict=True):
            account.balance = entry.balance_after
            account.updated_at = at
        transfer.record(
            TransferMade(
                transfer_id=transfer.id,
                from_account_id=source.id,
                to_account_id=target.id,
                amount=amount,
                actor_id=actor_id,
                at=at,
            )
        )
        return transfer

    @property
    def from_account_id(self) -> AccountId:
        return self.entries[0].account_id

    @property
    def to_account_id(self) -> AccountId:
        return self.entries[1].account_id

    @property
    def amount(self) -> Money:
        return self.entries[1].amount


def _check(source: Account, target: Account, amount: Money) -> None:
    if source.id == target.id:
        raise InvalidValue("to_account_id", "is the account that it is taken from")
    if amount.currency != source.currency:
        raise OtherCurrency("amount.currency", amount.currency, source.currency)
    if target.currency != source.currency:
        raise OtherCurrency("to_account_id", target.currency, source.currency)
    if amount.minor <= 0:
        raise InvalidValue("amount", "is not more than zero")
