from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self
from uuid import UUID

from application.shared.pages import Page, PageRequest
from domain.accounts.account import Account, AccountId
from domain.accounts.transfer import Transfer, TransferId
from domain.identity.user import UserId
from domain.shared.money import Currency, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetails:
    """`owner_id` is None for a house account."""

    id: UUID
    owner_id: UUID | None
    balance: Money
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(
            id=account.id,
            owner_id=account.owner_id,
            balance=account.balance,
            created_at=account.created_at,
            updated_at=account.updated_at,
            version=account.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDetails:
    """What one transfer did to the account that was asked for."""

    id: UUID
    transfer_id: UUID
    amount: Money
    balance_after: Money
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDetails:
    """`actor_id` is None for whoever is not to know."""

    id: UUID
    from_account_id: UUID
    to_account_id: UUID
    amount: Money
    memo: str | None
    reference: str | None
    actor_id: UUID | None
    created_at: datetime
    version: int

    @classmethod
    def of(cls, transfer: Transfer) -> Self:
        return cls(
            id=transfer.id,
            from_account_id=transfer.from_account_id,
            to_account_id=transfer.to_account_id,
            amount=transfer.amount,
            memo=transfer.memo,
            reference=transfer.reference,
            actor_id=transfer.actor_id,
            created_at=transfer.created_at,
            version=transfer.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFilter:
    """Which accounts: each condition narrows, None does not."""

    owner_id: UserId | None = None
    currency: Currency | None = None


class AccountQueries(Protocol):
    async def find(self, id: AccountId) -> AccountDetails | None: ...

    async def page(self, request: PageRequest, wanted: AccountFilter) -> Page[AccountDetails]:
        """Sorted by `created_at`."""

    async def entries(self, id: AccountId, request: PageRequest) -> Page[EntryDetails]:
        """What was ever done to this account, sorted by `at`."""


class TransferQueries(Protocol):
    async def find(
        self, id: TransferId, *, of_owner: UserId | None = None
    ) -> TransferDetails | None:
        """The transfer, where an owner is named only if one of its accounts is theirs."""
