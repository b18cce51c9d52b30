from asyncio import create_task
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from application.shared.errors import InUse, StaleWrite
from domain.accounts.account import LARGEST_BALANCE, Account, AccountId, AccountNotFound
from domain.accounts.transfer import (
    MEMO_LENGTH,
    REFERENCE_LENGTH,
    Transfer,
    TransferId,
    TransferNotFound,
)
from domain.identity.user import Role, User, UserId
from domain.shared.money import CURRENCIES, Currency, Money
from infrastructure.memory.copying import state_of
from infrastructure.sql.accounts.mapping import accounts, entries
from tests.builders import NOON, a_house, a_transfer, a_user, an_account, gbp
from tests.contract.backends import Backend, ShopWork, SqlBackend
from tests.contract.ledger import audited
from tests.contract.steps import failing, user_in, waits

GBP, KWD = Currency.of("GBP"), Currency.of("KWD")


async def account_in(work: ShopWork, account: Account, *, lock: bool = False) -> Account:
    return await work.accounts.get(AccountId(account.id), lock=lock)


async def lock_accounts(work: ShopWork, *wanted: Account) -> list[Account]:
    return [*await work.accounts.lock_all([AccountId(account.id) for account in wanted])]


async def kept_pair(backend: Backend, ada: User, amount: Money) -> tuple[Account, Account]:
    """The house, and an account of Ada's that got so much from it."""
    house, purse = a_house(), an_account(ada)
    transfer = a_transfer(house, purse, amount, actor=ada)
    await backend.keep(ada, house, purse, transfer)
    return house, purse


@pytest.mark.parametrize("currency", ["JPY", "GBP", "KWD", "CLF"])
async def test_an_account_comes_back_as_it_was(backend: Backend, currency: str) -> None:
    ada, house = a_user(), a_house(currency=currency)
    purse = an_account(ada, currency=currency)
    transfer = a_transfer(house, purse, Money(LARGEST_BALANCE, CURRENCIES[currency]), actor=ada)
    await backend.keep(ada, house, purse, transfer)

    async with backend.begin() as work:
        for account in (house, purse):
            assert state_of(await account_in(work, account)) == state_of(account)
    assert (house.version, purse.version) == (1, 1)
    assert house.balance.minor == -LARGEST_BALANCE


async def test_a_transfer_comes_back_as_it_was(backend: Backend) -> None:
    ada, house = a_user(), a_house(currency="KWD")
    purse = an_account(ada, currency="KWD")
    full = a_transfer(
        house,
        purse,
        Money(1, KWD),
        memo="\U0001f375" * MEMO_LENGTH,
        reference="ß" * REFERENCE_LENGTH,
        actor=ada,
    )
    bare = a_transfer(purse, house, Money(1, KWD), actor=ada)
    await backend.keep(ada, house, purse, full, bare)

    async with backend.begin() as work:
        for transfer in (bare, full):
            found = await work.transfers.get(TransferId(transfer.id))
            assert state_of(found) == state_of(transfer)
    assert (full.version, bare.version) == (1, 1)


async def test_a_transfer_and_both_balances_are_kept_together(backend: Backend) -> None:
    ada = a_user()
    house, purse = await kept_pair(backend, ada, gbp("5"))

    async with backend.begin() as work:
        source, target = await account_in(work, purse), await account_in(work, house)
        work.transfers.add(a_transfer(source, target, gbp("2"), actor=ada))
        await work.commit()

    assert (source.version, target.version) == (2, 2)
    assert await audited(backend) == {house.id: gbp("-3"), purse.id: gbp("3")}


async def test_accounts_and_a_transfer_between_them_can_be_made_in_one_go(
    backend: Backend,
) -> None:
    ada, house = a_user(), a_house()
    purse = an_account(ada)
    await backend.keep(ada)

    async with backend.begin() as work:
        work.accounts.add(house)
        work.accounts.add(purse)
        await work.flush()
        work.transfers.add(a_transfer(house, purse, gbp("1"), actor=ada))
        await work.commit()

    assert await audited(backend) == {house.id: gbp("-1"), purse.id: gbp("1")}


