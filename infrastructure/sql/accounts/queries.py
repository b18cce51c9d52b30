from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.accounts.queries import (
    AccountDetails,
    AccountFilter,
    EntryDetails,
    TransferDetails,
)
from application.shared.pages import Page, PageRequest
from domain.accounts.account import AccountId
from domain.accounts.transfer import TransferId
from domain.identity.user import UserId
from domain.shared.money import Money
from infrastructure.sql.accounts.mapping import accounts, entries, transfers
from infrastructure.sql.pages import AnyRow, page

_ACCOUNTS = select(*(column for column in accounts.c if column.name != "sequence"))
_ACCOUNT = _ACCOUNTS.where(accounts.c.id == bindparam("id"))
_ACCOUNT_SORTS = {"created_at": accounts.c.created_at}
_ENTRIES = select(*(column for column in entries.c if column.name != "position"))
_ENTRY_SORTS = {"at": entries.c.at}

# A row of each entry, with the owner of its account.
_TRANSFER = (
    select(
        *(column for column in transfers.c if column.name != "sequence"),
        entries.c.account_id,
        entries.c.amount_minor,
        entries.c.currency,
        accounts.c.owner_id,
    )
    .join_from(transfers, entries, entries.c.transfer_id == transfers.c.id)
    .join(accounts, accounts.c.id == entries.c.account_id)
    .where(transfers.c.id == bindparam("id"))
    .order_by(entries.c.position)
)


class SqlAccountQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id: AccountId) -> AccountDetails | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ACCOUNT, {"id": id})).one_or_none()
        return _account(row) if row else None

    async def page(self, request: PageRequest, wanted: AccountFilter) -> Page[AccountDetails]:
        statement = _ACCOUNTS
        if wanted.owner_id is not None:
            statement = statement.where(accounts.c.owner_id == wanted.owner_id)
        if wanted.currency is not None:
            statement = statement.where(accounts.c.currency == wanted.currency)
        return await page(
            self._engine,
            statement,
            request,
            sorts=_ACCOUNT_SORTS,
            id=accounts.c.id,
            record=_account,
        )

    async def entries(self, id: AccountId, request: PageRequest) -> Page[EntryDetails]:
        return await page(
            self._engine,
            _ENTRIES.where(entries.c.account_id == id),
            request,
            sorts=_ENTRY_SORTS,
            id=entries.c.id,
            record=_entry,
        )


class SqlTransferQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(
        self, id: TransferId, *, of_owner: UserId | None = None
    ) -> TransferDetails | None:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_TRANSFER, {"id": id})).all()
        if not rows or of_owner not in (None, *(row.owner_id for row in rows)):
            return None
        source, target = rows
        return TransferDetails(
            id=source.id,
            from_account_id=source.account_id,
            to_account_id=target.account_id,
            amount=Money(target.amount_minor, target.currency),
            memo=source.memo,
            reference=source.reference,
            actor_id=source.actor_id,
            created_at=source.created_at,
            version=source.version,
        )


def _account(row: AnyRow) -> AccountDetails:
    return AccountDetails(
        id=row.id,
        owner_id=row.owner_id,
        balance=Money(row.balance_minor, row.currency),
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _entry(row: AnyRow) -> EntryDetails:
    return EntryDetails(
        id=row.id,
        transfer_id=row.transfer_id,
        amount=Money(row.amount_minor, row.currency),
        balance_after=Money(row.balance_after_minor, row.currency),
        at=row.at,
    )
