import pytest

from application.identity.registration import NO_PASSWORD, NewUser
from application.identity.signing_in import InvalidCredentials
from application.shared.errors import RowRefused
from domain.identity.user import EmailTaken, Permission, Role, User, UsernameTaken
from domain.shared.errors import DomainError, Forbidden, InvalidValue
from tests.builders import NOON, PASSWORD, an_actor
from tests.unit.identity.desk import Desk

ADMIN = an_actor(Role.ADMIN)


def new_user(
    username: str = "ada", email: str | None = None, password: str | None = PASSWORD
) -> NewUser:
    return NewUser(username=username, email=email or f"{username}@example.com", password=password)


async def test_whoever_registers_is_a_customer_from_then_on(desk: Desk) -> None:
    user = await desk.registration.register(new_user())
    stored = desk.shop.now(user)
    assert (stored.username, stored.role, stored.created_at) == ("ada", Role.CUSTOMER, NOON)
    assert stored.is_active
    assert stored.version == 1
    assert desk.shop.events == ["user.registered"]
    await desk.sign_in("ada", PASSWORD)


async def test_only_the_hash_of_a_password_is_stored(desk: Desk) -> None:
    user = await desk.registration.register(new_user(password="Cafe\u0301 1234"))
    assert desk.shop.now(user).password_hash == "plain:Caf\u00e9 1234"


@pytest.mark.parametrize(
    ("username", "email", "taken"),
    [
        ("ada", "other@example.com", UsernameTaken),
        ("ADA", "other@example.com", UsernameTaken),
        ("ａｄａ", "other@example.com", UsernameTaken),
        ("other", "ada@example.com", EmailTaken),
        ("other", "ADA@Example.COM", EmailTaken),
        ("other", "ａｄａ@example.com", EmailTaken),
    ],
)
async def test_a_name_in_another_spelling_is_still_taken(
    desk: Desk, username: str, email: str, taken: type[DomainError]
) -> None:
    await desk.registration.register(new_user())
    with pytest.raises(taken):
        await desk.registration.register(new_user(username, email))
    assert desk.shop.count(User) == 1
    assert desk.shop.events == ["user.registered"]


async def test_two_unicode_forms_of_an_address_are_one_address(desk: Desk) -> None:
    await desk.registration.register(new_user("one", "cafe\u0301@example.com"))
    with pytest.raises(EmailTaken) as taken:
        await desk.registration.register(new_user("two", "CAF\u00c9@example.com"))
    assert taken.value.details == {"field": "email"}


async def test_a_weak_password_is_refused_before_it_is_hashed(desk: Desk) -> None:
    with pytest.raises(InvalidValue, match="password"):
        await desk.registration.register(new_user(password="weak"))
    assert desk.shop.count(User) == 0


async def test_nobody_registers_with_a_name_or_address_that_is_none(desk: Desk) -> None:
    for username, email in [("a", "ada@example.com"), ("ada", "ada")]:
        with pytest.raises(InvalidValue):
            await desk.registration.register(new_user(username, email))
    assert desk.shop.count(User) == 0


async def test_many_are_registered_at_once_with_the_roles_they_are_to_have(desk: Desk) -> None:
    staff = NewUser(
        username="grace",
        email="grace@example.com",
        password=PASSWORD,
        full_name="Grace Hopper",
        role=Role.STAFF,
    )
    many = [new_user(f"user_{number}") for number in range(20)]
    results = await desk.registration.register_all(ADMIN, [staff, *many], skip=False)
    users = [result for result in results if isinstance(result, User)]
    assert [user.username for user in users] == ["grace", *(new.username for new in many)]
    assert desk.shop.count(User) == 21
    stored = desk.shop.now(users[0])
    assert (stored.role, stored.full_name) == (Role.STAFF, "Grace Hopper")
    assert desk.shop.events == ["user.registered"] * 21
    await desk.sign_in("user_19", PASSWORD)


async def test_every_row_has_its_own_password(desk: Desk) -> None:
    refused = InvalidValue("email", "is no email address")
    passwords = [None if number % 3 == 0 else f"Horse {number:04}" for number in range(20)]
    rows: list[NewUser | DomainError] = [
        new_user(f"user_{number}", password=password) for number, password in enumerate(passwords)
    ]
    rows.insert(5, refused)
    results = await desk.registration.register_all(ADMIN, rows, skip=True)
    assert results[5] is refused
    hashes = [desk.shop.now(result).password_hash for result in results if isinstance(result, User)]
    assert hashes == [f"plain:{password}" if password else NO_PASSWORD for password in passwords]


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_one_bad_row_spoils_all_of_them(desk: Desk, index: int) -> None:
    await desk.user("taken")
    rows = [new_user("one"), new_user("two")]
    rows.insert(index, new_user("TAKEN", "other@example.com"))
    with pytest.raises(RowRefused) as refused:
        await desk.registration.register_all(ADMIN, rows, skip=False)
    assert refused.value.index == index
    assert isinstance(refused.value.cause, UsernameTaken)
    assert desk.shop.count(User) == 1
    assert desk.shop.events == []


async def test_a_bad_row_is_left_out_where_the_good_ones_are_wanted(desk: Desk) -> None:
    await desk.user("taken")
    broken = InvalidValue("email", "is no email address")
    rows: list[NewUser | DomainError] = [
        new_user("one"),
        new_user("TAKEN", "other@example.com"),
        broken,
        new_user("another", "ONE@example.com"),
        new_user("weak", password="weak"),
        new_user("two"),
    ]
    results = await desk.registration.register_all(ADMIN, rows, skip=True)
    assert [type(result) for result in results] == [
        User,
        UsernameTaken,
        InvalidValue,
        EmailTaken,
        InvalidValue,
        User,
    ]
    assert results[2] is broken
    assert "password" in str(results[4])
    assert desk.shop.count(User) == 3
    assert desk.shop.events == ["user.registered"] * 2
    await desk.sign_in("two", PASSWORD)


async def test_a_row_with_a_weak_password_is_named(desk: Desk) -> None:
    rows = [new_user("one"), new_user("two", password="weak")]
    with pytest.raises(RowRefused) as refused:
        await desk.registration.register_all(ADMIN, rows, skip=False)
    assert refused.value.index == 1
    assert isinstance(refused.value.cause, InvalidValue)
    assert desk.shop.count(User) == 0


@pytest.mark.parametrize("password", ["", NO_PASSWORD, "None", PASSWORD])
async def test_nobody_signs_in_who_was_given_no_password(desk: Desk, password: str) -> None:
    await desk.registration.register_all(ADMIN, [new_user("ada", password=None)], skip=False)
    with pytest.raises(InvalidCredentials):
        await desk.sign_in("ada", password)


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.STAFF])
async def test_only_administrators_register_others(desk: Desk, role: Role) -> None:
    with pytest.raises(Forbidden, match=Permission.MANAGE_USERS_IN_BULK):
        await desk.registration.register_all(an_actor(role), [new_user()], skip=True)
    assert desk.shop.count(User) == 0