async def test_a_failed_savepoint_gives_every_balance_back(backend: Backend) -> None:
    ada = a_user()
    house, purse = await kept_pair(backend, ada, gbp("5"))

    async with backend.begin() as work:
        source, target = await account_in(work, purse), await account_in(work, house)
        async with failing(work.savepoint()):
            work.transfers.add(a_transfer(source, target, gbp("5"), actor=ada))
            await work.flush()
            assert source.balance == gbp("0")
        assert (source.balance, target.balance) == (gbp("5"), gbp("-5"))
        async with work.savepoint():
            work.transfers.add(a_transfer(source, target, gbp("1"), actor=ada))
        await work.commit()

    assert await audited(backend) == {house.id: gbp("-4"), purse.id: gbp("4")}
    assert [entry.type for entry in await backend.outbox()] == ["transfer.made"]


async def test_a_unit_of_work_that_is_left_moves_nothing(backend: Backend) -> None:
    ada = a_user()
    house, purse = await kept_pair(backend, ada, gbp("5"))

    async with backend.begin() as work:
        source, target = await lock_accounts(work, house, purse)
        work.transfers.add(a_transfer(source, target, gbp("5"), actor=ada))
        await work.flush()

    assert await audited(backend) == {house.id: gbp("-5"), purse.id: gbp("5")}
    assert await backend.outbox() == []


@pytest.mark.parametrize("lock", [False, True])
async def test_an_account_is_found_by_its_owner_and_currency(backend: Backend, lock: bool) -> None:
    ada, bob = a_user(), a_user()
    house, pounds, dollars = a_house(), an_account(ada), an_account(ada, currency="USD")
    await backend.keep(ada, bob, house, pounds, dollars, an_account(bob))

    async def found(owner: User | None, currency: str) -> object:
        async with backend.begin() as work:
            code = Currency.of(currency)
            if owner is None:
                account = await work.accounts.house(code, lock=lock)
            else:
                account = await work.accounts.of_owner(UserId(owner.id), code, lock=lock)
        return account and account.id

    assert await found(ada, "GBP") == pounds.id
    assert await found(ada, "USD") == dollars.id
    assert await found(None, "GBP") == house.id
    assert await found(None, "USD") is None
    assert await found(bob, "USD") is None
    assert await found(a_user(), "GBP") is None


