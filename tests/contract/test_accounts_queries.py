from datetime import timedelta
from operator import attrgetter
from uuid import uuid4

import pytest

from application.accounts.queries import (
    AccountDetails,
    AccountFilter,
    EntryDetails,
    TransferDetails,
)
from application.shared.pages import Page, PageRequest, Sort
from domain.accounts.account import AccountId
from domain.accounts.transfer import Transfer, TransferId
from domain.identity.user import User, UserId
from domain.shared.money import Currency
from tests.builders import NOON, a_house, a_transfer, a_user, an_account, gbp
from tests.contract.backends import Backend
from tests.contract.steps import everything
from tests.contract.walking import each_page_is_right

both_ways = pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])


async def test_an_account_is_found_with_all_that_is_known_of_it(backend: Backend) -> None:
    ada, house = a_user(), a_house(currency="KWD")
    purse = an_account(ada, currency="KWD")
    transfer = a_transfer(house, purse, actor=ada)
    await backend.keep(ada, house, purse, transfer, an_account(ada))

    for account in (house, purse):
        found = await backend.accounts.find(AccountId(account.id))
        assert found == AccountDetails.of(account)
    assert await backend.accounts.find(AccountId(uuid4())) is None


async def test_an_account_is_seen_as_it_is_now(backend: Backend) -> None:
    ada, house = a_user(), a_house()
    purse = an_account(ada)
    await backend.keep(ada, house, purse)
    async with backend.begin() as work:
        ids = [AccountId(house.id), AccountId(purse.id)]
        source, target = [await work.accounts.get(id) for id in ids]
        later = NOON + timedelta(hours=1)
        work.transfers.add(a_transfer(source, target, gbp("2"), actor=ada, at=later))
        await work.commit()

    found = await backend.accounts.find(ids[1])
    assert found == AccountDetails.of(target)
    assert (found.balance, found.updated_at, found.version) == (gbp("2"), later, 2)


@both_ways
async def test_accounts_are_listed_in_order(backend: Backend, descending: bool) -> None:
    owners = [a_user() for _ in range(10)]
    accounts = [
        an_account(owner, at=NOON - timedelta(microseconds=number % 4))
        for number, owner in enumerate(owners)
    ]
    await backend.keep(*owners, *accounts)

    async def pages(request: PageRequest) -> Page[AccountDetails]:
        return await backend.accounts.page(request, AccountFilter())

    rows = [AccountDetails.of(account) for account in accounts]
    await each_page_is_right(pages, rows, Sort("created_at", descending), attrgetter("created_at"))


async def test_accounts_are_filtered(backend: Backend) -> None:
    ada, bob = a_user(), a_user()
    house = a_house()
    pounds, dollars = an_account(ada), an_account(ada, currency="USD")
    his = an_account(bob)
    await backend.keep(ada, bob, house, pounds, dollars, his)

    async def found(wanted: AccountFilter) -> set[object]:
        request = PageRequest(sort=Sort("created_at"), limit=10, with_total=True)
        page = await backend.accounts.page(request, wanted)
        assert page.total == len(page.items)
        return {row.id for row in page.items}

    adas, gbp_, usd_ = UserId(ada.id), Currency.of("GBP"), Currency.of("USD")
    assert await found(AccountFilter()) == {house.id, pounds.id, dollars.id, his.id}
    assert await found(AccountFilter(owner_id=adas)) == {pounds.id, dollars.id}
    assert await found(AccountFilter(currency=gbp_)) == {house.id, pounds.id, his.id}
    assert await found(AccountFilter(owner_id=adas, currency=usd_)) == {dollars.id}
    assert await found(AccountFilter(owner_id=UserId(bob.id), currency=usd_)) == set()
    assert await found(AccountFilter(owner_id=UserId(uuid4()))) == set()


@both_ways
async def test_the_entries_of_an_account_are_listed_in_order(
    backend: Backend, descending: bool
) -> None:
    ada, bob, house = a_user(), a_user(), a_house()
    purse, jar = an_account(ada), an_account(bob)
    pairs = [(house, purse), (house, jar), (purse, jar), (jar, purse), (purse, house)] * 2
    transfers = [
        a_transfer(*pair, gbp("1"), actor=ada, at=NOON - timedelta(seconds=number))
        for number, pair in enumerate(pairs)
    ]
    await backend.keep(ada, bob, house, purse, jar, *transfers)
    rows = [
        EntryDetails(
            id=entry.id,
            transfer_id=transfer.id,
            amount=entry.amount,
            balance_after=entry.balance_after,
            at=entry.at,
        )
        for transfer in transfers
        for entry in transfer.entries
        if entry.account_id == purse.id
    ]
    assert [row.amount.minor // 100 for row in rows] == [1, -1, 1, -1] * 2

    async def pages(request: PageRequest) -> Page[EntryDetails]:
        return await backend.accounts.entries(AccountId(purse.id), request)

    await each_page_is_right(pages, rows, Sort("at", descending), attrgetter("at"))


async def test_an_account_without_transfers_has_no_entries(backend: Backend) -> None:
    await backend.keep(ada := a_user(), purse := an_account(ada))
    for id in (AccountId(purse.id), AccountId(uuid4())):
        assert (await backend.accounts.entries(id, everything("at"))).items == []


async def test_a_transfer_is_found_by_anybody_or_by_an_owner_of_its_accounts(
    backend: Backend,
) -> None:
    ada, bob, eve, house = a_user(), a_user(), a_user(), a_house()
    purse, jar = an_account(ada), an_account(bob)
    deposit = a_transfer(house, purse, reference="r", actor=eve)
    gift = a_transfer(purse, jar, memo="tea", actor=ada)
    await backend.keep(ada, bob, eve, house, purse, jar, an_account(eve), deposit, gift)

    async def found(transfer: Transfer, owner: User | None = None) -> TransferDetails | None:
        of_owner = UserId(owner.id) if owner else None
        return await backend.transfers.find(TransferId(transfer.id), of_owner=of_owner)

    assert await found(gift) == TransferDetails.of(gift)
    assert await found(gift, ada) == await found(gift, bob) == TransferDetails.of(gift)
    assert await found(gift, eve) is None
    assert await found(deposit) == await found(deposit, ada) == TransferDetails.of(deposit)
    assert await found(deposit, bob) is None
    assert await found(deposit, eve) is None
    assert await found(a_transfer(house, purse)) is None
