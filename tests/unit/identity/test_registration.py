import pytest

from application.identity.registration import Registration
from domain.identity.user import EmailTaken, Role, User, UsernameTaken
from domain.shared.errors import DomainError, InvalidValue
from tests.builders import NOON, PASSWORD, PlainHasher, at_noon
from tests.unit.shop import Shop


@pytest.fixture
def registration(shop: Shop) -> Registration:
    return Registration(shop.begin, PlainHasher(), at_noon)


async def register(
    registration: Registration, username: str = "ada", email: str = "ada@example.com"
) -> User:
    return await registration.register(username=username, email=email, password=PASSWORD)


async def test_whoever_registers_is_a_customer_from_then_on(
    shop: Shop, registration: Registration
) -> None:
    user = await register(registration)
    stored = shop.now(user)
    assert (stored.username, stored.role, stored.created_at) == ("ada", Role.CUSTOMER, NOON)
    assert stored.version == 1
    assert shop.events == ["user.registered"]


async def test_only_the_hash_of_a_password_is_stored(
    shop: Shop, registration: Registration
) -> None:
    user = await registration.register(
        username="ada", email="ada@example.com", password="Cafe\u0301 1234"
    )
    assert shop.now(user).password_hash == "plain:Caf\u00e9 1234"


@pytest.mark.parametrize(
    ("username", "email", "taken"),
    [
        ("ada", "other@example.com", UsernameTaken),
        ("ADA", "other@example.com", UsernameTaken),
        ("other", "ada@example.com", EmailTaken),
        ("other", "ADA@Example.COM", EmailTaken),
        ("other", "ａｄａ@example.com", EmailTaken),
    ],
)
async def test_a_name_in_another_spelling_is_still_taken(
    shop: Shop, registration: Registration, username: str, email: str, taken: type[DomainError]
) -> None:
    await register(registration)
    with pytest.raises(taken):
        await register(registration, username, email)
    assert shop.count(User) == 1
    assert shop.events == ["user.registered"]


async def test_two_unicode_forms_of_an_address_are_one_address(
    shop: Shop, registration: Registration
) -> None:
    await register(registration, "one", "cafe\u0301@example.com")
    with pytest.raises(EmailTaken) as taken:
        await register(registration, "two", "CAF\u00c9@example.com")
    assert taken.value.details == {"field": "email"}


async def test_a_weak_password_is_refused_before_it_is_hashed(
    shop: Shop, registration: Registration
) -> None:
    with pytest.raises(InvalidValue, match="password"):
        await registration.register(username="ada", email="ada@example.com", password="weak")
    assert shop.count(User) == 0


async def test_nobody_registers_with_a_name_or_address_that_is_none(
    shop: Shop, registration: Registration
) -> None:
    for username, email in [("a", "ada@example.com"), ("ada", "ada")]:
        with pytest.raises(InvalidValue):
            await register(registration, username, email)
    assert shop.count(User) == 0
