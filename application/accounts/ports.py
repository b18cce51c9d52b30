from collections.abc import Iterable, Sequence
from typing import Protocol

from application.identity.ports import IdentityWork
from domain.accounts.account import Account, AccountId
from domain.accounts.transfer import Transfer, TransferId
from domain.identity.user import UserId
from domain.shared.money import Currency


class Accounts(Protocol):
    """Every account of store credit, the shop's own included."""

    async def get(self, id: AccountId, *, lock: bool = False) -> Account:
        """The account, or AccountNotFound."""

    async def lock_all(self, ids: Iterable[AccountId]) -> Sequence[Account]:
        """Those of them that are there, locked in the order of their ids, in one go."""

    async def house(self, currency: Currency, *, lock: bool = False) -> Account | None:
        """The shop's own account, if there has been need of one in this currency."""

    async def of_owner(
        self, owner_id: UserId, currency: Currency, *, lock: bool = False
    ) -> Account | None: ...

    def add(self, account: Account) -> None:
        """
        AccountExists, at the latest at the flush, where the owner has one in this currency;
        NameCollision for a house account that somebody else has opened meanwhile.
        """


class Transfers(Protocol):
    """All that was ever moved."""

    async def get(self, id: TransferId) -> Transfer:
        """The transfer, or TransferNotFound."""

    def add(self, transfer: Transfer) -> None: ...


class AccountsWork(IdentityWork, Protocol):
    accounts: Accounts
    transfers: Transfers
