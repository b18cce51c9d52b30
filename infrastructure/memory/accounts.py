from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from application.accounts.queries import (
    AccountDetails,
    AccountFilter,
    EntryDetails,
    TransferDetails,
)
from application.shared.errors import NameCollision
from application.shared.pages import Page, PageRequest
from domain.accounts.account import Account, AccountExists, AccountId, AccountNotFound
from domain.accounts.transfer import Transfer, TransferId, TransferNotFound
from domain.identity.user import User, UserId
from domain.shared.money import Currency
from infrastructure.memory.database import MemoryDatabase, MemorySession, Reference, Unique
from infrastructure.memory.pages import page

UNIQUES: Final = (
    Unique(
        Account,
        "uq_accounts_owner_id_currency",
        lambda account: account.owner_id and (account.owner_id, account.currency),
        AccountExists,
    ),
    Unique(
        Account,
        "uq_accounts_house",
        lambda account: None if account.owner_id else account.currency,
        NameCollision,
    ),
)

REFERENCES: Final = (
    Reference(Account, User, lambda account: [account.owner_id]),
    Reference(Transfer, User, lambda transfer: [transfer.actor_id]),
    Reference(Transfer, Account, lambda transfer: [entry.account_id for entry in transfer.entries]),
)


class MemoryAccounts:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: AccountId, *, lock: bool = False) -> Account:
        account = await self._session.find(Account, id, lock=lock)
        if account is None:
            raise AccountNotFound
        return account

    async def lock_all(self, ids: Iterable[AccountId]) -> Sequence[Account]:
        return await self._session.lock_all(Account, ids)

    async def house(self, currency: Currency, *, lock: bool = False) -> Account | None:
        return await self._of(None, currency, lock=lock)

    async def of_owner(
        self, owner_id: UserId, currency: Currency, *, lock: bool = False
    ) -> Account | None:
        return await self._of(owner_id, currency, lock=lock)

    def add(self, account: Account) -> None:
        self._session.add(account)

    async def _of(
        self, owner_id: UserId | None, currency: Currency, *, lock: bool
    ) -> Account | None:
        found = await self._session.select(
            Account,
            lambda account: (account.owner_id, account.currency) == (owner_id, currency),
        )
        if lock:
            found = await self._session.lock_all(Account, (account.id for account in found))
        return found[0] if found else None


class MemoryTransfers:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: TransferId) -> Transfer:
        transfer = await self._session.find(Transfer, id)
        if transfer is None:
            raise TransferNotFound
        return transfer

    def add(self, transfer: Transfer) -> None:
        self._session.add(transfer)


_ACCOUNT_SORTS: Final[dict[str, Callable[[AccountDetails], Any]]] = {
    "created_at": attrgetter("created_at"),
}
_ENTRY_SORTS: Final[dict[str, Callable[[EntryDetails], Any]]] = {"at": attrgetter("at")}


class MemoryAccountQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: AccountId) -> AccountDetails | None:
        account = self._database.get(Account, id)
        return AccountDetails.of(account) if account else None

    async def page(self, request: PageRequest, wanted: AccountFilter) -> Page[AccountDetails]:
        def fits(account: Account) -> bool:
            return wanted.owner_id in (None, account.owner_id) and wanted.currency in (
                None,
                account.currency,
            )

        found = map(AccountDetails.of, filter(fits, self._database.all(Account)))
        return page(found, request, sorts=_ACCOUNT_SORTS, id=attrgetter("id"))

    async def entries(self, id: AccountId, request: PageRequest) -> Page[EntryDetails]:
        found = (
            EntryDetails(
                id=entry.id,
                transfer_id=transfer.id,
                amount=entry.amount,
                balance_after=entry.balance_after,
                at=entry.at,
            )
            for transfer in self._database.all(Transfer)
            for entry in transfer.entries
            if entry.account_id == id
        )
        return page(found, request, sorts=_ENTRY_SORTS, id=attrgetter("id"))


class MemoryTransferQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(
        self, id: TransferId, *, of_owner: UserId | None = None
    ) -> TransferDetails | None:
        transfer = self._database.get(Transfer, id)
        if transfer is None or of_owner not in (None, *self._owners(transfer)):
            return None
        return TransferDetails.of(transfer)

    def _owners(self, transfer: Transfer) -> list[UserId | None]:
        accounts = (self._database.get(Account, entry.account_id) for entry in transfer.entries)
        return [account.owner_id for account in accounts if account]
