"""What is true of the accounts of a shop at every moment, whatever happened to them."""

from typing import Final
from uuid import UUID

from application.accounts.queries import AccountFilter
from application.auditing.checks import BALANCES, DEBTS, REFERENCES, RUNNING, TRANSFERS
from application.shared.clock import utc_now
from domain.shared.money import Money
from tests.contract.backends import Backend
from tests.contract.steps import everything

_OF_ACCOUNTS: Final = (TRANSFERS, BALANCES, RUNNING, DEBTS, REFERENCES)


async def audited(backend: Backend) -> dict[UUID, Money]:
    """The balance of every account, once everything is found to add up."""
    verdicts = await backend.audits.verdicts(at=utc_now())
    assert [one for one in verdicts if one.check in _OF_ACCOUNTS and one.offenders] == []
    accounts = (await backend.accounts.page(everything("created_at"), AccountFilter())).items
    return {account.id: account.balance for account in accounts}
