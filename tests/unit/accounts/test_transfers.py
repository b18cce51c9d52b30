import pytest

from application.accounts.queries import TransferDetails
from application.accounts.transfers import Bookkeeping
from application.identity.administration import Administration
from application.identity.registration import Registration
from application.shared.errors import InUse, NameCollision
from application.shared.unit_of_work import Runner
from domain.accounts.account import (
    Account,
    AccountId,
    AccountNotFound,
    InsufficientFunds,
)
from domain.accounts.transfer import Transfer, TransferId
from domain.identity.user import Role, User, UserId
from domain.shared.errors import Forbidden, InvalidValue
from domain.shared.money import Money, OtherCurrency
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
    usd,
)
from tests.unit.shop import Shop


@pytest.fixture
def bookkeeping(shop: Shop) -> Bookkeeping:
    return Bookkeeping(shop.begin, at_noon)


@pytest.fixture
async def clerk(shop: Shop) -> User:
    await shop.keep(clerk := a_user(role=Role.STAFF))
    return clerk


@pytest.fixture
async def ada(shop: Shop) -> User:
    await shop.keep(ada := a_user())
    return ada


@pytest.fixture
async def purse(shop: Shop, ada: User, clerk: User) -> Account:
    """Ada's account, with ten pounds in it."""
    house, purse = a_house(), an_account(ada)
    await shop.keep(house, purse, a_transfer(house, purse, gbp("10"), actor=clerk))
    return purse


@pytest.fixture
async def jar(shop: Shop) -> Account:
    """The empty account of somebody else."""
    bob = a_user()
    await shop.keep(bob, jar := an_account(bob))
    return jar


def id_of(account: Account) -> AccountId:
    return AccountId(account.id)


def balances(shop: Shop, *accounts: Account) -> list[Money]:
    return [shop.now(account).balance for account in accounts]


def houses(shop: Shop) -> list[Money]:
    return [account.balance for account in shop.database.all(Account) if not account.owner_id]


async def _no_pause(seconds: float) -> None:
    pass


async def test_a_deposit_comes_from_the_house_account_which_it_opens(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User, jar: Account
) -> None:
    transfer = await bookkeeping.deposit(
        actor_of(clerk), id_of(jar), gbp("2.50"), reference="gift card"
    )
    assert (transfer.amount, transfer.reference, transfer.memo) == (gbp("2.50"), "gift card", None)
    assert (transfer.to_account_id, transfer.actor_id) == (jar.id, clerk.id)
    assert balances(shop, jar) == [gbp("2.50")]
    assert houses(shop) == [gbp("-2.50")]
    assert shop.events == ["account.opened", "transfer.made"]
    found = await shop.transfers.find(TransferId(transfer.id))
    assert found == TransferDetails.of(transfer)


async def test_every_deposit_in_a_currency_comes_from_the_same_house_account(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User, ada: User, jar: Account, purse: Account
) -> None:
    dollars = an_account(ada, currency="USD")
    await shop.keep(dollars)
    for account, amount in ((jar, gbp("1")), (purse, gbp("2")), (dollars, usd("3"))):
        await bookkeeping.deposit(actor_of(clerk), id_of(account), amount, reference="r")
    assert balances(shop, jar, purse, dollars) == [gbp("1"), gbp("12"), usd("3")]
    assert sorted(map(str, houses(shop))) == ["-13.00 GBP", "-3.00 USD"]


async def test_two_first_deposits_at_once_open_one_house_account(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User, jar: Account
) -> None:
    run = Runner(_no_pause)

    async def deposit() -> Transfer:
        return await bookkeeping.deposit(actor_of(clerk), id_of(jar), gbp("1"), reference="r")

    second = shop.meanwhile(run(deposit))
    await deposit()
    await second
    assert run.retries == {NameCollision.__name__: 1}
    assert houses(shop) == [gbp("-2")]
    assert balances(shop, jar) == [gbp("2")]


async def test_a_deposit_that_is_refused_opens_no_house_account(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User, jar: Account
) -> None:
    with pytest.raises(OtherCurrency):
        await bookkeeping.deposit(actor_of(clerk), id_of(jar), usd("1"), reference="r")
    with pytest.raises(InvalidValue):
        await bookkeeping.deposit(actor_of(clerk), id_of(jar), gbp("0"), reference="r")
    assert (houses(shop), shop.events, shop.count(Transfer)) == ([], [], 0)


async def test_the_house_deposits_nothing_with_itself(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User
) -> None:
    await shop.keep(house := a_house())
    with pytest.raises(InvalidValue):
        await bookkeeping.deposit(actor_of(clerk), id_of(house), gbp("1"), reference="r")
    assert houses(shop) == [gbp("0")]


async def test_customers_make_no_deposits(
    shop: Shop, bookkeeping: Bookkeeping, ada: User, purse: Account
) -> None:
    for id in (id_of(purse), id_of(an_account())):
        with pytest.raises(Forbidden, match="you may not manage accounts"):
            await bookkeeping.deposit(actor_of(ada), id, gbp("1"), reference="r")
    assert balances(shop, purse) == [gbp("10")]


async def test_nothing_is_deposited_where_there_is_no_account(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User
) -> None:
    with pytest.raises(AccountNotFound):
        await bookkeeping.deposit(actor_of(clerk), id_of(an_account()), gbp("1"), reference="r")
    assert shop.count(Account) == 0


