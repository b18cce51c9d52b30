from dataclasses import dataclass, replace

import pytest

from application.accounts.queries import AccountDetails, AccountFilter, TransferDetails
from application.accounts.statements import Statements
from application.identity.actor import Actor
from application.shared.pages import PageRequest, Sort
from domain.accounts.account import Account, AccountId, AccountNotFound
from domain.accounts.transfer import Transfer, TransferId, TransferNotFound
from domain.identity.user import Role, User, UserId
from domain.shared.money import Currency
from tests.builders import a_house, a_transfer, a_user, actor_of, an_account, an_actor, gbp
from tests.unit.shop import Shop

NEWEST_FIRST = PageRequest(sort=Sort("created_at", descending=True), limit=20, with_total=True)
LATEST_FIRST = PageRequest(sort=Sort("at", descending=True), limit=20, with_total=True)
STAFF = an_actor(Role.STAFF)


@dataclass(frozen=True, slots=True)
class Books:
    """Ada got five pounds from the shop and gave two of them to Bob; Eve has got nothing."""

    ada: User
    bob: User
    eve: User
    house: Account
    adas: Account
    bobs: Account
    eves: Account
    deposit: Transfer
    gift: Transfer


@pytest.fixture
async def books(shop: Shop) -> Books:
    clerk, ada, bob, eve = a_user(role=Role.STAFF), a_user(), a_user(), a_user()
    house, adas, bobs, eves = a_house(), an_account(ada), an_account(bob), an_account(eve)
    deposit = a_transfer(house, adas, gbp("5"), reference="gift card", actor=clerk)
    gift = a_transfer(adas, bobs, gbp("2"), memo="tea", actor=ada)
    await shop.keep(clerk, ada, bob, eve, house, adas, bobs, eves, deposit, gift)
    return Books(ada, bob, eve, house, adas, bobs, eves, deposit, gift)


@pytest.fixture
def statements(shop: Shop) -> Statements:
    return Statements(shop.accounts, shop.transfers)


async def listed(statements: Statements, actor: Actor, wanted: AccountFilter) -> set[object]:
    page = await statements.list(actor, NEWEST_FIRST, wanted)
    assert page.total == len(page.items)
    return {account.id for account in page.items}


async def test_an_account_is_for_its_owner_and_for_staff(
    shop: Shop, statements: Statements, books: Books
) -> None:
    for actor in (actor_of(books.ada), STAFF, an_actor(Role.ADMIN)):
        found = await statements.account(actor, AccountId(books.adas.id))
        assert found == AccountDetails.of(shop.now(books.adas))
        assert found.balance == gbp("3")


async def test_somebody_elses_account_looks_like_none(statements: Statements, books: Books) -> None:
    for account in (books.bobs, books.house, an_account()):
        with pytest.raises(AccountNotFound, match="there is no such account"):
            await statements.account(actor_of(books.ada), AccountId(account.id))
        with pytest.raises(AccountNotFound):
            await statements.entries(actor_of(books.ada), AccountId(account.id), LATEST_FIRST)


async def test_customers_see_their_own_accounts_and_staff_all_with_those_of_the_house(
    statements: Statements, books: Books
) -> None:
    everything = AccountFilter()
    assert await listed(statements, actor_of(books.ada), everything) == {books.adas.id}
    assert await listed(statements, an_actor(), everything) == set()
    assert await listed(statements, STAFF, everything) == {
        account.id for account in (books.house, books.adas, books.bobs, books.eves)
    }


async def test_a_customer_who_asks_for_the_accounts_of_another_sees_none(
    statements: Statements, books: Books
) -> None:
    of_ada = AccountFilter(owner_id=UserId(books.ada.id))
    assert await listed(statements, actor_of(books.bob), of_ada) == set()
    assert await listed(statements, actor_of(books.ada), of_ada) == {books.adas.id}
    assert await listed(statements, STAFF, of_ada) == {books.adas.id}


async def test_accounts_are_found_by_their_currency(
    shop: Shop, statements: Statements, books: Books
) -> None:
    dollars = an_account(books.ada, currency="USD")
    await shop.keep(dollars)
    wanted = AccountFilter(currency=Currency.of("USD"))
    for actor in (STAFF, actor_of(books.ada)):
        assert await listed(statements, actor, wanted) == {dollars.id}
    assert await listed(statements, actor_of(books.bob), wanted) == set()


async def test_nobody_is_told_a_total_who_did_not_ask_for_one(
    statements: Statements, books: Books
) -> None:
    request = replace(NEWEST_FIRST, with_total=False)
    of_ada = AccountFilter(owner_id=UserId(books.ada.id))
    for actor in (actor_of(books.ada), actor_of(books.bob), STAFF):
        assert (await statements.list(actor, request, of_ada)).total is None


async def test_a_statement_says_what_came_and_went_and_what_was_left(
    statements: Statements, books: Books
) -> None:
    for actor in (actor_of(books.ada), STAFF):
        page = await statements.entries(actor, AccountId(books.adas.id), LATEST_FIRST)
        assert page.total == 2
        assert [(entry.transfer_id, entry.amount, entry.balance_after) for entry in page.items] == [
            (books.gift.id, gbp("-2"), gbp("3")),
            (books.deposit.id, gbp("5"), gbp("5")),
        ]
    page = await statements.entries(actor_of(books.eve), AccountId(books.eves.id), LATEST_FIRST)
    assert (page.items, page.total) == ([], 0)


async def test_a_transfer_is_for_the_owners_of_both_accounts_and_for_staff(
    statements: Statements, books: Books
) -> None:
    gift = TransferDetails.of(books.gift)
    for actor in (actor_of(books.ada), STAFF):
        assert await statements.transfer(actor, TransferId(books.gift.id)) == gift
    seen = await statements.transfer(actor_of(books.bob), TransferId(books.gift.id))
    assert seen == replace(gift, actor_id=None)
    for actor in (actor_of(books.eve), an_actor()):
        with pytest.raises(TransferNotFound, match="there is no such transfer"):
            await statements.transfer(actor, TransferId(books.gift.id))


async def test_whoever_gets_credit_is_not_told_who_gave_it(
    statements: Statements, books: Books
) -> None:
    for transfer, actor in ((books.deposit, books.ada), (books.gift, books.bob)):
        seen = await statements.transfer(actor_of(actor), TransferId(transfer.id))
        assert seen.actor_id is None
        told = await statements.transfer(STAFF, TransferId(transfer.id))
        assert told.actor_id == transfer.actor_id


async def test_a_transfer_that_is_not_there_is_not_found(statements: Statements) -> None:
    unknown = a_transfer(a_house(), an_account())
    for actor in (STAFF, an_actor()):
        with pytest.raises(TransferNotFound):
            await statements.transfer(actor, TransferId(unknown.id))
