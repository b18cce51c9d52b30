from collections.abc import Callable
from dataclasses import dataclass

from application.accounts.ports import AccountsWork
from application.identity.actor import Actor
from application.shared.clock import Clock
from domain.accounts.account import Account
from domain.identity.user import Permission, UserId
from domain.shared.money import Currency


@dataclass(frozen=True, slots=True)
class Opening:
    """Giving users accounts of store credit; `usual` is the currency where none is named."""

    begin: Callable[[], AccountsWork]
    usual: Currency
    clock: Clock

    async def open(
        self, actor: Actor, owner_id: UserId, currency: Currency | None = None
    ) -> Account:
        """An empty account, or AccountExists where the owner has one in this currency."""
        actor.require(Permission.MANAGE_ACCOUNTS)
        async with self.begin() as work:
            owner = await work.users.get(owner_id)
            account = Account.open(UserId(owner.id), currency or self.usual, at=self.clock())
            work.accounts.add(account)
            await work.commit()
        return account
