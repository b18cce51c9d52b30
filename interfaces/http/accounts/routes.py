from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Response

from application.accounts.opening import Opening
from application.accounts.queries import AccountDetails, AccountFilter, TransferDetails
from application.accounts.statements import Statements
from application.accounts.transfers import Bookkeeping
from domain.accounts.account import AccountId
from domain.accounts.transfer import Transfer, TransferId
from domain.identity.user import UserId
from domain.shared.money import Currency
from interfaces.http.accounts.schemas import (
    AccountOut,
    CurrencyText,
    EntryOut,
    MakeDeposit,
    MakeTransfer,
    OpenAccount,
    TransferOut,
)
from interfaces.http.answers import resource
from interfaces.http.dependencies import CurrentActor, KnownVersion, reading, use_case
from interfaces.http.openapi import problems
from interfaces.http.pages import ListOf, Paging, paging
from interfaces.http.routing import RehearsableRoute, router
from interfaces.http.schemas import Id

OpeningService = Annotated[Opening, use_case(lambda shop: shop.opening)]
BookkeepingService = Annotated[Bookkeeping, use_case(lambda shop: shop.bookkeeping)]
StatementsService = Annotated[Statements, reading(lambda shop: shop.statements)]

AccountPaging = Annotated[Paging, paging("created_at", usual="-created_at")]
EntryPaging = Annotated[Paging, paging("at", usual="-at")]

AccountList = ListOf[AccountOut]
EntryList = ListOf[EntryOut]

accounts = router("/v1/accounts", "accounts", RehearsableRoute)
transfers = router("/v1/transfers", "accounts", RehearsableRoute)


@accounts.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=AccountOut,
    responses=problems("user-not-found", "duplicate"),
)
async def open_account(body: OpenAccount, actor: CurrentActor, opening: OpeningService) -> Response:
    """Give a user an account of store credit, one in each currency."""
    account = await opening.open(actor, UserId(body.owner_id), _currency(body.currency))
    view = AccountOut.of(AccountDetails.of(account))
    return resource(view, HTTPStatus.CREATED, location=f"/v1/accounts/{account.id}")


@accounts.get("", response_model=AccountList)
async def list_accounts(
    paging: AccountPaging,
    actor: CurrentActor,
    statements: StatementsService,
    owner_id: Id | None = None,
    currency: Annotated[CurrencyText | None, Query()] = None,
) -> Response:
    """One's own accounts; for staff all of them, those of the shop itself included."""
    wanted = AccountFilter(
        owner_id=UserId(owner_id) if owner_id else None,
        currency=_currency(currency),
    )
    page = await statements.list(actor, paging.asked, wanted)
    return paging.listed(AccountList, page, AccountOut.of)


@accounts.get(
    "/{id}",
    response_model=AccountOut,
    responses=problems("account-not-found"),
    dependencies=[KnownVersion],
)
async def get_account(id: Id, actor: CurrentActor, statements: StatementsService) -> Response:
    return resource(AccountOut.of(await statements.account(actor, AccountId(id))))


@accounts.get("/{id}/entries", response_model=EntryList, responses=problems("account-not-found"))
async def list_entries(
    id: Id, paging: EntryPaging, actor: CurrentActor, statements: StatementsService
) -> Response:
    """What went into the account and out of it, and the balance after each; they add up to it."""
    page = await statements.entries(actor, AccountId(id), paging.asked)
    return paging.listed(EntryList, page, EntryOut.of)


@accounts.post(
    "/{id}/deposits",
    status_code=HTTPStatus.CREATED,
    response_model=TransferOut,
    responses=problems(
        "account-not-found", "balance-too-large", "currency-mismatch", "invalid-value"
    ),
)
async def make_deposit(
    id: Id, body: MakeDeposit, actor: CurrentActor, bookkeeping: BookkeepingService
) -> Response:
    """Issue credit: a transfer from the shop's own account of the currency, which may owe."""
    return _made(
        await bookkeeping.deposit(
            actor, AccountId(id), body.amount.amount, reference=body.reference
        )
    )


@transfers.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=TransferOut,
    responses=problems(
        "account-not-found",
        "insufficient-funds",
        "balance-too-large",
        "currency-mismatch",
        "invalid-value",
    ),
)
async def make_transfer(
    body: MakeTransfer, actor: CurrentActor, bookkeeping: BookkeepingService
) -> Response:
    """Move credit from one's own account to any other, all of it or nothing."""
    return _made(
        await bookkeeping.transfer(
            actor,
            AccountId(body.from_account_id),
            AccountId(body.to_account_id),
            body.amount.amount,
            memo=body.memo,
        )
    )


@transfers.get(
    "/{id}",
    response_model=TransferOut,
    responses=problems("transfer-not-found"),
    dependencies=[KnownVersion],
)
async def get_transfer(id: Id, actor: CurrentActor, statements: StatementsService) -> Response:
    return resource(TransferOut.of(await statements.transfer(actor, TransferId(id))))


def _currency(code: str | None) -> Currency | None:
    return Currency.of(code) if code else None


def _made(transfer: Transfer) -> Response:
    view = TransferOut.of(TransferDetails.of(transfer))
    return resource(view, HTTPStatus.CREATED, location=f"/v1/transfers/{transfer.id}")
