from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event
from domain.shared.money import Money


@dataclass(frozen=True, kw_only=True)
class AccountOpened(Event):
    """`owner_id` is None for the house account of the currency."""

    name = "account.opened"
    account_id: UUID
    owner_id: UUID | None
    currency: str


@dataclass(frozen=True, kw_only=True)
class TransferMade(Event):
    """`actor_id` is None for the operator of the shop's machine."""

    name = "transfer.made"
    transfer_id: UUID
    from_account_id: UUID
    to_account_id: UUID
    amount: Money
    actor_id: UUID | None
