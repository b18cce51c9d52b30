from datetime import timedelta

import pytest

from domain.identity.events import UserPromoted, UserRegistered
from domain.identity.user import PERMISSIONS, Permission, Role, User
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
    "username", ["ab", "a" * 51, "a b", "a-b", "a.b", "ada\n", "ädä", "ａｄａ", "a@b.c", "١٢٣"]
)
def test_nothing_else_is_a_username(username: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        a_user(username=username, email="ada@example.com")
    assert refused.value.details["field"] == "username"


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
    user = a_user()
    user.signed_in(at=NOON)
    assert user.last_login_at == NOON


def test_every_role_may_what_the_ones_before_it_may() -> None:
    assert [*PERMISSIONS] == [*Role]
    customer, staff, admin = PERMISSIONS.values()
    assert customer <= staff <= admin


def test_customers_manage_nothing_and_staff_manages_the_shop() -> None:
    everything = {*Permission}
    assert PERMISSIONS[Role.CUSTOMER] == set()
    assert PERMISSIONS[Role.STAFF] == everything
    assert PERMISSIONS[Role.ADMIN] == everything
