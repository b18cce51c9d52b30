from collections.abc import Callable
from dataclasses import dataclass

from application.accounts.ports import AccountsWork
from application.identity.actor import Actor
from application.shared.clock import Clock
from domain.accounts.account import Account, AccountId, AccountNotFound
from domain.accounts.transfer import Transfer
from domain.identity.user import Permission
from domain.shared.money import Currency, Money


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Moving store credit from account to account."""

    begin: Callable[[], AccountsWork]
    clock: Clock

    async def deposit(
        self, actor: Actor, id: AccountId, amount: Money, *, reference: str
    ) -> Transfer:
        """Issue credit from the house account of the currency, which its first use opens."""
        actor.require(Permission.MANAGE_ACCOUNTS)
        async with self.begin() as work:
            account = await work.accounts.get(id)
            house = await self._house(work, account.currency)
            # The house account, which every deposit needs, is locked in its place among the ids,
            # mostly as the first. To lock it last would be a second order beside theirs, and two
            # orders are a deadlock; instead no other lock is asked for between here and the commit.
            await work.accounts.lock_all([id, AccountId(house.id)])
            transfer = Transfer.between(
                house, account, amount, reference=reference, actor_id=actor.id, at=self.clock()
            )
            work.transfers.add(transfer)
            await work.commit()
        return transfer

    async def transfer(
        self,
        actor: Actor,
        source_id: AccountId,
        target_id: AccountId,
        amount: Money,
        *,
        memo: str | None = None,
    ) -> Transfer:
        """From one's own account to any other; for staff from any."""
        async with self.begin() as work:
            locked = await work.accounts.lock_all([source_id, target_id])
            accounts = {AccountId(account.id): account for account in locked}
            source, target = accounts.get(source_id), accounts.get(target_id)
            if source is None or not _may_use(actor, source):
                raise AccountNotFound(account_id=source_id)
            if target is None:
                raise AccountNotFound(account_id=target_id)
            transfer = Transfer.between(
                source, target, amount, memo=memo, actor_id=actor.id, at=self.clock()
            )
            work.transfers.add(transfer)
            await work.commit()
        return transfer

    async def _house(self, work: AccountsWork, currency: Currency) -> Account:
        house = await work.accounts.house(currency)
        if house is None:
            house = Account.open(None, currency, at=self.clock())
            work.accounts.add(house)
            # Of two who open it at once one fails here, to be tried again and find it there.
            await work.flush()
        return house


def _may_use(actor: Actor, account: Account) -> bool:
    return account.owner_id == actor.id or actor.may(Permission.MANAGE_ACCOUNTS)