async def test_who_looks_for_no_account_or_transfer_is_told_so(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(AccountNotFound):
                await work.accounts.get(AccountId(uuid4()), lock=lock)
        assert await work.accounts.lock_all([AccountId(uuid4())]) == []
        with pytest.raises(TransferNotFound):
            await work.transfers.get(TransferId(uuid4()))


async def test_accounts_are_locked_in_the_order_of_their_ids(overlapping: Backend) -> None:
    owners = [a_user(), a_user()]
    low, high = sorted(map(an_account, owners), key=lambda account: account.id)
    await overlapping.keep(*owners, low, high)

    async def lock(*wanted: Account) -> list[object]:
        async with overlapping.begin() as work:
            return [account.id for account in await lock_accounts(work, *wanted)]

    async with overlapping.begin() as work:
        await account_in(work, high, lock=True)
        second = create_task(lock(high, low))
        assert await waits(second)
        # It waits for the high one and holds the low one already.
        third = create_task(lock(low))
        assert await waits(third)

    assert await second == [low.id, high.id]
    assert await third == [low.id]


@pytest.mark.parametrize("asked", ["by id", "by owner", "among others", "as the house"])
async def test_whoever_waited_for_an_account_sees_its_balance_as_it_is_then(
    backend: Backend, asked: str
) -> None:
    ada = a_user()
    house, purse = await kept_pair(backend, ada, gbp("5"))

    async def look() -> Money:
        async with backend.begin() as work:
            match asked:
                case "by id":
                    found = await account_in(work, purse, lock=True)
                case "by owner":
                    owned = await work.accounts.of_owner(UserId(ada.id), GBP, lock=True)
                    assert owned
                    found = owned
                case "among others":
                    [found] = await lock_accounts(work, purse)
                case _:
                    shops = await work.accounts.house(GBP, lock=True)
                    assert shops
                    return shops.balance * -1
            return found.balance

    async with backend.begin() as work:
        await lock_accounts(work, house, purse)
        source, target = await account_in(work, purse), await account_in(work, house)
        work.transfers.add(a_transfer(source, target, gbp("2"), actor=ada))
        second = create_task(look())
        assert await waits(second)
        await work.commit()

    assert await second == gbp("3")


async def test_whoever_locks_an_account_sees_it_anew_in_the_object_that_they_have(
    overlapping: Backend,
) -> None:
    ada = a_user()
    house, purse = await kept_pair(overlapping, ada, gbp("5"))

    async with overlapping.begin() as work:
        account = await account_in(work, purse)
        async with overlapping.begin() as faster:
            source, target = await account_in(faster, purse), await account_in(faster, house)
            faster.transfers.add(a_transfer(source, target, gbp("2"), actor=ada))
            await faster.commit()
        assert account.balance == gbp("5")
        assert await lock_accounts(work, purse) == [account]
        assert account.balance == gbp("3")


async def test_who_spends_what_they_saw_without_a_lock_is_refused_if_it_was_spent_meanwhile(
    overlapping: Backend,
) -> None:
    ada = a_user()
    house, purse = await kept_pair(overlapping, ada, gbp("5"))

    async with overlapping.begin() as work, overlapping.begin() as faster:
        source, target = await account_in(work, purse), await account_in(work, house)
        taken, given = await account_in(faster, purse), await account_in(faster, house)
        faster.transfers.add(a_transfer(taken, given, gbp("5"), actor=ada))
        await faster.commit()
        work.transfers.add(a_transfer(source, target, gbp("5"), actor=ada))
        with pytest.raises(StaleWrite):
            await work.commit()

    assert await audited(overlapping) == {house.id: gbp("0"), purse.id: gbp("0")}


async def test_a_user_with_an_account_cannot_be_removed(backend: Backend) -> None:
    ada = a_user()
    await backend.keep(ada, an_account(ada))

    async with backend.begin() as work:
        await work.users.remove(await user_in(work, ada, lock=True))
        with pytest.raises(InUse):
            await work.flush()

    assert await backend.users.find(UserId(ada.id))


async def test_a_user_who_made_a_transfer_cannot_be_removed(backend: Backend) -> None:
    ada, clerk = a_user(), a_user(role=Role.STAFF)
    house, purse = a_house(), an_account(ada)
    await backend.keep(ada, clerk, house, purse, a_transfer(house, purse, actor=clerk))

    async with backend.begin() as work:
        await work.users.remove(await user_in(work, clerk, lock=True))
        with pytest.raises(InUse):
            await work.flush()

    assert await backend.users.find(UserId(clerk.id))


@pytest.mark.parametrize("minor", [-1, LARGEST_BALANCE + 1])
async def test_no_database_takes_a_balance_that_no_customer_can_have(
    sql: SqlBackend, minor: int
) -> None:
    await sql.keep(ada := a_user(), purse := an_account(ada))
    with pytest.raises(IntegrityError):
        async with sql.engine.begin() as connection:
            await connection.execute(
                update(accounts).where(accounts.c.id == purse.id).values(balance_minor=minor)
            )
    assert await audited(sql) == {purse.id: gbp("0")}


@pytest.mark.parametrize("minor", [-LARGEST_BALANCE - 1, LARGEST_BALANCE + 1])
async def test_nor_one_that_not_even_the_house_can_have(sql: SqlBackend, minor: int) -> None:
    await sql.keep(house := a_house())
    with pytest.raises(IntegrityError):
        async with sql.engine.begin() as connection:
            await connection.execute(
                update(accounts).where(accounts.c.id == house.id).values(balance_minor=minor)
            )


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 0},
        {"position": 3},
        {"position": 2},
        {"position": None},
        {"balance_after_minor": LARGEST_BALANCE + 1},
        {"account_id": UUID(int=1)},
    ],
    ids=str,
)
async def test_nor_an_entry_that_no_transfer_makes(
    sql: SqlBackend, wrong: dict[str, object]
) -> None:
    ada = a_user()
    await kept_pair(sql, ada, gbp("5"))
    async with sql.begin() as work:
        house = await work.accounts.house(GBP)
        purse = await work.accounts.of_owner(UserId(ada.id), GBP)
        assert house
        assert purse
        made = a_transfer(house, purse, gbp("1"), actor=ada)
        work.transfers.add(made)
        await work.commit()
    row = _row_of(made) | wrong
    with pytest.raises((IntegrityError, InUse)):
        async with sql.engine.begin() as connection:
            await connection.execute(insert(entries).values(**row))


def _row_of(made: Transfer) -> dict[str, object]:
    """An entry that a transfer could have, if it had none in the first place."""
    return {
        "id": uuid4(),
        "transfer_id": made.id,
        "position": 1,
        "account_id": made.from_account_id,
        "amount_minor": -1,
        "balance_after_minor": 0,
        "currency": GBP,
        "at": NOON,
    }
