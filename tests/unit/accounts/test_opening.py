import pytest

from application.accounts.opening import Opening
from application.accounts.queries import AccountDetails
from domain.accounts.account import Account, AccountExists, AccountId
from domain.identity.user import Role, User, UserId, UserNotFound
from domain.shared.errors import Forbidden
from domain.shared.money import Currency
from tests.builders import a_user, an_actor, at_noon, gbp
from tests.unit.shop import Shop

STAFF = an_actor(Role.STAFF)
GBP, USD = Currency.of("GBP"), Currency.of("USD")


@pytest.fixture
def opening(shop: Shop) -> Opening:
    return Opening(shop.begin, GBP, at_noon)


@pytest.fixture
async def ada(shop: Shop) -> User:
    await shop.keep(ada := a_user())
    return ada


@pytest.mark.parametrize("role", [Role.STAFF, Role.ADMIN])
async def test_staff_opens_an_account_for_a_user(
    shop: Shop, opening: Opening, ada: User, role: Role
) -> None:
    account = await opening.open(an_actor(role), UserId(ada.id), USD)
    assert (account.owner_id, account.currency, account.version) == (ada.id, USD, 1)
    assert await shop.accounts.find(AccountId(account.id)) == AccountDetails.of(account)
    assert shop.events == ["account.opened"]


async def test_where_no_currency_is_named_it_is_the_usual_one(opening: Opening, ada: User) -> None:
    assert (await opening.open(STAFF, UserId(ada.id))).balance == gbp("0")


async def test_a_user_has_one_account_in_each_currency(
    shop: Shop, opening: Opening, ada: User
) -> None:
    await opening.open(STAFF, UserId(ada.id), GBP)
    await opening.open(STAFF, UserId(ada.id), USD)
    with pytest.raises(AccountExists) as refused:
        await opening.open(STAFF, UserId(ada.id), GBP)
    assert refused.value.details == {"field": "currency"}
    assert shop.count(Account) == 2


async def test_of_two_who_open_the_same_account_one_does(
    shop: Shop, opening: Opening, ada: User
) -> None:
    meanwhile = shop.meanwhile(opening.open(STAFF, UserId(ada.id)))
    with pytest.raises(AccountExists):
        await opening.open(STAFF, UserId(ada.id))
    assert shop.now(await meanwhile).owner_id == ada.id
    assert shop.count(Account) == 1


async def test_nobody_is_given_an_account_who_is_not_there(shop: Shop, opening: Opening) -> None:
    with pytest.raises(UserNotFound):
        await opening.open(STAFF, UserId(a_user().id))
    assert shop.count(Account) == 0


async def test_customers_open_no_accounts_not_even_their_own(
    shop: Shop, opening: Opening, ada: User
) -> None:
    with pytest.raises(Forbidden, match="you may not manage accounts"):
        await opening.open(an_actor(id=UserId(ada.id)), UserId(ada.id))
    assert shop.count(Account) == 0
