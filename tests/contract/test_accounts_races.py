import random
from functools import partial

from application.accounts.opening import Opening
from application.accounts.queries import AccountFilter
from application.accounts.transfers import Bookkeeping
from application.identity.administration import Administration
from application.identity.registration import Registration
from application.shared.unit_of_work import Runner
from domain.accounts.account import Account, AccountId
from domain.accounts.transfer import Transfer
from domain.identity.user import Role, User, UserId
from domain.shared.money import Currency
from tests.builders import (
    PlainHasher,
    a_house,
    a_transfer,
    a_user,
    actor_of,
    an_account,
    an_actor,
    at_noon,
    gbp,
)
from tests.contract.backends import Backend
from tests.contract.ledger import audited
from tests.contract.steps import ends_of, everything

GBP = Currency.of("GBP")


def id_of(account: Account) -> AccountId:
    return AccountId(account.id)


async def kept(backend: Backend, clerk: User, *amounts: str) -> list[Account]:
    """The house, and an account with each of these amounts in it."""
    owners, house = [a_user() for _ in amounts], a_house()
    accounts = [an_account(owner) for owner in owners]
    transfers = [
        a_transfer(house, account, gbp(amount), actor=clerk)
        for account, amount in zip(accounts, amounts, strict=True)
        if amount != "0"
    ]
    await backend.keep(clerk, *owners, house, *accounts, *transfers)
    return [house, *accounts]


async def test_two_hundred_transfers_there_and_back_at_once_never_stand_in_each_others_way(
    backend: Backend,
) -> None:
    clerk = a_user(role=Role.STAFF)
    house, one, other = await kept(backend, clerk, "100", "100")
    run, bookkeeping = Runner(), Bookkeeping(backend.begin, at_noon)
    ids = [id_of(one), id_of(other)]

    async def move(number: int) -> Transfer:
        source, target = ids if number % 2 else ids[::-1]
        amount = gbp("1") * (1 + number % 3)
        return await run(partial(bookkeeping.transfer, actor_of(clerk), source, target, amount))

    assert await ends_of([move(number) for number in range(200)]) == {"done": 200}

    assert run.retries == {}
    moved = sum((1 + number % 3) * (1 if number % 2 else -1) for number in range(200))
    assert await audited(backend) == {
        house.id: gbp("-200"),
        one.id: gbp("100") - gbp("1") * moved,
        other.id: gbp("100") + gbp("1") * moved,
    }


async def test_of_twenty_who_spend_one_balance_at_once_as_many_do_as_it_is_enough_for(
    backend: Backend,
) -> None:
    clerk = a_user(role=Role.STAFF)
    house, purse, jar = await kept(backend, clerk, "7.50", "0")
    run, bookkeeping = Runner(), Bookkeeping(backend.begin, at_noon)
    owner = an_actor(id=purse.owner_id)

    async def spend() -> Transfer:
        return await bookkeeping.transfer(owner, id_of(purse), id_of(jar), gbp("1"))

    ends = await ends_of([run(spend) for _ in range(20)])

    assert ends == {"done": 7, "InsufficientFunds": 13}
    assert await audited(backend) == {
        house.id: gbp("-7.50"),
        purse.id: gbp("0.50"),
        jar.id: gbp("7"),
    }
    assert [entry.type for entry in await backend.outbox()] == 7 * ["transfer.made"]


async def test_the_first_deposits_in_a_currency_open_one_house_account_however_many_they_are(
    backend: Backend,
) -> None:
    clerk, owners = a_user(role=Role.STAFF), [a_user() for _ in range(10)]
    accounts = [an_account(owner) for owner in owners]
    await backend.keep(clerk, *owners, *accounts)
    run, bookkeeping = Runner(), Bookkeeping(backend.begin, at_noon)

    async def deposit(account: Account) -> Transfer:
        return await run(
            partial(bookkeeping.deposit, actor_of(clerk), id_of(account), gbp("1"), reference="r")
        )

    assert await ends_of([deposit(account) for account in accounts * 2]) == {"done": 20}

    assert {*run.retries} <= {"NameCollision"}
    balances = await audited(backend)
    assert len(balances) == 11
    assert sorted(balances.values()) == [gbp("-20"), *[gbp("2")] * 10]
    told = [entry.type for entry in await backend.outbox()]
    assert sorted(told) == ["account.opened", *["transfer.made"] * 20]


