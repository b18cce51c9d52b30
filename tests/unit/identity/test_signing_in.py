from dataclasses import dataclass
from uuid import UUID

import pytest

from application.identity.actor import Actor, Unauthenticated
from application.identity.queries import UserDetails
from application.identity.signing_in import InvalidCredentials, SigningIn
from domain.identity.user import Role, UserId
from tests.builders import NOON, PASSWORD, PlainHasher, a_user, at_noon
from tests.unit.shop import Shop


@dataclass(slots=True)
class PlainTokens:
    lifetime: int = 900

    def issue(self, id: UserId) -> str:
        return f"token of {id}"

    def holder(self, token: str) -> UserId | None:
        prefix, _, id = token.rpartition(" of ")
        return UserId(UUID(id)) if prefix == "token" else None


NOBODY = UUID("019cec37-b600-7000-872d-b3f82edb26fe")


@pytest.fixture
def hasher() -> PlainHasher:
    return PlainHasher()


@pytest.fixture
def signing_in(shop: Shop, hasher: PlainHasher) -> SigningIn:
    return SigningIn(shop.begin, shop.users, hasher, PlainTokens(), at_noon)


@pytest.mark.parametrize("login", ["ada", "ADA", "ada@example.com", "ADA@example.COM"])
async def test_a_user_signs_in_by_name_or_address_in_any_spelling(
    shop: Shop, signing_in: SigningIn, login: str
) -> None:
    ada = a_user(username="ada", email="ada@example.com")
    await shop.keep(ada)
    token = await signing_in.with_password(login, PASSWORD)
    assert (await signing_in.holder(token)).id == ada.id


async def test_the_last_time_of_signing_in_is_kept(shop: Shop, signing_in: SigningIn) -> None:
    ada = a_user(username="ada")
    await shop.keep(ada)
    await signing_in.with_password("ada", PASSWORD)
    assert shop.now(ada).last_login_at == NOON


async def test_a_password_may_be_typed_on_another_keyboard(
    shop: Shop, signing_in: SigningIn
) -> None:
    await shop.keep(a_user(username="ada", password="Caf\u00e9 1234"))
    assert await signing_in.with_password("ada", "Cafe\u0301 1234")


async def test_every_failure_to_sign_in_looks_alike_and_costs_the_same(
    shop: Shop, signing_in: SigningIn, hasher: PlainHasher
) -> None:
    ada, gone = a_user(username="ada"), a_user(username="gone", is_active=False)
    await shop.keep(ada, gone)

    failures = []
    for login, password in [("nobody", PASSWORD), ("ada", "Wrong horse 9"), ("gone", PASSWORD)]:
        with pytest.raises(InvalidCredentials) as failed:
            await signing_in.with_password(login, password)
        failures.append((failed.value.code, str(failed.value)))

    assert len({*failures}) == 1
    assert hasher.asked == [None, ada.password_hash, gone.password_hash]
    assert shop.now(ada).last_login_at is None
    assert shop.now(gone).last_login_at is None


async def test_a_token_belongs_to_its_holder(shop: Shop, signing_in: SigningIn) -> None:
    ada = a_user(username="ada", role=Role.STAFF)
    await shop.keep(ada)
    token = await signing_in.with_password("ada", PASSWORD)
    assert await signing_in.holder(token) == UserDetails.of(shop.now(ada))
    assert await signing_in.actor(token) == Actor(UserId(ada.id), Role.STAFF)


async def test_a_role_holds_from_the_moment_it_changes(shop: Shop, signing_in: SigningIn) -> None:
    ada = a_user(username="ada", role=Role.STAFF)
    await shop.keep(ada)
    token = await signing_in.with_password("ada", PASSWORD)
    async with shop.begin() as work:
        (await work.users.get(UserId(ada.id))).promote(Role.CUSTOMER, at=NOON)
        await work.commit()
    assert (await signing_in.actor(token)).role is Role.CUSTOMER


async def test_the_tokens_of_a_deactivated_user_stop_working_at_once(
    shop: Shop, signing_in: SigningIn
) -> None:
    ada = a_user(username="ada")
    await shop.keep(ada)
    token = await signing_in.with_password("ada", PASSWORD)
    async with shop.begin() as work:
        (await work.users.get(UserId(ada.id))).is_active = False
        await work.commit()
    with pytest.raises(Unauthenticated):
        await signing_in.actor(token)


@pytest.mark.parametrize("token", ["", "nonsense", f"token of {NOBODY}"])
async def test_a_token_of_nobody_is_worth_nothing(signing_in: SigningIn, token: str) -> None:
    with pytest.raises(Unauthenticated) as failed:
        await signing_in.holder(token)
    assert failed.value.code == "unauthenticated"


def test_what_is_shown_of_a_user_has_no_hash() -> None:
    user = a_user(password="Secret horse 1")
    assert "Secret" not in repr(UserDetails.of(user))
