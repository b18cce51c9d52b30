"""What is true of the accounts of a shop at every moment, whatever happened to them."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from application.accounts.queries import AccountDetails, AccountFilter, EntryDetails
from domain.accounts.account import AccountId
from domain.accounts.transfer import TransferId
from domain.shared.money import Money
from tests.contract.backends import Backend
from tests.contract.steps import everything


async def audited(backend: Backend) -> dict[UUID, Money]:
    """The balance of every account, once everything is found to add up."""
    balances = {}
    changes: dict[UUID, dict[UUID, Money]] = defaultdict(dict)  # by transfer and account
    for account in (await backend.accounts.page(everything("created_at"), AccountFilter())).items:
        entries = (await backend.accounts.entries(AccountId(account.id), everything("at"))).items
        _adds_up(account, entries)
        balances[account.id] = account.balance
        for entry in entries:
            assert account.id not in changes[entry.transfer_id]
            changes[entry.transfer_id][account.id] = entry.amount
    for id, by_account in changes.items():
        found = await backend.transfers.find(TransferId(id))
        assert found is not None
        assert by_account == {
            found.from_account_id: found.amount * -1,
            found.to_account_id: found.amount,
        }
        assert found.amount.minor > 0
    return balances


def _adds_up(account: AccountDetails, entries: Sequence[EntryDetails]) -> None:
    """Entry by entry they lead to the balance, which only that of the house may be below zero."""
    balance = Money(0, account.balance.currency)
    moment = account.created_at
    for entry in entries:
        balance += entry.amount
        assert entry.balance_after == balance
        assert account.owner_id is None or balance.minor >= 0
        assert entry.at > moment
        moment = entry.at
    assert (account.balance, account.updated_at) == (balance, moment)