async def test_deposits_and_transfers_between_the_same_accounts_all_get_through(
    backend: Backend,
) -> None:
    clerk = a_user(role=Role.STAFF)
    house, *accounts = await kept(backend, clerk, *["50"] * 4)
    run, bookkeeping = Runner(), Bookkeeping(backend.begin, at_noon)
    dice, staff = random.Random(5), actor_of(clerk)
    deposits = [
        partial(bookkeeping.deposit, staff, id_of(dice.choice(accounts)), gbp("1"), reference="r")
        for _ in range(30)
    ]
    # Some of them from the house or to it, so that it is asked for in either order.
    pairs = [dice.sample([house, *accounts], 2) for _ in range(60)]
    moves = [
        partial(bookkeeping.transfer, staff, id_of(source), id_of(target), gbp("1"))
        for source, target in pairs
    ]
    attempts = [run(deposit) for deposit in deposits] + [run(move) for move in moves]
    dice.shuffle(attempts)

    assert await ends_of(attempts) == {"done": 90}

    assert run.retries == {}
    balances = await audited(backend)
    assert sum(balance.minor for balance in balances.values()) == 0
    assert sum(1 for entry in await backend.outbox() if entry.type == "transfer.made") == 90


async def test_money_that_goes_round_among_many_neither_grows_nor_shrinks(
    backend: Backend,
) -> None:
    clerk = a_user(role=Role.STAFF)
    house, *accounts = await kept(backend, clerk, *["3"] * 5)
    run, bookkeeping, dice = Runner(), Bookkeeping(backend.begin, at_noon), random.Random(3)

    async def spend(source: Account, target: Account) -> Transfer:
        owner, amount = an_actor(id=source.owner_id), gbp("1") * dice.randint(1, 3)
        return await run(partial(bookkeeping.transfer, owner, id_of(source), id_of(target), amount))

    pairs = [dice.sample(accounts, 2) for _ in range(60)]
    ends = await ends_of([spend(source, target) for source, target in pairs])

    assert {*ends} <= {"done", "InsufficientFunds"}
    balances = await audited(backend)
    assert balances.pop(house.id) == gbp("-15")
    assert sum(balance.minor for balance in balances.values()) == 1500


async def test_of_ten_who_open_the_same_account_one_does(backend: Backend) -> None:
    await backend.keep(ada := a_user())
    run, opening = Runner(), Opening(backend.begin, GBP, at_noon)

    async def open_one() -> Account:
        return await opening.open(an_actor(Role.STAFF), UserId(ada.id))

    assert await ends_of([run(open_one) for _ in range(10)]) == {"done": 1, "AccountExists": 9}
    assert len(await audited(backend)) == 1


async def test_of_a_user_who_goes_and_an_account_that_is_opened_one_is_refused(
    backend: Backend,
) -> None:
    run, hasher = Runner(), PlainHasher()
    registration = Registration(backend.begin, hasher, at_noon)
    administration = Administration(backend.begin, backend.users, registration, hasher, at_noon)
    opening = Opening(backend.begin, GBP, at_noon)

    for _ in range(10):
        await backend.keep(ada := a_user())
        id = UserId(ada.id)
        ends = await ends_of(
            [
                run(partial(administration.delete, an_actor(Role.ADMIN), id)),
                run(partial(opening.open, an_actor(Role.STAFF), id)),
            ]
        )
        assert ends in ({"done": 1, "InUse": 1}, {"done": 1, "UserNotFound": 1})
        opened = await backend.accounts.page(everything("created_at"), AccountFilter(owner_id=id))
        assert len(opened.items) == (1 if await backend.users.find(id) else 0)