async def test_a_customer_transfers_from_their_own_account_to_any_other(
    shop: Shop, bookkeeping: Bookkeeping, ada: User, purse: Account, jar: Account
) -> None:
    transfer = await bookkeeping.transfer(
        actor_of(ada), id_of(purse), id_of(jar), gbp("4"), memo="lunch"
    )
    assert balances(shop, purse, jar) == [gbp("6"), gbp("4")]
    assert (transfer.memo, transfer.reference, transfer.actor_id) == ("lunch", None, ada.id)
    assert shop.events == ["transfer.made"]
    [entry] = shop.database.outbox
    assert entry.payload == {
        "transfer_id": str(transfer.id),
        "from_account_id": str(purse.id),
        "to_account_id": str(jar.id),
        "amount": {"amount": "4.00", "currency": "GBP"},
        "actor_id": str(ada.id),
    }


async def test_staff_transfers_from_any_account_the_house_included(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User, purse: Account, jar: Account
) -> None:
    [house] = [account for account in shop.database.all(Account) if account.owner_id is None]
    staff = actor_of(clerk)
    await bookkeeping.transfer(staff, id_of(purse), id_of(jar), gbp("4"))
    await bookkeeping.transfer(staff, id_of(jar), id_of(house), gbp("1"))
    await bookkeeping.transfer(staff, id_of(house), id_of(purse), gbp("9"))
    assert balances(shop, purse, jar, house) == [gbp("15"), gbp("3"), gbp("-18")]


async def test_nobody_takes_from_the_account_of_another_which_looks_like_none(
    shop: Shop, bookkeeping: Bookkeeping, purse: Account, jar: Account
) -> None:
    bob = an_actor(id=shop.now(jar).owner_id)
    [house] = [account for account in shop.database.all(Account) if account.owner_id is None]
    for source in (purse, house, an_account()):
        with pytest.raises(AccountNotFound, match="there is no such account") as refused:
            await bookkeeping.transfer(bob, id_of(source), id_of(jar), gbp("1"))
        assert refused.value.details == {"account_id": source.id}
    assert balances(shop, purse, jar) == [gbp("10"), gbp("0")]


async def test_whose_account_it_is_not_learns_nothing_from_a_bad_request(
    bookkeeping: Bookkeeping, purse: Account
) -> None:
    """Not even whether the amount would have been right."""
    for amount in (gbp("999"), gbp("0"), usd("1")):
        with pytest.raises(AccountNotFound):
            await bookkeeping.transfer(an_actor(), id_of(purse), id_of(purse), amount)


async def test_a_transfer_to_no_account_takes_nothing(
    shop: Shop, bookkeeping: Bookkeeping, ada: User, purse: Account
) -> None:
    nowhere = id_of(an_account())
    with pytest.raises(AccountNotFound) as refused:
        await bookkeeping.transfer(actor_of(ada), id_of(purse), nowhere, gbp("1"))
    assert refused.value.details == {"account_id": nowhere}
    assert balances(shop, purse) == [gbp("10")]


async def test_nobody_spends_more_than_they_have(
    shop: Shop, bookkeeping: Bookkeeping, ada: User, purse: Account, jar: Account
) -> None:
    await bookkeeping.transfer(actor_of(ada), id_of(purse), id_of(jar), gbp("10"))
    with pytest.raises(InsufficientFunds) as refused:
        await bookkeeping.transfer(actor_of(ada), id_of(purse), id_of(jar), gbp("0.01"))
    assert refused.value.details == {"balance": gbp("0"), "amount": gbp("0.01")}
    assert balances(shop, purse, jar) == [gbp("0"), gbp("10")]


async def test_a_balance_is_spent_once_however_many_spend_it(
    shop: Shop, bookkeeping: Bookkeeping, ada: User, purse: Account, jar: Account
) -> None:
    second = shop.meanwhile(bookkeeping.transfer(actor_of(ada), id_of(purse), id_of(jar), gbp("6")))
    await bookkeeping.transfer(actor_of(ada), id_of(purse), id_of(jar), gbp("6"))
    with pytest.raises(InsufficientFunds):
        await second
    assert balances(shop, purse, jar) == [gbp("4"), gbp("6")]


async def test_transfers_in_opposite_directions_do_not_wait_for_each_other_for_ever(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User, purse: Account, jar: Account
) -> None:
    staff = actor_of(clerk)
    await bookkeeping.transfer(staff, id_of(purse), id_of(jar), gbp("5"))
    second = shop.meanwhile(bookkeeping.transfer(staff, id_of(jar), id_of(purse), gbp("1")))
    await bookkeeping.transfer(staff, id_of(purse), id_of(jar), gbp("2"))
    await second
    assert balances(shop, purse, jar) == [gbp("4"), gbp("6")]


async def test_whoever_has_an_account_or_made_a_transfer_stays(
    shop: Shop, bookkeeping: Bookkeeping, clerk: User, jar: Account
) -> None:
    await bookkeeping.deposit(actor_of(clerk), id_of(jar), gbp("1"), reference="r")
    hasher = PlainHasher()
    registration = Registration(shop.begin, hasher, at_noon)
    administration = Administration(shop.begin, shop.users, registration, hasher, at_noon)
    owner_id = shop.now(jar).owner_id
    assert owner_id is not None
    for id in (owner_id, UserId(clerk.id)):
        with pytest.raises(InUse):
            await administration.delete(an_actor(Role.ADMIN), id)
        assert await shop.users.find(id)
