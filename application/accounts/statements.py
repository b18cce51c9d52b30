from dataclasses import dataclass, replace

from application.accounts.queries import (
    AccountDetails,
    AccountFilter,
    AccountQueries,
    EntryDetails,
    TransferDetails,
    TransferQueries,
)
from application.identity.actor import Actor
from application.shared.pages import Page, PageRequest
from domain.accounts.account import AccountId, AccountNotFound
from domain.accounts.transfer import TransferId, TransferNotFound
from domain.identity.user import Permission


@dataclass(frozen=True, slots=True)
class Statements:
    """Looking at accounts: owners at their own, staff at all, the shop's own included."""

    accounts: AccountQueries
    transfers: TransferQueries

    async def account(self, actor: Actor, id: AccountId) -> AccountDetails:
        found = await self.accounts.find(id)
        if found is None or (found.owner_id != actor.id and not _sees_all(actor)):
            raise AccountNotFound
        return found

    async def list(
        self, actor: Actor, request: PageRequest, wanted: AccountFilter
    ) -> Page[AccountDetails]:
        if not _sees_all(actor):
            if wanted.owner_id not in (None, actor.id):
                return Page([], total=0 if request.with_total else None)
            wanted = replace(wanted, owner_id=actor.id)
        return await self.accounts.page(request, wanted)

    async def entries(
        self, actor: Actor, id: AccountId, request: PageRequest
    ) -> Page[EntryDetails]:
        await self.account(actor, id)
        return await self.accounts.entries(id, request)

    async def transfer(self, actor: Actor, id: TransferId) -> TransferDetails:
        """For the owners of both accounts and for staff."""
        if _sees_all(actor):
            found = await self.transfers.find(id)
        else:
            found = await self.transfers.find(id, of_owner=actor.id)
        if found is None:
            raise TransferNotFound
        # Whoever made it is mostly the other owner, and is not to be told.
        known = _sees_all(actor) or found.actor_id == actor.id
        return found if known else replace(found, actor_id=None)


def _sees_all(actor: Actor) -> bool:
    return actor.may(Permission.MANAGE_ACCOUNTS)
