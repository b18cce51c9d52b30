from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from application.accounts.queries import AccountDetails, EntryDetails, TransferDetails
from domain.accounts.transfer import MEMO_LENGTH, REFERENCE_LENGTH
from domain.shared.money import CURRENCIES, Currency
from interfaces.http.schemas import (
    Body,
    Id,
    Line,
    MoneyIn,
    MoneyOut,
    Timestamp,
    View,
    checked,
)

CurrencyText = Annotated[
    str,
    AfterValidator(checked(lambda code: Currency.of(code).code)),
    WithJsonSchema({"type": "string", "enum": sorted(CURRENCIES), "examples": ["USD"]}),
]

_TEN_DOLLARS: Final[dict[str, Any]] = {"amount": "10.00", "currency": "USD"}


class OpenAccount(Body):
    """Without a `currency` it is opened in the shop's usual one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"owner_id": "01a19467-e800-7000-8000-0000000000ad", "currency": "USD"}]
        }
    )

    owner_id: Id
    currency: CurrencyText | None = None


class MakeDeposit(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": _TEN_DOLLARS, "reference": "gift card 1815"}]}
    )

    amount: MoneyIn
    reference: Annotated[str, Line(REFERENCE_LENGTH)]


class MakeTransfer(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "from_account_id": "01a19467-e800-7000-8000-0000000000a1",
                    "to_account_id": "01a19467-e800-7000-8000-0000000000a2",
                    "amount": _TEN_DOLLARS,
                    "memo": "Happy birthday",
                }
            ]
        }
    )

    from_account_id: Id
    to_account_id: Id
    amount: MoneyIn
    memo: Annotated[str, Line(MEMO_LENGTH)] | None = None


class AccountOut(View):
    id: UUID
    owner_id: UUID | None = Field(description="null for an account of the shop itself")
    balance: MoneyOut
    version: int

    @classmethod
    def of(cls, account: AccountDetails) -> Self:
        return cls(
            id=account.id,
            owner_id=account.owner_id,
            balance=MoneyOut.of(account.balance),
            version=account.version,
        )


class EntryOut(View):
    id: UUID
    transfer_id: UUID
    amount: MoneyOut = Field(description="below zero where it left the account")
    balance_after: MoneyOut
    at: Timestamp

    @classmethod
    def of(cls, entry: EntryDetails) -> Self:
        return cls(
            id=entry.id,
            transfer_id=entry.transfer_id,
            amount=MoneyOut.of(entry.amount),
            balance_after=MoneyOut.of(entry.balance_after),
            at=entry.at,
        )


class TransferOut(View):
    id: UUID
    from_account_id: UUID
    to_account_id: UUID
    amount: MoneyOut
    memo: str | None
    reference: str | None
    actor_id: UUID | None = Field(description="who made it; for customers null, if not themselves")
    created_at: Timestamp
    version: int

    @classmethod
    def of(cls, transfer: TransferDetails) -> Self:
        return cls(
            id=transfer.id,
            from_account_id=transfer.from_account_id,
            to_account_id=transfer.to_account_id,
            amount=MoneyOut.of(transfer.amount),
            memo=transfer.memo,
            reference=transfer.reference,
            actor_id=transfer.actor_id,
            created_at=transfer.created_at,
            version=transfer.version,
        )
