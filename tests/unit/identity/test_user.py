from datetime import timedelta

import pytest

from domain.identity.events import (
    PasswordChanged,
    UserActivated,
    UserChanged,
    UserDeactivated,
    UserPromoted,
    UserRegistered,
)
from domain.identity.user import (
    PERMISSIONS,
    Permission,
    Role,
    User,
    UserChanges,
)
from domain.shared.errors import InvalidValue
from domain.shared.events import Event
from tests.builders import NOON, a_user


def told(user: User) -> list[Event]:
    return [recorded.event for recorded in user.release_events()]


def test_a_new_user_is_an_active_customer() -> None:
    user = a_user(username="Ada_1815", email="Ada@Example.com", full_name="Ada Lovelace")
    assert (user.username, user.email, user.full_name) == (
        "Ada_1815",
        "Ada@Example.com",
        "Ada Lovelace",
    )
    assert user.role is Role.CUSTOMER
    assert user.is_active
    assert user.last_login_at is None
    assert user.created_at == user.updated_at == NOON
    assert told(user) == [UserRegistered(user_id=user.id, role=Role.CUSTOMER, at=NOON)]


def test_the_names_that_must_be_unique_are_folded() -> None:
    user = a_user(username="Ada_1815", email="CAFE\u0301@Example.com")
    assert user.username_key == "ada_1815"
    assert user.email == "CAF\u00c9@Example.com"
    assert user.email_key == "caf\u00e9@example.com"


@pytest.mark.parametrize("username", ["abc", "A_1", "___", "a" * 50])
def test_a_username_is_made_of_letters_digits_and_underscores(username: str) -> None:
    assert a_user(username=username).username == username


@pytest.mark.parametrize(
    "username", ["ab", "a" * 51, "a b", "a-b", "a.b", "ada\n", "ädä", "a@b.c", "١٢٣", "ﬁ"]
)
def test_nothing_else_is_a_username(username: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        a_user(username=username, email="ada@example.com")
    assert refused.value.details["field"] == "username"


@pytest.mark.parametrize(
    ("typed", "name"), [("ａｄａ", "ada"), ("ﬁona", "fiona"), ("user²", "user2")]
)
def test_another_spelling_of_a_username_is_the_same_name(typed: str, name: str) -> None:
    user = a_user(username=typed, email="ada@example.com")
    assert (user.username, user.username_key) == (name, name)


@pytest.mark.parametrize("full_name", ["", " ", "Ada\nLovelace", "Ada\x00", "a" * 201])
def test_a_full_name_is_a_line_where_there_is_one(full_name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        a_user(full_name=full_name)
    assert refused.value.details["field"] == "full_name"


def test_the_hash_of_a_password_is_never_told() -> None:
    user = a_user(password="Secret horse 1")
    assert "Secret" not in str(told(user))


def test_somebody_is_promoted_once() -> None:
    user, later = a_user(), NOON + timedelta(hours=1)
    told(user)
    user.promote(Role.STAFF, at=later)
    assert (user.role, user.updated_at) == (Role.STAFF, later)
    assert told(user) == [UserPromoted(user_id=user.id, role=Role.STAFF, at=later)]
    user.promote(Role.STAFF, at=later + timedelta(hours=1))
    assert user.updated_at == later
    assert told(user) == []


def test_a_promotion_may_lead_down() -> None:
    user = a_user(role=Role.ADMIN)
    user.promote(Role.CUSTOMER, at=NOON)
    assert user.role is Role.CUSTOMER


def test_signing_in_is_remembered() -> None:
    user, later = a_user(), NOON + timedelta(hours=1)
    hashed = user.password_hash
    user.sign_in(at=later)
    assert (user.last_login_at, user.password_hash) == (later, hashed)
    assert user.updated_at == NOON


def test_a_user_is_searched_by_the_words_of_their_names() -> None:
    user = a_user(username="ada_1815", email="count@example.com", full_name="Ada LOVELACE")
    assert user.words.split() == ["ada", "1815", "count", "example", "com", "lovelace"]
    user.revise({"full_name": None, "email": "ada@example.org"}, at=NOON)
    assert user.words.split() == ["ada", "1815", "example", "org"]


def test_revising_tells_what_has_changed_and_nothing_else() -> None:
    user, later = a_user(username="ada", full_name="Ada"), NOON + timedelta(hours=1)
    told(user)
    user.revise({"username": "ada", "full_name": "Ada Lovelace", "bio": "Poet"}, at=later)
    assert (user.full_name, user.bio, user.updated_at) == ("Ada Lovelace", "Poet", later)
    assert told(user) == [UserChanged(user_id=user.id, fields=("full_name", "bio"), at=later)]
    user.revise({"full_name": "Ada Lovelace"}, at=later + timedelta(hours=1))
    assert user.updated_at == later
    assert told(user) == []


def test_a_new_name_is_compared_like_the_first() -> None:
    user = a_user(username="ada", email="ada@example.com")
    user.revise({"username": "Ada_1815", "email": "ADA@Example.org"}, at=NOON)
    assert (user.username_key, user.email_key) == ("ada_1815", "ada@example.org")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (UserChanges(username="a b"), "username"),
        (UserChanges(email="ada"), "email"),
        (UserChanges(full_name=" "), "full_name"),
        (UserChanges(bio="a" * 2001), "bio"),
        (UserChanges(bio="\x00"), "bio"),
    ],
)
def test_a_revision_that_is_none_changes_nothing(changes: UserChanges, field: str) -> None:
    user = a_user(username="ada", full_name="Ada")
    told(user)
    with pytest.raises(InvalidValue) as refused:
        user.revise({"full_name": "Ada Lovelace", **changes}, at=NOON)
    assert refused.value.details["field"] == field
    assert (user.full_name, told(user)) == ("Ada", [])


