from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts.account import Account, AccountId, AccountNotFound
from domain.accounts.transfer import Transfer, TransferId, TransferNotFound
from domain.identity.user import UserId
from domain.shared.money import Currency
from infrastructure.sql.accounts.mapping import accounts, transfers
from infrastructure.sql.session import found, locking


class SqlAccounts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: AccountId, *, lock: bool = False) -> Account:
        account = await found(self._session, select(Account).where(accounts.c.id == id), lock=lock)
        if account is None:
            raise AccountNotFound
        return account

    async def lock_all(self, ids: Iterable[AccountId]) -> Sequence[Account]:
        statement = select(Account).where(accounts.c.id.in_({*ids})).order_by(accounts.c.id)
        return (await self._session.scalars(locking(statement))).all()

    async def house(self, currency: Currency, *, lock: bool = False) -> Account | None:
        statement = select(Account).where(
            accounts.c.owner_id.is_(None), accounts.c.currency == currency
        )
        return await found(self._session, statement, lock=lock)

    async def of_owner(
        self, owner_id: UserId, currency: Currency, *, lock: bool = False
    ) -> Account | None:
        statement = select(Account).where(
            accounts.c.owner_id == owner_id, accounts.c.currency == currency
        )
        return await found(self._session, statement, lock=lock)

    def add(self, account: Account) -> None:
        self._session.add(account)


class SqlTransfers:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: TransferId) -> Transfer:
        transfer = await found(
            self._session, select(Transfer).where(transfers.c.id == id), lock=False
        )
        if transfer is None:
            raise TransferNotFound
        return transfer

    def add(self, transfer: Transfer) -> None:
        self._session.add(transfer)