def test_somebody_is_deactivated_and_activated_once() -> None:
    user, later = a_user(), NOON + timedelta(hours=1)
    told(user)
    user.activate(at=later)
    assert (user.updated_at, told(user)) == (NOON, [])
    user.deactivate(at=later)
    user.deactivate(at=later)
    assert not user.is_active
    user.activate(at=later)
    assert user.is_active
    assert user.updated_at == later
    assert told(user) == [
        UserDeactivated(user_id=user.id, at=later),
        UserActivated(user_id=user.id, at=later),
    ]


def test_that_a_password_changed_is_told_and_not_to_what() -> None:
    user, later = a_user(), NOON + timedelta(hours=1)
    told(user)
    user.change_password("plain:Secret horse 2", at=later)
    assert (user.password_hash, user.updated_at) == ("plain:Secret horse 2", later)
    assert told(user) == [PasswordChanged(user_id=user.id, at=later)]


def test_every_role_may_what_the_ones_before_it_may() -> None:
    assert [*PERMISSIONS] == [*Role]
    customer, staff, admin = PERMISSIONS.values()
    assert customer <= staff <= admin


def test_customers_manage_nothing_and_staff_manages_the_shop() -> None:
    assert PERMISSIONS[Role.CUSTOMER] == set()
    assert PERMISSIONS[Role.STAFF] == {
        Permission.MANAGE_CATALOG,
        Permission.MANAGE_POSTS,
        Permission.MANAGE_ORDERS,
        Permission.MANAGE_ACCOUNTS,
        Permission.MANAGE_USERS,
        Permission.SEE_REPORTS,
    }


def test_what_cannot_be_taken_back_is_for_administrators() -> None:
    assert PERMISSIONS[Role.ADMIN] == {*Permission}
    assert PERMISSIONS[Role.ADMIN] - PERMISSIONS[Role.STAFF] == {
        Permission.CHANGE_ROLES,
        Permission.DELETE_USERS,
        Permission.MANAGE_USERS_IN_BULK,
    }


def test_roles_have_an_order() -> None:
    assert Role.CUSTOMER.rank < Role.STAFF.rank < Role.ADMIN.rank
